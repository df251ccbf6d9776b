/**
 * Says what may stand in a block. The pool that keeps batches, the leader that fills a block and every validator that
 * judges one ask the same predicate. If only one of them knew a rule, it would let a batch in that the next one refuses
 * for ever.
 *
 * Nothing here depends on the state of one node: the answer follows from the batch, the block and its ancestors alone,
 * so what an honest leader puts into a block is good for every honest validator.
 */
import { type Block, type Header, type ValidatorSet, weightOf } from '@cloister/consensus';
import type { AccountId, Digest, Height, ValidatorId } from '@cloister/encoding';
import { APPRAISALS_PER_SENDER_MAX, type Batch, costsAppraisal, type Lane, type VerifiedBatch } from '@cloister/ledger';
import {
  BATCH_LIFETIME_HEIGHTS,
  BLOCK_APPRAISALS_MAX,
  BLOCK_AUTHOR_BYTES_MAX,
  BLOCK_BACKLOG_MAX,
  BLOCK_BATCH_BYTES_MAX,
  BLOCK_BATCHES_MAX,
  BLOCK_BATCHES_PER_AUTHOR_MAX,
  BLOCK_LANE_BYTES_MAX,
} from '../limits.ts';

export type BatchFault =
  | 'BATCH_WRONG_CHAIN'
  | 'BATCH_AUTHOR_UNKNOWN'
  | 'BATCH_WRONG_EPOCH'
  | 'BATCH_EXPIRED'
  | 'BATCH_EXPIRY_TOO_FAR'
  | 'BATCH_APPRAISALS';

export type BodyFault = BatchFault | 'BATCHES_TOO_MANY' | 'BATCH_REPEATED' | 'BACKLOG' | 'BLOCK_CAPS';

/** What the rules need to know of the chain. */
export interface ChainRules {
  readonly chainId: Digest;
  readonly set: ValidatorSet;
}

/** A batch whose form and signatures passed, with the sender of each transaction in it that costs an appraisal. */
export interface JudgedBatch {
  readonly verified: VerifiedBatch;
  readonly appraisals: readonly AccountId[];
}

export function appraisalsIn({ transactions }: VerifiedBatch): readonly AccountId[] {
  return transactions.flatMap(({ kind, sender }) => (costsAppraisal(kind) ? [sender] : []));
}

/** Why a block at `height` may not name the batch, as far as its own fields say; undefined when it may. */
export function batchFault(rules: ChainRules, batch: Batch, height: Height): BatchFault | undefined {
  if (batch.chainId !== rules.chainId) return 'BATCH_WRONG_CHAIN';
  if (weightOf(rules.set, batch.author) === 0n) return 'BATCH_AUTHOR_UNKNOWN';
  if (batch.epoch !== 0) return 'BATCH_WRONG_EPOCH';
  if (batch.expiryHeight < height) return 'BATCH_EXPIRED';
  return batch.expiryHeight > height + 2 * BATCH_LIFETIME_HEIGHTS ? 'BATCH_EXPIRY_TOO_FAR' : undefined;
}

/** Ids named by any of the blocks. */
export function batchesOf(blocks: readonly Pick<Block, 'body'>[]): Set<Digest> {
  return new Set(blocks.flatMap(({ body }) => body.batches));
}

/**
 * One block's batches, admitted in the order of the body: the leader asks of each candidate whether it still fits, the
 * others ask the same of each id that the body names.
 */
export class BodyRules {
  readonly #rules: ChainRules;
  readonly #header: Pick<Header, 'height' | 'lastFinal'>;
  readonly #named: Set<Digest>;
  readonly #isCommitted: (id: Digest) => boolean;
  readonly #budget = new BlockBudget();

  constructor(
    rules: ChainRules,
    header: Pick<Header, 'height' | 'lastFinal'>,
    ancestors: readonly Block[],
    isCommitted: (id: Digest) => boolean,
  ) {
    this.#rules = rules;
    this.#header = header;
    this.#named = batchesOf(ancestors);
    this.#isCommitted = isCommitted;
  }

  /** Why the ids alone make a body invalid: what can be said before any batch is here. */
  idsFault(ids: readonly Digest[]): BodyFault | undefined {
    if (ids.length > BLOCK_BATCHES_MAX) return 'BATCHES_TOO_MANY';
    if (ids.length > 0 && this.isBacklogged) return 'BACKLOG';
    return ids.some((id) => this.#isNamed(id)) || new Set(ids).size < ids.length ? 'BATCH_REPEATED' : undefined;
  }

  /**
   * Whether the block is too far ahead of what it vouches for to carry batches. This bounds what waits for execution: in a
   * long stretch without finality, blocks are empty.
   */
  get isBacklogged(): boolean {
    return this.#header.height - this.#header.lastFinal.height > BLOCK_BACKLOG_MAX;
  }

  #isNamed(id: Digest): boolean {
    return this.#named.has(id) || this.#isCommitted(id);
  }

  /** Whether an earlier block of this branch names the batch, or it has expired: then no later block may name it. */
  isSpent({ id, expiryHeight }: Batch): boolean {
    return this.#isNamed(id) || expiryHeight < this.#header.height;
  }

  /** Adds the batch to the block, or says why it may not stand there. */
  admit(judged: JudgedBatch): BodyFault | undefined {
    const { batch } = judged.verified;
    if (this.isBacklogged) return 'BACKLOG';
    if (this.#isNamed(batch.id)) return 'BATCH_REPEATED';
    const fault = batchFault(this.#rules, batch, this.#header.height);
    if (fault !== undefined) return fault;
    if (!this.#budget.take(judged)) return 'BLOCK_CAPS';
    this.#named.add(batch.id);
    return undefined;
  }
}

/**
 * The caps of one block. What one sender submits beyond APPRAISALS_PER_SENDER_MAX costs no appraisal, so it takes no room
 * from others either. No author gets more than half of the bytes, and no lane but the last may fill the block.
 */
class BlockBudget {
  #count = 0;
  #bytes = 0;
  #appraisals = 0;
  #appraisalsBySender: ReadonlyMap<AccountId, number> = new Map();
  readonly #byAuthor = new Map<ValidatorId, { readonly count: number; readonly bytes: number }>();
  readonly #bytesByLane = new Map<Lane, number>();

  /** Adds the batch if it fits. */
  take({ verified: { batch }, appraisals }: JudgedBatch): boolean {
    const size = batch.bytes.length;
    const ofAuthor = this.#byAuthor.get(batch.author) ?? { count: 0, bytes: 0 };
    const ofLane = this.#bytesByLane.get(batch.lane) ?? 0;
    const { count, bySender } = this.#with(appraisals);
    const fits =
      this.#count < BLOCK_BATCHES_MAX &&
      this.#bytes + size <= BLOCK_BATCH_BYTES_MAX &&
      count <= BLOCK_APPRAISALS_MAX &&
      ofAuthor.count < BLOCK_BATCHES_PER_AUTHOR_MAX &&
      ofAuthor.bytes + size <= BLOCK_AUTHOR_BYTES_MAX &&
      ofLane + size <= BLOCK_LANE_BYTES_MAX[batch.lane];
    if (!fits) return false;
    this.#count++;
    this.#bytes += size;
    this.#appraisals = count;
    this.#appraisalsBySender = bySender;
    this.#byAuthor.set(batch.author, { count: ofAuthor.count + 1, bytes: ofAuthor.bytes + size });
    this.#bytesByLane.set(batch.lane, ofLane + size);
    return true;
  }

  /** The number of appraisals with these added. */
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
