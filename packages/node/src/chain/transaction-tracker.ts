/**
 * The fate of transactions: PENDING ones that this node took in, the executed ones by the index, EXPIRED when the
 * height has passed without execution. UNKNOWN: this node never saw it; other nodes may have.
 */
import type { Digest } from '@cloister/encoding';
import { decodeTransaction, settledBy } from '@cloister/ledger';
import type { CommittedBlock } from './event-bus.ts';
import type { SettledTransaction } from './event-index.ts';

export type TrackedFate =
  | { readonly fate: 'UNKNOWN' | 'PENDING' | 'EXPIRED' }
  | {
      readonly fate: 'COMMITTED' | 'REJECTED';
      readonly code?: string;
      readonly height: number;
      readonly sequence: number;
    };

/** Transactions remembered after their time has passed. */
const EXPIRED_KEPT = 20_000;
const PENDING_MAX = 200_000;

export class TransactionTracker {
  readonly #pending = new Map<Digest, number>();
  readonly #expired = new Set<Digest>();
  readonly #lookUp: (id: Digest) => Promise<SettledTransaction | undefined>;

  constructor(lookUp: (id: Digest) => Promise<SettledTransaction | undefined>) {
    this.#lookUp = lookUp;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** A transaction was taken into the pool. */
  admitted(id: Digest, bytes: Uint8Array): void {
    const decoded = decodeTransaction(bytes);
    if (!decoded.ok || this.#pending.size >= PENDING_MAX) return;
    this.#expired.delete(id);
    this.#pending.set(id, decoded.value.expiryHeight);
  }

  committed(block: CommittedBlock): void {
    if (this.#pending.size === 0) return;
    for (const event of block.events) {
      const settled = settledBy(event);
      if (settled !== undefined) this.#pending.delete(settled.id);
    }
    for (const [id, expiryHeight] of this.#pending) {
      if (expiryHeight > block.height) continue;
      this.#pending.delete(id);
      this.#expired.add(id);
    }
    for (const id of this.#expired) {
      if (this.#expired.size <= EXPIRED_KEPT) break;
      this.#expired.delete(id);
    }
  }

  async fateOf(id: Digest): Promise<TrackedFate> {
    const settled = await this.#lookUp(id);
    if (settled !== undefined) {
      const { sequence, height, code } = settled;
      return code === undefined
        ? { fate: 'COMMITTED', height, sequence }
        : { fate: 'REJECTED', code, height, sequence };
    }
    if (this.#pending.has(id)) return { fate: 'PENDING' };
    return { fate: this.#expired.has(id) ? 'EXPIRED' : 'UNKNOWN' };
  }
}
