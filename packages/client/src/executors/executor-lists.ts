import type { AccountId, Digest } from '@cloister/encoding';
import type { AttestationFact } from '@cloister/ledger';

/** The lists of the models that were asked lately. */
export class ExecutorLists {
  readonly #kept = new Map<Digest, { readonly atMs: number; readonly list: LawfulExecutors }>();

  async of(model: Digest, nowMs: number, make: () => Promise<LawfulExecutors>): Promise<LawfulExecutors> {
    const kept = this.#kept.get(model);
    if (kept !== undefined && nowMs >= kept.atMs && nowMs - kept.atMs < LIST_AGE_MS) return kept.list;
    const list = await make();
    this.#kept.delete(model);
    this.#kept.set(model, { atMs: nowMs, list });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > LISTS_MAX && oldest !== undefined) this.#kept.delete(oldest);
    return list;
  }

  /** What a list said turned out to be past. */
  forget(model: Digest): void {
    this.#kept.delete(model);
  }
}

/** Models whose lists are kept; the oldest makes room. */
export const LISTS_MAX = 64;

/** How long a list serves the next requests for its model: who is drawn is judged by a fresh head in any case. */
export const LIST_AGE_MS = 10_000;

/** An executor that the ledger lets execute for the model now. */
export interface Candidate {
  readonly node: AccountId;
  readonly platform: AttestationFact['platform'];
  readonly image: Digest;
}

/** Executors that may execute for a model, and the distinct platforms that the policy asks of a request. */
export interface LawfulExecutors {
  readonly candidates: readonly Candidate[];
  readonly minimumDistinctPlatforms: number;
}
