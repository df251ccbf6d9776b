/**
 * Checks the parts of a proposal that consensus leaves to its shell: batches, evidence, parameters, clock, and what the
 * header vouches for.
 *
 * Only one check needs this node's state: the event root and the root of facts in the header must be this node's own.
 * While a batch is on its way or execution is behind, the check waits. A root that differs makes the proposal invalid;
 * the replica stops with STATE_DIVERGED only when such a block is final (see commit-pipeline.ts). Otherwise one lying
 * leader could stop every honest node.
 */
import type { Effect } from '@cloister/consensus';
import { type Digest, type Height, parseHeight } from '@cloister/encoding';
import type { BatchPool, BatchRefusal } from '../batches/batch-pool.ts';
import type { ExecutedRoot, ReplicaCore } from '../step/replica-core.ts';
import { type BodyFault, BodyRules } from './block-rules.ts';
import type { EvidenceFault, EvidencePool } from './evidence-pool.ts';

export type VerifyRequest = Extract<Effect, { type: 'verify-block' }>;

export type BlockFault =
  | BodyFault
  | BatchRefusal
  | EvidenceFault
  | 'TIMESTAMP_AHEAD'
  | 'PARAMS_MISMATCH'
  | 'LAST_FINAL_MISMATCH'
  | 'EVENT_ROOT_MISMATCH'
  | 'FACTS_ROOT_MISMATCH';

export type Verdict =
  | { readonly verdict: 'valid' }
  | { readonly verdict: 'invalid'; readonly reason: BlockFault }
  /** Batches have to be fetched, or execution is behind. */
  | { readonly verdict: 'wait'; readonly missing: readonly Digest[] };

export interface VerifierSources {
  readonly core: ReplicaCore;
  readonly pool: BatchPool;
  readonly evidence: EvidencePool;
  /** The roots of an executed height. */
  readonly root: (height: Height) => ExecutedRoot | undefined;
}

export function verifyBlock(sources: VerifierSources, request: VerifyRequest): Verdict {
  const { nowMs, monotonicMs, networkClock } = sources.core;
  if (request.header.timestampMs > networkClock.latestMs(nowMs, monotonicMs)) return invalid('TIMESTAMP_AHEAD');
  return judgeBlock(sources, request);
}

/**
 * Makes all checks but that of the clock. A leader's own block skips that one, so that a leader whose clock went back
 * does not lose its turn. Cheap checks come first, and evidence with its signatures last, when nothing is left to wait
 * for: a block that is looked at again and again while its batches arrive costs them once.
 */
export function judgeBlock(
  sources: VerifierSources,
  request: Pick<VerifyRequest, 'header' | 'body' | 'ancestors'>,
): Verdict {
  const { core, pool, evidence } = sources;
  const { header, body, ancestors } = request;
  if (header.paramsHash !== core.paramsHash) return invalid('PARAMS_MISMATCH');
  const rules = new BodyRules(pool.rules, header, ancestors, (id) => pool.isCommitted(id));
  const idsFault = rules.idsFault(body.batches);
  if (idsFault !== undefined) return invalid(idsFault);
  const waiting = checkRoot(sources, request);
  if (waiting?.verdict === 'invalid') return waiting;
  const batches = checkBatches(sources, rules, request);
  if (batches !== undefined) return batches;
  if (waiting !== undefined) return waiting;
  const evidenceFault = evidence.fault(body.evidence, header, ancestors);
  return evidenceFault === undefined ? { verdict: 'valid' } : invalid(evidenceFault);
}

function invalid(reason: BlockFault): Verdict {
  return { verdict: 'invalid', reason };
}

function checkRoot(
  { core, root }: VerifierSources,
  { header }: Pick<VerifyRequest, 'header'>,
): Exclude<Verdict, { verdict: 'valid' }> | undefined {
  const { height, hash, eventRoot, eventCount, factsRoot } = header.lastFinal;
  if (parseHeight(height) === undefined) return { verdict: 'invalid', reason: 'LAST_FINAL_MISMATCH' };
  const executed = root(height);
  if (executed === undefined) {
    const behind = height > core.executedHeight();
    return behind ? { verdict: 'wait', missing: [] } : { verdict: 'invalid', reason: 'LAST_FINAL_MISMATCH' };
  }
  if (executed.hash !== hash) return { verdict: 'invalid', reason: 'LAST_FINAL_MISMATCH' };
  if (executed.eventRoot !== eventRoot || executed.eventCount !== eventCount) {
    return { verdict: 'invalid', reason: 'EVENT_ROOT_MISMATCH' };
  }
  return executed.factsRoot === factsRoot ? undefined : { verdict: 'invalid', reason: 'FACTS_ROOT_MISMATCH' };
}

/** Undefined when every batch is here and allowed. The batches that are here can already be too many. */
function checkBatches(
  { pool }: VerifierSources,
  rules: BodyRules,
  { header, body }: Pick<VerifyRequest, 'header' | 'body'>,
): Verdict | undefined {
  const missing: Digest[] = [];
  for (const id of body.batches) {
    const held = pool.get(id);
    const fault = held === undefined ? pool.condemned(id, header.height) : rules.admit(held);
    if (fault !== undefined) return invalid(fault);
    if (held === undefined) missing.push(id);
  }
  return missing.length === 0 ? undefined : { verdict: 'wait', missing };
}
