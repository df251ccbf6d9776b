/**
 * Remembers models that the enclave does not run for a while, because they cost their engine. Until then nothing is
 * read, sent or asked for them. The enclave does not say for how long, so each of its answers doubles the time until it
 * is asked again.
 */
import { BoundedMap, type Digest } from '@cloister/encoding';

/**
 * The number of models that are remembered. The one paused longest ago is forgotten first, which costs one more
 * attempt.
 */
export const MODEL_PAUSES_MAX = 256;
export const PAUSE_MS_FIRST = 1_000;
const PAUSE_MS_MAX = 60_000;

export class ModelPauses {
  readonly #nowMs: () => number;
  readonly #pauses = new BoundedMap<Digest, { readonly pauseMs: number; readonly untilMs: number }>(MODEL_PAUSES_MAX);

  /** `nowMs`: milliseconds that never go back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get size(): number {
    return this.#pauses.size;
  }

  /** Milliseconds until the enclave is to be asked to run this model; 0 for now. */
  of(model: Digest): number {
    return Math.max(0, (this.#pauses.get(model)?.untilMs ?? 0) - this.#nowMs());
  }

  /** The enclave said that it does not run the model now. */
  add(model: Digest): void {
    if (this.of(model) > 0) return;
    const before = this.#pauses.get(model)?.pauseMs ?? PAUSE_MS_FIRST / 2;
    const pauseMs = Math.min(2 * before, PAUSE_MS_MAX);
    this.#pauses.set(model, { pauseMs, untilMs: this.#nowMs() + pauseMs });
  }

  /** The enclave ran the model. */
  clear(model: Digest): void {
    this.#pauses.delete(model);
  }
}
