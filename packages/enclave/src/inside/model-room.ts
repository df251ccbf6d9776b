/**
 * Which loaded models give way when another one comes: a pure account of bytes and uses.
 *
 * The owner who holds most gives way first, with the model that was used longest ago. So an owner who loads many models
 * pushes out own ones, and nobody is left with less than an equal share.
 */
import type { AccountId, Digest } from '@cloister/encoding';

interface Held {
  readonly owner: AccountId;
  readonly bytes: number;
}

export class ModelRoom {
  readonly #bytesMax: number;
  /** Least used first. */
  readonly #held = new Map<Digest, Held>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes of all models that are held. */
  get bytes(): number {
    return [...this.#held.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  used(model: Digest): void {
    const held = this.#held.get(model);
    if (held === undefined) return;
    this.#held.delete(model);
    this.#held.set(model, held);
  }

  forget(model: Digest): void {
    this.#held.delete(model);
  }

  /** Takes a model in and gives those that go for it; undefined for one that is larger than all the room. */
  take(model: Digest, owner: AccountId, bytes: number): readonly Digest[] | undefined {
    if (bytes > this.#bytesMax) return undefined;
    this.#held.delete(model);
    this.#held.set(model, { owner, bytes });
    const gone: Digest[] = [];
    while (this.bytes > this.#bytesMax) {
      const victim = this.#victim(model);
      if (victim === undefined) break;
      this.#held.delete(victim);
      gone.push(victim);
    }
    return gone;
  }

  /** The least used model of the owner who holds most, other than the one that comes. */
  #victim(coming: Digest): Digest | undefined {
    const sums = new Map<AccountId, number>();
    for (const { owner, bytes } of this.#held.values()) sums.set(owner, (sums.get(owner) ?? 0) + bytes);
    let victim: { model: Digest; sum: number } | undefined;
    for (const [model, { owner }] of this.#held) {
      const sum = sums.get(owner) ?? 0;
      if (model !== coming && sum > (victim?.sum ?? 0)) victim = { model, sum };
    }
    return victim?.model;
  }
}
