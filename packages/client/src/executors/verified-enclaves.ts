/**
 * Answers of enclaves that this client verified, so that not each request costs each executor new evidence.
 *
 * What is kept is the answer itself. It is appraised again whenever it is used, at the clock and by a fresh head of
 * then: evidence that has lapsed, whose measurement was revoked or whose keys the ledger does not hold any more is
 * refused. Up to its age limit it serves in place of new evidence, since its keys end with the process that made them.
 */
import type { Challenge, ChallengeAnswer } from '@cloister/attestation';
import { type AccountId, BoundedMap } from '@cloister/encoding';

/** Oldest evidence to which a request is sealed, in milliseconds. */
export const EVIDENCE_AGE_MS_MAX: number = 5 * 60_000;
/** Nodes whose answers are kept; the one that was verified longest ago makes room. */
export const ANSWERS_KEPT_MAX = 256;

export class VerifiedEnclaves {
  readonly #answers = new BoundedMap<AccountId, EnclaveAnswer>(ANSWERS_KEPT_MAX);

  get size(): number {
    return this.#answers.size;
  }

  /** The answer of a node, if it is young enough. */
  recent(node: AccountId, nowMs: number): EnclaveAnswer | undefined {
    const kept = this.#answers.get(node);
    const ageMs = kept === undefined ? 0 : nowMs - kept.atMs;
    // A clock that went back says nothing about age.
    return ageMs >= 0 && ageMs <= EVIDENCE_AGE_MS_MAX ? kept : undefined;
  }

  /** Keeps an answer that was found to stand. */
  keep(answer: EnclaveAnswer): void {
    const { node } = answer;
    this.#answers.set(node, answer);
  }

  /** Drops what is kept of a node. */
  forget(node: AccountId): void {
    this.#answers.delete(node);
  }

  clear(): void {
    this.#answers.clear();
  }
}

/** What an enclave answered to a challenge, not judged yet. */
export interface EnclaveAnswer {
  readonly node: AccountId;
  readonly challenge: Challenge;
  readonly answer: ChallengeAnswer;
  /** When it was asked for, by the caller's clock. */
  readonly atMs: number;
}
