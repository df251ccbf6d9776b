/**
 * Challenges to this node's enclave, from peers and from tenants by way of the API: checked, rate-limited, answered; and
 * challenges to other nodes, handed on to them.
 */
import { CHALLENGE_BYTES, decodeChallenge } from '@cloister/attestation';
import { type AccountId, type Digest, fail, type Result } from '@cloister/crypto';
import { type EnclavePort, EnclaveUnavailable } from '@cloister/validator';
import { ATTEST_ANSWER_BYTES_MAX, decodeAttestAnswer, encodeAttestAnswer } from './attest-messages.ts';
import { codeOf, messageOf } from './errors.ts';
import type { RateLimit } from './rate-limit.ts';

export interface ChallengeDeskOptions {
  readonly chainId: Digest;
  readonly self: AccountId;
  /** Undefined while there is no enclave. */
  readonly enclave: () => EnclavePort | undefined;
  readonly limit: RateLimit;
  /**
   * Of what is handed on to each other node. Such a node counts it all as this one's, so it must be less than a node
   * answers to one asker: the rest is for this node's own challenges.
   */
  readonly relayLimit: RateLimit;
  readonly request: (member: AccountId, bytes: Uint8Array, maxBytes: number) => Promise<Uint8Array>;
}

export class ChallengeDesk {
  readonly #options: ChallengeDeskOptions;

  constructor(options: ChallengeDeskOptions) {
    this.#options = options;
  }

  /** The local enclave's encoded ChallengeAnswer to an encoded challenge, or a code. Never throws. */
  async answerLocally(asker: string, bytes: Uint8Array): Promise<Result<Uint8Array>> {
    const { chainId, self, limit } = this.#options;
    if (bytes.length !== CHALLENGE_BYTES) return fail('CHALLENGE_MALFORMED', `${bytes.length} bytes`);
    const challenge = decodeChallenge(bytes);
    if (!challenge.ok) return challenge;
    if (challenge.value.chainId !== chainId) return fail('WRONG_CHAIN');
    if (challenge.value.target !== self) return fail('NOT_THE_TARGET', `this node is ${self}`);
    if (!limit.take(asker)) return fail('RATE_LIMITED');
    const enclave = this.#options.enclave();
    if (enclave === undefined) return fail('ENCLAVE_UNAVAILABLE', 'this node has no running enclave');
    try {
      return await enclave.attest({ purpose: 'challenge', challenge: bytes });
    } catch (error) {
      return fail(error instanceof EnclaveUnavailable ? 'ENCLAVE_UNAVAILABLE' : codeOf(error), messageOf(error));
    }
  }

  /** Answers the attest protocol. */
  async answerPeer(peer: string, bytes: Uint8Array): Promise<Uint8Array> {
    return encodeAttestAnswer(await this.answerLocally(peer, bytes));
  }

  /** Puts an encoded challenge to a member's enclave. Never throws. */
  async ask(member: AccountId, challenge: Uint8Array): Promise<Result<Uint8Array>> {
    try {
      return decodeAttestAnswer(await this.#options.request(member, challenge, ATTEST_ANSWER_BYTES_MAX));
    } catch (error) {
      return fail(codeOf(error), messageOf(error));
    }
  }

  /** For the API: here when `node` is this node, else handed on. */
  async forward(asker: string, node: AccountId, challenge: Uint8Array): Promise<Result<Uint8Array>> {
    const { self, limit, relayLimit } = this.#options;
    if (node === self) return this.answerLocally(asker, challenge);
    return limit.take(asker) && relayLimit.take(node) ? this.ask(node, challenge) : fail('RATE_LIMITED');
  }
}
