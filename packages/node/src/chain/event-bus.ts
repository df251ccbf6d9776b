/**
 * Committed blocks, told to everyone in the process who follows the chain: streams, executor, keeper, index, metrics.
 */
import type { ReplicaEffect } from '@cloister/replica';

export type CommittedBlock = Extract<ReplicaEffect, { readonly type: 'committed' }>;

export class EventBus {
  readonly #listeners = new Set<(block: CommittedBlock) => void>();
  readonly #onError: (error: unknown) => void;

  /** A listener that throws is reported and does not disturb the others. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Calls back in the order of the blocks, after the block is durable; the result ends it. */
  subscribe(listener: (block: CommittedBlock) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(block: CommittedBlock): void {
    for (const listener of this.#listeners) {
      try {
        listener(block);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
