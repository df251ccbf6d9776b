/**
 * Batches from others: gossiped ones with a verdict for the transport's scoring, and those that were asked for.
 */
import { asHeight, type ValidatorId } from '@cloister/crypto';
import type { BatchPool } from './batch-pool.ts';
import type { ReplicaCore } from './replica-core.ts';

/** Refusals that say nothing about the sender's honesty: they depend on where this node stands. */
const LOCAL_REFUSALS: ReadonlySet<string> = new Set(['BATCH_QUOTA', 'BATCH_EXPIRED', 'BATCH_EXPIRY_TOO_FAR']);

export class BatchIntake {
  readonly #core: ReplicaCore;
  readonly #pool: BatchPool;
  readonly #arrived: () => void;

  /** `arrived` runs after a batch that was not held before. */
  constructor(core: ReplicaCore, pool: BatchPool, arrived: () => void) {
    this.#core = core;
    this.#pool = pool;
    this.#arrived = arrived;
  }

  #receive(bytes: Uint8Array, wanted: boolean): ReturnType<BatchPool['receive']> {
    const height = asHeight(this.#core.committedHeight() + 1);
    return this.#pool.receive(bytes, { height, monotonicMs: this.#core.monotonicMs, wanted });
  }

  gossiped(from: ValidatorId, bytes: Uint8Array): void {
    const result = this.#receive(bytes, false);
    if (!result.ok) {
      // A slow or crowded peer is no liar.
      const verdict = LOCAL_REFUSALS.has(result.code) ? 'ignore' : 'reject';
      this.#core.emit({ type: 'batch-verdict', verdict, code: result.code });
      this.#core.emit({ type: 'refused', from, code: result.code });
      return;
    }
    this.#core.emit({ type: 'batch-verdict', verdict: result.value === undefined ? 'ignore' : 'accept' });
    if (result.value !== undefined) this.#arrived();
  }

  fetched(from: string, batches: readonly Uint8Array[]): void {
    let arrived = false;
    for (const bytes of batches) {
      const result = this.#receive(bytes, true);
      if (result.ok) arrived ||= result.value !== undefined;
      else this.#core.emit({ type: 'refused', from, code: result.code });
    }
    if (arrived) this.#arrived();
  }
}
