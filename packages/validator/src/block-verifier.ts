/**
 * The shell's part of checking a proposal: batches, evidence, parameters, clock, and the word for what was executed.
 *
 * Stateless but for one thing: the event root and the root of facts that the header vouches for must be mine. What cannot be answered yet
 * (a batch on its way, an execution behind) waits. A root that differs makes the proposal invalid; only when such a block
 * is finalized against me does the replica stop with STATE_DIVERGED (see commit-pipeline.ts), since otherwise one lying
 * leader could stop every honest node.
 */
import type { Effect } from '@cloister/consensus';
import { type Digest, type Height, parseHeight } from '@cloister/crypto';
import type { BatchPool } from './batch-pool.ts';
import { BlockBudget, batchesOf } from './block-builder.ts';
import type { EvidencePool } from './evidence-pool.ts';
import { BATCH_LIFETIME_HEIGHTS, BLOCK_BATCHES_MAX, BLOCK_DRIFT_MS_MAX } from './limits.ts';
import type { ExecutedRoot, ReplicaCore } from './replica-core.ts';

export type VerifyRequest = Extract<Effect, { type: 'verify-block' }>;

export type BlockFault =
  | 'TIMESTAMP_AHEAD'
  | 'PARAMS_MISMATCH'
  | 'BATCHES_TOO_MANY'
  | 'BATCH_REPEATED'
  | 'BATCH_EXPIRED'
  | 'BATCH_EXPIRY_TOO_FAR'
  | 'BLOCK_CAPS'
  | 'LAST_FINAL_MISMATCH'
  | 'EVENT_ROOT_MISMATCH'
  | 'FACTS_ROOT_MISMATCH'
  | string;

export type Verdict =
  | { readonly verdict: 'valid' }
  | { readonly verdict: 'invalid'; readonly reason: BlockFault }
  /** `missing` are batches to be fetched; none means that execution is behind. */
  | { readonly verdict: 'wait'; readonly missing: readonly Digest[] };

export interface VerifierSources {
  readonly core: ReplicaCore;
  readonly pool: BatchPool;
  readonly evidence: EvidencePool;
  readonly root: (height: Height) => ExecutedRoot | undefined;
}

export function verifyBlock(sources: VerifierSources, request: VerifyRequest): Verdict {
  const { core, evidence } = sources;
  const { header, body, ancestors } = request;
  if (header.timestampMs > core.nowMs + BLOCK_DRIFT_MS_MAX) return invalid('TIMESTAMP_AHEAD');
  if (header.paramsHash !== core.paramsHash) return invalid('PARAMS_MISMATCH');
  const repeated = batchFault(sources, request);
  if (repeated !== undefined) return invalid(repeated);
  const evidenceFault = evidence.fault(body.evidence, ancestors);
  if (evidenceFault !== undefined) return invalid(evidenceFault);
  const rootAnswer = checkRoot(sources, request);
  if (rootAnswer !== undefined) return rootAnswer;
  return checkBatches(sources, request);
}

function invalid(reason: BlockFault): Verdict {
  return { verdict: 'invalid', reason };
}

function batchFault({ pool }: VerifierSources, { body, ancestors }: VerifyRequest): BlockFault | undefined {
  if (body.batches.length > BLOCK_BATCHES_MAX) return 'BATCHES_TOO_MANY';
  const named = batchesOf(ancestors);
  for (const id of body.batches) {
    if (named.has(id) || pool.isCommitted(id)) return 'BATCH_REPEATED';
    named.add(id);
  }
  return undefined;
}

function checkRoot({ core, root }: VerifierSources, { header }: VerifyRequest): Verdict | undefined {
  const { height, hash, eventRoot, eventCount, factsRoot } = header.lastFinal;
  if (parseHeight(height) === undefined) return invalid('LAST_FINAL_MISMATCH');
  const executed = root(height);
  if (executed === undefined) {
    return height > core.executedHeight() ? { verdict: 'wait', missing: [] } : invalid('LAST_FINAL_MISMATCH');
  }
  if (executed.hash !== hash) return invalid('LAST_FINAL_MISMATCH');
  if (executed.eventRoot !== eventRoot || executed.eventCount !== eventCount) return invalid('EVENT_ROOT_MISMATCH');
  return executed.factsRoot === factsRoot ? undefined : invalid('FACTS_ROOT_MISMATCH');
}

function checkBatches({ pool }: VerifierSources, { header, body }: VerifyRequest): Verdict {
  const missing = body.batches.filter((id) => pool.get(id) === undefined);
  if (missing.length > 0) return { verdict: 'wait', missing };
  const budget = new BlockBudget();
  for (const id of body.batches) {
    const held = pool.get(id);
    if (held === undefined) continue;
    const { expiryHeight } = held.verified.batch;
    if (expiryHeight < header.height) return invalid('BATCH_EXPIRED');
    if (expiryHeight > header.height + 2 * BATCH_LIFETIME_HEIGHTS) return invalid('BATCH_EXPIRY_TOO_FAR');
    if (!budget.take(held)) return invalid('BLOCK_CAPS');
  }
  return { verdict: 'valid' };
}
