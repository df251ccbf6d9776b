/**
 * Holds verified batches that no committed block has named yet, and remembers the ids of those that one has.
 *
 * A batch stays in the pool while blocks naming it come and go; it leaves when its block is executed, when it expires,
 * or when its author holds more than its share and no live block names it. Iteration is in order of arrival.
 */
import {
  type AccountId,
  asHeight,
  type Digest,
  fail,
  type Height,
  ok,
  type Result,
  type ValidatorId,
} from '@cloister/encoding';
import {
  type Batch,
  type BatchCode,
  type BatchDecodeCode,
  decodeBatch,
  type VerifiedBatch,
  verifyBatch,
} from '@cloister/ledger';
import { appraisalsIn, type BatchFault, batchFault, type ChainRules } from '../blocks/block-rules.ts';
import { authorBytesMax, BATCH_LIFETIME_HEIGHTS, BLOCK_APPRAISALS_MAX, CONDEMNED_BATCHES_MAX } from '../limits.ts';
import type { TransactionSignatureCache } from '../receive/transaction-signatures.ts';
import { AuthorMeter } from './author-meter.ts';

export interface HeldBatch {
  readonly verified: VerifiedBatch;
  readonly firstSeenMs: number;
  /** Sender of each transaction in it that costs an appraisal. */
  readonly appraisals: readonly AccountId[];
}

export type BatchRefusal = BatchDecodeCode | BatchCode | BatchFault | 'BATCH_QUOTA' | 'BATCH_UNASKED';

export interface PoolRules extends ChainRules {
  readonly signatures: TransactionSignatureCache;
  /**
   * Ids that live blocks name: blocks that are judged, were voted on or wait for execution. These batches are kept
   * beyond their author's share.
   */
  readonly named: () => ReadonlySet<Digest>;
}

export class BatchPool {
  readonly rules: PoolRules;
  readonly #held = new Map<Digest, HeldBatch>();
  /** Named by a committed block → last height at which a block could have named it. */
  readonly #committed = new Map<Digest, Height>();
  /** Batches that were pulled for a block at a height, and that the rules do not allow there. */
  readonly #condemned = new Map<Digest, { readonly height: Height; readonly code: BatchRefusal }>();
  readonly #bytesByAuthor = new Map<ValidatorId, number>();
  readonly #meter = new AuthorMeter();
  readonly #authorBytesMax: number;
  #pendingCount = 0;

  constructor(rules: PoolRules) {
    this.rules = rules;
    this.#authorBytesMax = authorBytesMax(rules.set.validators.length);
  }

  /** Batches that a leader could still include. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  bytesOf(author: ValidatorId): number {
    return this.#bytesByAuthor.get(author) ?? 0;
  }

  get(id: Digest): HeldBatch | undefined {
    return this.#held.get(id);
  }

  /** Whether a committed block named it. */
  isCommitted(id: Digest): boolean {
    return this.#committed.has(id);
  }

  /** Why the batch of this id may not stand in a block at `height`, if it was pulled for one and refused. */
  condemned(id: Digest, height: Height): BatchRefusal | undefined {
    const found = this.#condemned.get(id);
    return found?.height === height ? found.code : undefined;
  }

  /** Batches that no committed block names, in order of arrival. */
  *pending(): Generator<HeldBatch> {
    for (const [id, held] of this.#held) if (!this.#committed.has(id)) yield held;
  }

  /**
   * Checks and keeps a gossiped batch's wire form; `height` is that of the next block. Undefined for one that is held
   * already or done with.
   */
  gossiped(bytes: Uint8Array, height: Height, monotonicMs: number): Result<HeldBatch | undefined, BatchRefusal> {
    const decoded = decodeBatch(bytes);
    if (!decoded.ok) return decoded;
    const batch = decoded.value;
    if (this.#held.has(batch.id) || this.#committed.has(batch.id)) return ok(undefined);
    const fault = batchFault(this.rules, batch, height);
    if (fault !== undefined) return fail(fault);
    if (this.bytesOf(batch.author) + batch.bytes.length > this.#authorBytesMax) return fail('BATCH_QUOTA');
    if (!this.#meter.take(batch.author, batch.transactions.length, monotonicMs)) return fail('BATCH_QUOTA');
    return this.#verify(batch, monotonicMs);
  }

  /**
   * Checks and keeps the batch that a block at `height` names, whatever its author's share. Bytes of another id are refused
   * and leave nothing behind: an answer brings what was asked for, or nothing.
   */
  pulled(
    bytes: Uint8Array,
    asked: { readonly id: Digest; readonly height: Height },
    monotonicMs: number,
  ): Result<HeldBatch | undefined, BatchRefusal> {
    const decoded = decodeBatch(bytes);
    if (!decoded.ok) return decoded;
    const batch = decoded.value;
    if (batch.id !== asked.id) return fail('BATCH_UNASKED');
    if (this.#held.has(batch.id)) return ok(undefined);
    const fault = batchFault(this.rules, batch, asked.height);
    const result = fault === undefined ? this.#verify(batch, monotonicMs) : fail(fault);
    if (!result.ok) this.#condemn(asked, result.code);
    else this.#trim(batch.author);
    return result;
  }

  #verify(batch: Batch, monotonicMs: number): Result<HeldBatch, BatchRefusal> {
    const { chainId, signatures } = this.rules;
    const verified = verifyBatch(batch, { chainId, signatureChecked: (transaction) => signatures.has(transaction) });
    if (!verified.ok) return verified;
    const appraisals = appraisalsIn(verified.value);
    if (appraisals.length > BLOCK_APPRAISALS_MAX) return fail('BATCH_APPRAISALS');
    for (const transaction of verified.value.transactions) signatures.add(transaction);
    return ok(this.#keep({ verified: verified.value, firstSeenMs: monotonicMs, appraisals }));
  }

  #condemn({ id, height }: { readonly id: Digest; readonly height: Height }, code: BatchRefusal): void {
    this.#condemned.set(id, { height, code });
    for (const oldest of this.#condemned.keys()) {
      if (this.#condemned.size <= CONDEMNED_BATCHES_MAX) return;
      this.#condemned.delete(oldest);
    }
  }

  /** Keeps a batch of our own making, whose transactions were verified at ingress. */
  addOwn(verified: VerifiedBatch, monotonicMs: number): void {
    this.#keep({ verified, firstSeenMs: monotonicMs, appraisals: appraisalsIn(verified) });
  }

  #keep(held: HeldBatch): HeldBatch {
    const { id, author, bytes } = held.verified.batch;
    if (this.#held.has(id)) return held;
    this.#held.set(id, held);
    this.#bytesByAuthor.set(author, this.bytesOf(author) + bytes.length);
    if (!this.#committed.has(id)) this.#pendingCount++;
    return held;
  }

  /**
   * Brings an author back to its share. Batches beyond it that blocks brought are dropped, the newest first, unless a
   * live block names them.
   */
  #trim(author: ValidatorId): void {
    if (this.bytesOf(author) <= this.#authorBytesMax) return;
    const named = this.rules.named();
    for (const [id, { verified }] of [...this.#held].reverse()) {
      if (verified.batch.author !== author || this.#committed.has(id) || named.has(id)) continue;
      this.#drop(id);
      if (this.bytesOf(author) <= this.#authorBytesMax) return;
    }
  }

  /** A committed block at `height` names these: no later block may. */
  commit(ids: readonly Digest[], height: Height): void {
    for (const id of ids) {
      if (this.#committed.has(id)) continue;
      const held = this.#held.get(id);
      if (held !== undefined) this.#pendingCount--;
      this.#committed.set(id, held?.verified.batch.expiryHeight ?? asHeight(height + 2 * BATCH_LIFETIME_HEIGHTS));
    }
  }

  /** Drops batches whose block is executed and durable. */
  release(ids: readonly Digest[]): void {
    for (const id of ids) this.#drop(id);
  }

  /** Drops what no block above `height` may name; the batches dropped unexecuted are returned. */
  expire(height: Height): VerifiedBatch[] {
    for (const [id, expiry] of this.#committed) {
      if (expiry <= height && !this.#held.has(id)) this.#committed.delete(id);
    }
    const expired: VerifiedBatch[] = [];
    for (const [id, { verified }] of this.#held) {
      if (this.#committed.has(id) || verified.batch.expiryHeight > height) continue;
      expired.push(verified);
      this.#drop(id);
    }
    return expired;
  }

  #drop(id: Digest): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    const { author, bytes } = held.verified.batch;
    this.#held.delete(id);
    this.#bytesByAuthor.set(author, this.bytesOf(author) - bytes.length);
    if (!this.#committed.has(id)) this.#pendingCount--;
  }
}
