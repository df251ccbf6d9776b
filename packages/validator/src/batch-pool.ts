/**
 * Verified batches that no committed block has named yet, and the memory of those that one has.
 *
 * A batch stays in the pool while blocks naming it come and go; it leaves when its block is executed, or when it expires.
 * Iteration is in order of arrival, which is also the order in which a leader takes them.
 */

import { type ValidatorSet, weightOf } from '@cloister/consensus';
import {
  type AccountId,
  asHeight,
  type Digest,
  fail,
  type Height,
  ok,
  type Result,
  type ValidatorId,
} from '@cloister/crypto';
import {
  type Batch,
  type BatchCode,
  costsAppraisal,
  decodeBatch,
  type VerifiedBatch,
  verifyBatch,
} from '@cloister/ledger';
import { AUTHOR_BYTES_MAX, BATCH_LIFETIME_HEIGHTS, BLOCK_APPRAISALS_MAX } from './limits.ts';
import type { SignatureCache } from './signature-cache.ts';

export interface HeldBatch {
  readonly verified: VerifiedBatch;
  readonly firstSeenMs: number;
  /** Sender of each transaction in it that costs an appraisal. */
  readonly appraisals: readonly AccountId[];
}

export type BatchRefusal =
  | BatchCode
  | 'BATCH_TOO_LARGE'
  | 'BATCH_MALFORMED'
  | 'BATCH_AUTHOR_UNKNOWN'
  | 'BATCH_WRONG_EPOCH'
  | 'BATCH_EXPIRED'
  | 'BATCH_EXPIRY_TOO_FAR'
  | 'BATCH_APPRAISALS'
  | 'BATCH_QUOTA';

export interface PoolRules {
  readonly chainId: Digest;
  readonly set: ValidatorSet;
  readonly signatures: SignatureCache;
}

export class BatchPool {
  readonly #rules: PoolRules;
  readonly #held = new Map<Digest, HeldBatch>();
  /** Named by a committed block → last height at which a block could have named it. */
  readonly #committed = new Map<Digest, Height>();
  readonly #bytesByAuthor = new Map<ValidatorId, number>();
  #pendingCount = 0;
  #bytes = 0;

  constructor(rules: PoolRules) {
    this.#rules = rules;
  }

  /** Batches that a leader could still include. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  /** Bytes of all batches held. */
  get bytes(): number {
    return this.#bytes;
  }

  get(id: Digest): HeldBatch | undefined {
    return this.#held.get(id);
  }

  /** Whether a committed block named it. */
  isCommitted(id: Digest): boolean {
    return this.#committed.has(id);
  }

  /** Batches that no committed block names, in order of arrival. */
  *pending(): Generator<HeldBatch> {
    for (const [id, held] of this.#held) if (!this.#committed.has(id)) yield held;
  }

  /**
   * Checks and keeps a batch's wire form. `wanted`: a block names it, so quotas do not count. `height` is that of the
   * next block. Undefined for one that is held already or done with.
   */
  receive(
    bytes: Uint8Array,
    context: { readonly height: Height; readonly monotonicMs: number; readonly wanted: boolean },
  ): Result<HeldBatch | undefined, BatchRefusal> {
    const decoded = decodeBatch(bytes);
    if (!decoded.ok) return decoded;
    const batch = decoded.value;
    if (this.#held.has(batch.id) || (this.#committed.has(batch.id) && !context.wanted)) return ok(undefined);
    const refusal = this.#refusal(batch, context.height, context.wanted);
    if (refusal !== undefined) return fail(refusal);
    const verified = verifyBatch(batch, {
      chainId: this.#rules.chainId,
      signatureChecked: (transaction) => this.#rules.signatures.has(transaction),
    });
    if (!verified.ok) return verified;
    const appraisals = appraisalsIn(verified.value);
    if (appraisals.length > BLOCK_APPRAISALS_MAX) return fail('BATCH_APPRAISALS');
    for (const transaction of verified.value.transactions) this.#rules.signatures.add(transaction);
    return ok(this.#keep({ verified: verified.value, firstSeenMs: context.monotonicMs, appraisals }));
  }

  #refusal(batch: Batch, height: Height, wanted: boolean): BatchRefusal | undefined {
    if (batch.chainId !== this.#rules.chainId) return 'BATCH_WRONG_CHAIN';
    if (weightOf(this.#rules.set, batch.author) === 0n) return 'BATCH_AUTHOR_UNKNOWN';
    if (batch.epoch !== 0) return 'BATCH_WRONG_EPOCH';
    if (wanted) return undefined;
    if (batch.expiryHeight < height) return 'BATCH_EXPIRED';
    if (batch.expiryHeight > height + 2 * BATCH_LIFETIME_HEIGHTS) return 'BATCH_EXPIRY_TOO_FAR';
    const ofAuthor = this.#bytesByAuthor.get(batch.author) ?? 0;
    return ofAuthor + batch.bytes.length > AUTHOR_BYTES_MAX ? 'BATCH_QUOTA' : undefined;
  }

  /** Keeps a batch of our own making, whose transactions were verified at ingress. */
  addOwn(verified: VerifiedBatch, monotonicMs: number): void {
    this.#keep({ verified, firstSeenMs: monotonicMs, appraisals: appraisalsIn(verified) });
  }

  #keep(held: HeldBatch): HeldBatch {
    const { id, author, bytes } = held.verified.batch;
    this.#held.set(id, held);
    this.#bytes += bytes.length;
    this.#bytesByAuthor.set(author, (this.#bytesByAuthor.get(author) ?? 0) + bytes.length);
    if (!this.#committed.has(id)) this.#pendingCount++;
    return held;
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

  /** Lets go of batches whose block is executed and durable. */
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
    this.#bytes -= bytes.length;
    this.#bytesByAuthor.set(author, (this.#bytesByAuthor.get(author) ?? 0) - bytes.length);
    if (!this.#committed.has(id)) this.#pendingCount--;
  }
}

function appraisalsIn({ transactions }: VerifiedBatch): readonly AccountId[] {
  return transactions.flatMap(({ kind, sender }) => (costsAppraisal(kind) ? [sender] : []));
}
