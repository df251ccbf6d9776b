/**
 * Finds out what this node itself can know of its peers' enclaves. It challenges each connected member that the ledger
 * has accepted, on connection and from time to time, and verifies the answer in full against the ledger's measurements
 * and keyset.
 *
 * The outcome never touches the ledger. It decides whether a member is handed sealed workloads, and is shown with its
 * reason.
 */
import {
  createEndorsementCache,
  decodeChallengeAnswer,
  encodeChallenge,
  makeChallenge,
  verifyChallengeAnswer,
} from '@cloister/attestation';
import type { AccountId, Digest, Measurement, Result } from '@cloister/encoding';
import { type LedgerState, referenceValuesAt, settingsOf } from '@cloister/ledger';

export interface ChallengeOutcome {
  readonly passed: boolean;
  /** Whether an answer came. Without one, `code` is the peer's own word or the network's. */
  readonly isAnswered: boolean;
  /** 'OK', or why not. */
  readonly code: string;
  readonly detail: string;
  /** The ledger's keyset of the member when it was challenged; undefined when it was gone by then. */
  readonly keyset: Digest | undefined;
  /** What the ledger appraised by then: policy and measurements. */
  readonly policyDigest: Digest;
  /** As appraised; undefined when it did not come to that. */
  readonly measurement: Measurement | undefined;
  readonly simulated: boolean;
  /** Wall clock, for people. */
  readonly atMs: number;
  /** Monotonic clock, for its age. */
  readonly doneMs: number;
}

export interface PeerAttestationsOptions {
  readonly chainId: Digest;
  readonly self: AccountId;
  readonly state: () => LedgerState;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Wall clock. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  readonly intervalMs: number;
  readonly connected: () => readonly AccountId[];
  /** The encoded answer to an encoded challenge. */
  readonly ask: (member: AccountId, challenge: Uint8Array) => Promise<Result<Uint8Array>>;
  readonly onOutcome: (member: AccountId, outcome: ChallengeOutcome) => void;
  readonly onError: (error: unknown) => void;
}

/** Failed challenges are repeated sooner: the peer may have been restarting its enclave. */
const RETRY_SHARE = 6;
const RETRY_MS_MAX = 10_000;

export class PeerAttestations {
  readonly #options: PeerAttestationsOptions;
  readonly #outcomes = new Map<AccountId, ChallengeOutcome>();
  readonly #asking = new Map<AccountId, Promise<ChallengeOutcome>>();
  readonly #cache = createEndorsementCache();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sweeping = false;
  #again = false;
  #stopped = false;

  constructor(options: PeerAttestationsOptions) {
    this.#options = options;
  }

  outcomeOf(member: AccountId): ChallengeOutcome | undefined {
    return this.#outcomes.get(member);
  }

  /** Challenges whoever is due, now and from here on. */
  start(): void {
    this.#arm(0);
  }

  /** What is under way ends with the network. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** A member connected, or the ledger accepted its evidence: looks at once whether a challenge is due. */
  wake(): void {
    if (this.#sweeping) this.#again = true;
    else this.#arm(0);
  }

  #arm(delayMs: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#sweep().catch(this.#options.onError);
    }, delayMs);
    this.#timer.unref();
  }

  async #sweep(): Promise<void> {
    this.#sweeping = true;
    try {
      for (const member of this.#options.connected()) {
        if (this.#stopped) return;
        if (member !== this.#options.self && this.#isDue(member)) await this.challenge(member);
      }
    } finally {
      this.#sweeping = false;
      this.#arm(this.#again ? 0 : Math.min(this.#options.intervalMs, RETRY_MS_MAX) / 2);
      this.#again = false;
    }
  }

  #isDue(member: AccountId): boolean {
    const { attestations, policyDigest } = this.#options.state();
    const attestation = attestations.get(member);
    if (attestation === undefined) return false;
    const outcome = this.#outcomes.get(member);
    if (outcome?.keyset !== attestation.keyset || outcome.policyDigest !== policyDigest) return true;
    const { intervalMs, monotonicMs } = this.#options;
    const waitMs = outcome.passed ? intervalMs : Math.min(intervalMs / RETRY_SHARE, RETRY_MS_MAX);
    return monotonicMs() - outcome.doneMs >= waitMs;
  }

  /**
   * Whether the member's enclave stands: by an outcome of the last interval for its present keyset under the policy and
   * measurements of now, else by a challenge now. 'unattested' when the ledger has accepted nothing from it; one that the
   * ledger evicted has failed.
   */
  async attestationOf(member: AccountId): Promise<'passed' | 'failed' | 'unattested'> {
    const attestation = this.#options.state().attestations.get(member);
    if (attestation === undefined) return 'unattested';
    if (attestation.evicted !== null) return 'failed';
    const outcome = this.#isDue(member) ? await this.challenge(member) : this.#outcomes.get(member);
    return outcome?.passed === true ? 'passed' : 'failed';
  }

  /** Challenges a member with an accepted attestation; one challenge at a time each. Never throws. */
  challenge(member: AccountId): Promise<ChallengeOutcome> {
    const running = this.#asking.get(member);
    if (running !== undefined) return running;
    const asking = this.#challenge(member).finally(() => this.#asking.delete(member));
    this.#asking.set(member, asking);
    return asking;
  }

  async #challenge(member: AccountId): Promise<ChallengeOutcome> {
    const { chainId, self, randomBytes, ask, state, nowMs, monotonicMs, onOutcome } = this.#options;
    const challenge = makeChallenge({ chainId, challenger: self, target: member, nonce: randomBytes(32) });
    const answered = await ask(member, encodeChallenge(challenge));
    const verdict = answered.ok ? this.#verify(member, challenge, answered.value) : answered;
    const outcome: ChallengeOutcome = {
      passed: verdict.ok,
      isAnswered: answered.ok,
      code: verdict.ok ? 'OK' : verdict.code,
      detail: verdict.ok ? '' : (verdict.detail ?? ''),
      keyset: state().attestations.get(member)?.keyset,
      policyDigest: state().policyDigest,
      measurement: verdict.ok ? verdict.value.measurement : undefined,
      simulated: verdict.ok && verdict.value.simulated,
      atMs: nowMs(),
      doneMs: monotonicMs(),
    };
    this.#outcomes.set(member, outcome);
    onOutcome(member, outcome);
    return outcome;
  }

  #verify(
    member: AccountId,
    challenge: ReturnType<typeof makeChallenge>,
    bytes: Uint8Array,
  ): Result<{ readonly measurement: Measurement; readonly simulated: boolean }> {
    const answer = decodeChallengeAnswer(bytes);
    if (!answer.ok) return answer;
    const state = this.#options.state();
    const { appraisalPolicy, trustAnchors } = settingsOf(state);
    return verifyChallengeAnswer({
      challenge,
      answer: answer.value,
      peer: member,
      ledgerKeyset: state.attestations.get(member)?.keyset,
      referenceValues: referenceValuesAt(state, state.height),
      policy: appraisalPolicy,
      trustAnchors,
      atMs: state.timeMs,
      crlFloors: state.crlFloors,
      statementFloors: state.statementFloors,
      cache: this.#cache,
    });
  }
}
