/**
 * Gossiped batches, with a verdict for the transport's scoring. Those that a block names and that did not come this way are
 * pulled (batch-puller.ts).
 */
import { asHeight } from '@cloister/encoding';
import type { ReplicaCore } from '../step/replica-core.ts';
import type { BatchPool } from './batch-pool.ts';

/** Refusals that say nothing about the relayer's honesty: they depend on where this node stands, and on what it has room for. */
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

  gossiped(from: string, bytes: Uint8Array): void {
    const height = asHeight(this.#core.committedHeight() + 1);
    const result = this.#pool.gossiped(bytes, height, this.#core.monotonicMs);
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
}
