/**
 * Takes challenges to this node's enclave, from peers and from tenants through the API: it checks them, limits their
 * rate and answers them. It hands challenges to other nodes on.
 *
 * An answer costs the enclave new evidence, so each asker has so many a minute. A challenge that its challenger signed
 * is counted to that account, if the ledger knows it, wherever it comes from. All others share a small budget by the
 * address or peer that they come from. A question that nobody may ask is refused before any budget is charged.
 */
import {
  CHALLENGE_BYTES,
  type ChallengeRequest,
  decodeChallengeRequest,
  isSignedByChallenger,
} from '@cloister/attestation';
import { type AccountId, type Digest, fail, ok, type Result } from '@cloister/encoding';
import { type EnclavePort, EnclaveUnavailable } from '@cloister/validator';
import { codeOf, messageOf } from '../process/errors.ts';
import { ATTEST_ANSWER_BYTES_MAX, decodeAttestAnswer, encodeAttestAnswer } from './attest-messages.ts';
import { ChallengeRateLimit } from './challenge-rate-limit.ts';

export interface ChallengeDeskOptions {
  readonly chainId: Digest;
  readonly self: AccountId;
  /** Undefined while there is no enclave. */
  readonly enclave: () => EnclavePort | undefined;
  /** Whether the ledger knows an account. */
  readonly isAccount: (id: AccountId) => boolean;
  /** Answers a minute to one account, or to one peer. */
  readonly answersPerMinute: number;
  readonly monotonicMs: () => number;
  readonly request: (member: AccountId, bytes: Uint8Array, maxBytes: number) => Promise<Uint8Array>;
}

/** What all who did not sign are given together, as a share of what one account is. */
const UNSIGNED_SHARE = 0.5;
const UNSIGNED = 'unsigned';

/** The seconds to wait stand in the detail. */
function rateLimited(waitMs: number): Result<never, 'RATE_LIMITED'> {
  return fail('RATE_LIMITED', String(Math.max(1, Math.ceil(waitMs / 1000))));
}

export class ChallengeDesk {
  readonly #options: ChallengeDeskOptions;
  /** By account, and by peer for those that nobody signed. */
  readonly #answers: ChallengeRateLimit;
  /** The budget of all unsigned challenges from the API together, because peers would count them as this node's own. */
  readonly #unsigned: ChallengeRateLimit;

  constructor(options: ChallengeDeskOptions) {
    this.#options = options;
    const { answersPerMinute, monotonicMs } = options;
    this.#answers = new ChallengeRateLimit(answersPerMinute, monotonicMs);
    this.#unsigned = new ChallengeRateLimit(Math.max(1, Math.floor(answersPerMinute * UNSIGNED_SHARE)), monotonicMs);
  }

  /** The request, when it is one for `target` on this chain. */
  #decode(bytes: Uint8Array, target: AccountId): Result<ChallengeRequest> {
    const request = decodeChallengeRequest(bytes);
    if (!request.ok) return request;
    const { challenge } = request.value;
    if (challenge.chainId !== this.#options.chainId) return fail('WRONG_CHAIN');
    return challenge.target === target ? request : fail('NOT_THE_TARGET', `this is for ${target}`);
  }

  /** Takes from the budget of whoever asks. */
  #charge(asker: string, request: ChallengeRequest): Result<void> {
    const { challenger } = request.challenge;
    const account = request.signature !== undefined && this.#options.isAccount(challenger);
    const name = account ? `account ${challenger}` : asker;
    const waitMs = this.#answers.waitMs(name);
    if (waitMs > 0) return rateLimited(waitMs);
    // A party that uses another's name without its key takes nothing from the other's budget.
    if (account && !isSignedByChallenger(request)) return fail('CHALLENGE_UNSIGNED', 'not signed by its challenger');
    return this.#answers.take(name) ? ok(undefined) : rateLimited(this.#answers.waitMs(name));
  }

  /** The local enclave's encoded ChallengeAnswer to a challenge request, or a code. Never throws. */
  async answerLocally(asker: string, bytes: Uint8Array): Promise<Result<Uint8Array>> {
    const request = this.#decode(bytes, this.#options.self);
    if (!request.ok) return request;
    const charged = this.#charge(asker, request.value);
    if (!charged.ok) return charged;
    const enclave = this.#options.enclave();
    if (enclave === undefined) return fail('ENCLAVE_UNAVAILABLE', 'this node has no running enclave');
    try {
      return await enclave.attest({ purpose: 'challenge', challenge: bytes.subarray(0, CHALLENGE_BYTES) });
    } catch (error) {
      return fail(error instanceof EnclaveUnavailable ? 'ENCLAVE_UNAVAILABLE' : codeOf(error), messageOf(error));
    }
  }

  /** Answers the attest protocol. */
  async answerPeer(peer: string, bytes: Uint8Array): Promise<Uint8Array> {
    return encodeAttestAnswer(await this.answerLocally(peer, bytes));
  }

  /** Puts a challenge request to a member's enclave. Never throws. */
  async ask(member: AccountId, request: Uint8Array): Promise<Result<Uint8Array>> {
    try {
      return decodeAttestAnswer(await this.#options.request(member, request, ATTEST_ANSWER_BYTES_MAX));
    } catch (error) {
      return fail(codeOf(error), messageOf(error));
    }
  }

  /**
   * For the API: here when `node` is this node, else handed on. The asked node counts a signed one to its account, and every
   * other one to this node, which must keep enough for challenges of its own.
   */
  async forward(asker: string, node: AccountId, bytes: Uint8Array): Promise<Result<Uint8Array>> {
    const request = this.#decode(bytes, node);
    if (!request.ok) return request;
    if (node !== this.#options.self && !this.#options.isAccount(node)) return fail('NODE_UNKNOWN', node);
    const { challenge, signature } = request.value;
    if (signature === undefined || !this.#options.isAccount(challenge.challenger)) {
      if (!this.#unsigned.take(UNSIGNED)) return rateLimited(this.#unsigned.waitMs(UNSIGNED));
    }
    if (node === this.#options.self) return this.answerLocally(asker, bytes);
    const charged = signature === undefined ? ok(undefined) : this.#charge(`through ${asker}`, request.value);
    return charged.ok ? this.ask(node, bytes) : charged;
  }
}
