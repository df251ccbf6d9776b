/**
 * The validator's `EnclavePort` over the channel to its enclave.
 *
 * A refusal of the enclave is a result with the enclave's code; a channel that ended, an answer that does not come or is no
 * answer throws `EnclaveUnavailable`.
 */

import type { EnclaveDescription } from '@cloister/confidential';
import {
  ChannelError,
  callBy,
  ENCLAVE_CALLS,
  type EnclaveCalls,
  MODEL_PIECE_BYTES,
  type RpcChannel,
} from '@cloister/enclave';
import { mapResult, ok, type Result } from '@cloister/encoding';
import { type EnclavePort, EnclaveUnavailable, type InferenceOutput } from '@cloister/validator';

export class ChannelEnclavePort implements EnclavePort {
  readonly #channel: RpcChannel;
  readonly #timeoutMs: number;

  constructor(channel: RpcChannel, timeoutMs: number) {
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  async describe(): Promise<EnclaveDescription> {
    const answer = await this.#call('describe', {});
    if (!answer.ok) throw new EnclaveUnavailable('ENCLAVE_PROTOCOL', answer.code);
    return answer.value;
  }

  async attest(request: Parameters<EnclavePort['attest']>[0]): Promise<Result<Uint8Array>> {
    switch (request.purpose) {
      case 'ledger':
        return mapResult(await this.#call('attest-ledger', { finality: request.finality }), ({ bundle }) => bundle);
      case 'challenge':
        return mapResult(
          await this.#call('attest-challenge', { challenge: request.challenge }),
          ({ answer }) => answer,
        );
      case 'presence':
        return mapResult(
          await this.#call('prove-presence', { challenge: request.challenge }),
          ({ signature }) => signature,
        );
    }
  }

  async refresh({ facts }: { readonly facts: Uint8Array }): Promise<Result<Uint8Array>> {
    return mapResult(await this.#call('refresh', { facts }), ({ statement }) => statement);
  }

  async accept({ facts }: { readonly facts: Uint8Array }): Promise<Result<void>> {
    return mapResult(await this.#call('accept', { facts }), () => undefined);
  }

  /** In pieces, each taken before the next is sent: neither side ever holds more than one. */
  async provisionModel(request: Parameters<EnclavePort['provisionModel']>[0]): Promise<Result<void>> {
    const { authority, manifest, ciphertext } = request;
    const begun = await this.#call('provision-begin', { authority, manifest });
    if (!begun.ok) return begun;
    const { transfer } = begun.value;
    if (transfer === null) return ok(undefined);
    try {
      for await (const bytes of ciphertext) {
        for (let at = 0; at < bytes.length; at += MODEL_PIECE_BYTES) {
          const piece = bytes.subarray(at, at + MODEL_PIECE_BYTES);
          const taken = await this.#call('provision-piece', { transfer, ciphertext: piece });
          if (!taken.ok) return taken;
        }
      }
    } catch (error) {
      // Whoever served the file broke off: what came of it must not stay in the enclave.
      await this.#call('provision-end', { transfer }).catch(() => undefined);
      throw error;
    }
    return mapResult(await this.#call('provision-end', { transfer }), () => undefined);
  }

  async runInference(request: Parameters<EnclavePort['runInference']>[0]): Promise<Result<InferenceOutput>> {
    const { authority, payload } = request;
    return this.#call('run-inference', { authority, payload });
  }

  async #call<Name extends keyof EnclaveCalls>(
    name: Name,
    argument: EnclaveCalls[Name]['argument'],
  ): Promise<Result<EnclaveCalls[Name]['answer']>> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new EnclaveUnavailable('ENCLAVE_TIMEOUT', `${name} unanswered`)),
        this.#timeoutMs,
      );
    });
    try {
      return await Promise.race([callBy(ENCLAVE_CALLS, this.#channel, name, argument), timeout]);
    } catch (cause) {
      if (cause instanceof EnclaveUnavailable) throw cause;
      if (cause instanceof ChannelError && cause.code !== 'CHANNEL_CLOSED') {
        throw new EnclaveUnavailable('ENCLAVE_PROTOCOL', `${name}: ${cause.message}`, { cause });
      }
      throw new EnclaveUnavailable('ENCLAVE_GONE', `${name}: the enclave cannot be reached`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}
