/**
 * What a leader puts into a block: the batches that the others should have by now, evidence, and the word for what it
 * has executed.
 *
 * A build may have to wait: for the execution that the header vouches for, or for the youngest batches to spread. The
 * machine takes the answer as late as it likes, and ignores one that the view has outrun.
 */
import {
  type Block,
  type Body,
  bodyHashOf,
  type Effect,
  type Finalization,
  HEADER_VERSION,
  type Header,
} from '@cloister/consensus';
import { type AccountId, asHeight, type Digest, type Height, type ValidatorId } from '@cloister/crypto';
import { APPRAISALS_PER_SENDER_MAX, LANES, type Lane } from '@cloister/ledger';
import type { BatchPool, HeldBatch } from './batch-pool.ts';
import type { CommittedTip } from './committed-tip.ts';
import type { EvidencePool } from './evidence-pool.ts';
import {
  BATCH_HOP_MS,
  BLOCK_APPRAISALS_MAX,
  BLOCK_BACKLOG_MAX,
  BLOCK_BATCH_BYTES_MAX,
  BLOCK_BATCHES_MAX,
  BLOCK_BATCHES_PER_AUTHOR_MAX,
  BLOCK_SPACING_MS,
} from './limits.ts';
import type { ExecutedRoot, ReplicaCore } from './replica-core.ts';

export const BUILD_TIMER = 'build';

export type BuildRequest = Extract<Effect, { type: 'build-block' }>;

export interface BuilderSources {
  readonly core: ReplicaCore;
  readonly pool: BatchPool;
  readonly evidence: EvidencePool;
  /** Of an executed height. */
  readonly root: (height: Height) => ExecutedRoot | undefined;
  /** The newest commit that ended at a height or below. */
  readonly newestCommit: (height: number) => CommittedTip | undefined;
}

export type BuiltBlock = { readonly header: Header; readonly body: Body };

/** The block, or how long to wait: undefined until something else happens. */
export type BuildOutcome = { readonly built: BuiltBlock } | { readonly waitMs: number | undefined };

export function buildBlock(sources: BuilderSources, request: BuildRequest): BuildOutcome {
  const { core, evidence } = sources;
  const lastFinal = vouchedFor(sources, request);
  if (lastFinal === undefined) return { waitMs: undefined };
  const sinceParentMs = core.nowMs - (request.parent.header?.timestampMs ?? 0);
  // A parent of the future (another's clock) costs no more than one spacing.
  if (sinceParentMs >= 0 && sinceParentMs < BLOCK_SPACING_MS) return { waitMs: BLOCK_SPACING_MS - sinceParentMs };
  const height = asHeight(request.parent.height + 1);
  const selection = selectBatches(sources, request, height);
  if (selection.waitMs !== undefined) return selection;
  const body: Body = {
    batches: selection.batches,
    evidence: evidence.select(request.ancestors),
    lastFinalCert: lastFinal.certificate,
  };
  const parentTimeMs = request.parent.header?.timestampMs ?? core.genesis.genesis.timeMs;
  const header: Header = {
    version: HEADER_VERSION,
    chainId: core.chainId,
    epoch: request.epoch,
    view: request.view,
    height,
    parentHash: request.parent.hash,
    proposer: core.self,
    timestampMs: Math.max(core.nowMs, parentTimeMs + 1),
    bodyHash: bodyHashOf(body),
    validatorsHash: core.set.hash,
    nextValidatorsHash: core.set.hash,
    paramsHash: core.paramsHash,
    lastFinal: lastFinal.named,
  };
  return { built: { header, body } };
}

/**
 * The newest block whose execution is durable here, as far as the parent allows. Undefined while that is older than what
 * the parent vouches for: this node is behind, and what it waits for is on its way. It may be newer than the block that
 * the machine knew of when it asked.
 */
function vouchedFor(
  { core, root, newestCommit }: BuilderSources,
  { parent }: BuildRequest,
): { readonly named: Header['lastFinal']; readonly certificate: Finalization | undefined } | undefined {
  const tip = newestCommit(Math.min(core.executedHeight(), parent.height));
  const height = tip?.header.height ?? asHeight(0);
  const executed = root(height);
  if (executed === undefined || height < (parent.header?.lastFinal.height ?? 0)) return undefined;
  return { named: { height, ...executed }, certificate: tip?.finalization };
}

type Selection = { readonly batches: readonly Digest[]; readonly waitMs?: undefined } | { readonly waitMs: number };

function selectBatches({ core, pool }: BuilderSources, request: BuildRequest, height: Height): Selection {
  if (height - core.executedHeight() > BLOCK_BACKLOG_MAX) return { batches: [] };
  const named = batchesOf(request.ancestors);
  const byLane = new Map<Lane, HeldBatch[]>(LANES.map((lane) => [lane, []]));
  let youngestMs = Number.POSITIVE_INFINITY;
  let ripe = 0;
  for (const held of pool.pending()) {
    const { id, lane, expiryHeight } = held.verified.batch;
    if (named.has(id) || expiryHeight < height) continue;
    const ageMs = core.monotonicMs - held.firstSeenMs;
    if (ageMs < BATCH_HOP_MS) {
      youngestMs = Math.min(youngestMs, BATCH_HOP_MS - ageMs);
      continue;
    }
    ripe++;
    byLane.get(lane)?.push(held);
  }
  // Nothing but batches that are still on their way: the block is worth a moment's wait.
  if (ripe === 0 && Number.isFinite(youngestMs)) return { waitMs: Math.max(1, youngestMs) };
  return { batches: fill([...byLane.values()].flat()) };
}

function fill(candidates: readonly HeldBatch[]): Digest[] {
  const budget = new BlockBudget();
  const chosen: Digest[] = [];
  for (const held of candidates) {
    if (chosen.length >= BLOCK_BATCHES_MAX) break;
    if (budget.take(held)) chosen.push(held.verified.batch.id);
  }
  return chosen;
}

/**
 * The caps of one block, for the leader who fills it and for everyone who checks it. What one sender submits beyond
 * APPRAISALS_PER_SENDER_MAX costs no appraisal, so it takes no room from others either.
 */
export class BlockBudget {
  #count = 0;
  #bytes = 0;
  #appraisals = 0;
  #appraisalsBySender: ReadonlyMap<AccountId, number> = new Map();
  readonly #byAuthor = new Map<ValidatorId, number>();

  /** Counts the batch in if it fits. */
  take({ verified: { batch }, appraisals }: Pick<HeldBatch, 'verified' | 'appraisals'>): boolean {
    const ofAuthor = this.#byAuthor.get(batch.author) ?? 0;
    const { count, bySender } = this.#with(appraisals);
    const fits =
      this.#count < BLOCK_BATCHES_MAX &&
      this.#bytes + batch.bytes.length <= BLOCK_BATCH_BYTES_MAX &&
      count <= BLOCK_APPRAISALS_MAX &&
      ofAuthor < BLOCK_BATCHES_PER_AUTHOR_MAX;
    if (!fits) return false;
    this.#count++;
    this.#bytes += batch.bytes.length;
    this.#appraisals = count;
    this.#appraisalsBySender = bySender;
    this.#byAuthor.set(batch.author, ofAuthor + 1);
    return true;
  }

  /** What the appraisals would come to with these more. */
  #with(senders: readonly AccountId[]): {
    readonly count: number;
    readonly bySender: ReadonlyMap<AccountId, number>;
  } {
    if (senders.length === 0) return { count: this.#appraisals, bySender: this.#appraisalsBySender };
    const bySender = new Map(this.#appraisalsBySender);
    let count = this.#appraisals;
    for (const sender of senders) {
      const ofSender = bySender.get(sender) ?? 0;
      if (ofSender === APPRAISALS_PER_SENDER_MAX) continue;
      bySender.set(sender, ofSender + 1);
      count++;
    }
    return { count, bySender };
  }
}

/** Ids named by any of the blocks. */
export function batchesOf(blocks: readonly Block[]): Set<Digest> {
  return new Set(blocks.flatMap(({ body }) => body.batches));
}
