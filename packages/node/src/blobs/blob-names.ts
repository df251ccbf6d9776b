/**
 * Knows which blobs the agreed state names, and as what. It is looked up by digest and updated with each block. Looking
 * through every task and model for each question would cost more the more there are, and strangers ask.
 */
import type { AccountId, Digest } from '@cloister/encoding';
import type { LedgerEvent, LedgerState } from '@cloister/ledger';

import type { HoldingPromise } from './holding-promises.ts';

interface Use {
  readonly as: 'model' | 'payload' | 'response';
  /** Id of the model or the task. */
  readonly id: Digest;
}

/** Digests kept beside twice as many as the state can name, before those that it no longer names are swept out. */
const STALE_DIGESTS = 1024;

export class BlobNames {
  readonly #state: () => LedgerState;
  readonly #uses = new Map<Digest, Use[]>();

  /** `promises`: what this node said before to hold. */
  constructor(state: () => LedgerState, promises: readonly Pick<HoldingPromise, 'digest' | 'task'>[] = []) {
    this.#state = state;
    for (const { digest, task } of promises) this.promise(digest, task);
    const { models, tasks } = state();
    for (const { id, manifest } of models.values()) this.#add(manifest.ciphertextDigest, { as: 'model', id });
    for (const { id, payloadDigest, receipts } of tasks.values()) {
      this.#add(payloadDigest, { as: 'payload', id });
      for (const { responseDigest } of receipts) this.#add(responseDigest, { as: 'response', id });
    }
  }

  /** Digests that are looked after, named or not. */
  get size(): number {
    return this.#uses.size;
  }

  #add(digest: Digest, use: Use): void {
    const uses = this.#uses.get(digest);
    if (uses === undefined) this.#uses.set(digest, [use]);
    else if (!uses.some(({ as, id }) => as === use.as && id === use.id)) uses.push(use);
  }

  /** Takes in a block's events. */
  committed(events: readonly LedgerEvent[]): void {
    for (const event of events) {
      if (event.type === 'ModelPublished') {
        this.#add(event.manifest.ciphertextDigest, { as: 'model', id: event.model });
      } else if (event.type === 'InferenceRequested') {
        this.#add(event.payloadDigest, { as: 'payload', id: event.task });
      } else if (event.type === 'ReceiptAccepted') {
        this.#add(event.responseDigest, { as: 'response', id: event.task });
      }
    }
    const { models, tasks } = this.#state();
    if (this.#uses.size > 2 * (models.size + 4 * tasks.size) + STALE_DIGESTS) {
      for (const digest of [...this.#uses.keys()]) this.#usesOf(digest);
    }
  }

  /** A response that this node has said to hold: it stays as long as the task is known, also while its receipt is on its way. */
  promise(digest: Digest, task: Digest): void {
    this.#add(digest, { as: 'response', id: task });
  }

  /** Uses that still hold; a digest without any is forgotten. */
  #usesOf(digest: Digest): readonly Use[] {
    const uses = this.#uses.get(digest);
    if (uses === undefined) return [];
    const { models, tasks } = this.#state();
    const held = uses.filter(({ as, id }) => (as === 'model' ? models.has(id) : tasks.has(id)));
    if (held.length === 0) this.#uses.delete(digest);
    else if (held.length < uses.length) this.#uses.set(digest, held);
    return held;
  }

  /** Whether the state names it at all: such blobs outlive the retention. */
  has(digest: Digest): boolean {
    return this.#usesOf(digest).length > 0;
  }

  /** Whether a digest names what only an attested enclave has a use for: a task's sealed payload or a sealed model. */
  isWorkload(digest: Digest): boolean {
    return this.#usesOf(digest).some(({ as }) => as !== 'response');
  }

  /** Whose model or request it is of; undefined for what the state does not name. */
  ownerOf(digest: Digest): AccountId | undefined {
    const { models, tasks } = this.#state();
    for (const { as, id } of this.#usesOf(digest)) {
      const owner = as === 'model' ? models.get(id)?.owner : tasks.get(id)?.sender;
      if (owner !== undefined) return owner;
    }
    return undefined;
  }
}
