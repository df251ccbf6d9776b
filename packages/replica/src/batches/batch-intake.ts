/**
 * Takes gossiped batches and gives a verdict on each for the scoring of the transport. A batch that a block names and
 * that gossip did not bring is pulled (batch-puller.ts).
 */
import { asHeight } from '@cloister/encoding';
import type { ReplicaCore } from '../step/replica-core.ts';
import type { BatchPool } from './batch-pool.ts';

/**
 * Refusals that do not mean that the relayer is dishonest: they depend on the height of this node and on its free room.
 */
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
      // A peer that is slow or busy has not lied.
      const verdict = LOCAL_REFUSALS.has(result.code) ? 'ignore' : 'reject';
      this.#core.emit({ type: 'batch-verdict', verdict, code: result.code });
      this.#core.emit({ type: 'refused', from, code: result.code });
      return;
    }
    this.#core.emit({ type: 'batch-verdict', verdict: result.value === undefined ? 'ignore' : 'accept' });
    if (result.value !== undefined) this.#arrived();
  }
}
