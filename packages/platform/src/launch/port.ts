/**
 * The validator's `EnclavePort` over the channel to its enclave.
 *
 * A refusal of the enclave is a result with the enclave's code; a channel that ended, an answer that does not come or is no
 * answer throws `EnclaveUnavailable`.
 */

import { ChannelError, headOnly, MODEL_PIECE_BYTES, type Payload, partsOnly, type RpcChannel } from '@cloister/enclave';
import { fail, ok, type Result } from '@cloister/encoding';
import {
  account,
  array,
  bool,
  digest,
  height,
  hex,
  measurement,
  object,
  oneOf,
  parseShape,
  text,
} from '@cloister/encoding/shape';
import {
  type EnclaveDescription,
  type EnclavePort,
  EnclaveUnavailable,
  type InferenceOutput,
} from '@cloister/validator';

/** More than an enclave ever holds. */
const MODELS_LISTED_MAX = 4_096;

/** What an enclave says of itself. What it says of its keys and its measurement is proven by evidence alone. */
const descriptionShape = object<EnclaveDescription>({
  nodeId: account,
  platform: text(64),
  simulated: bool,
  isolated: bool,
  measurement,
  image: digest,
  imageName: text(256),
  imageVersion: text(256),
  keyset: digest,
  hpkeKey: hex(32),
  signKey: hex(32),
  phase: oneOf(['launched', 'attested', 'serving']),
  trustedHeight: height,
  models: array(digest, { max: MODELS_LISTED_MAX }),
});

export class ChannelEnclavePort implements EnclavePort {
  readonly #channel: RpcChannel;
  readonly #timeoutMs: number;

  constructor(channel: RpcChannel, timeoutMs: number) {
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  async describe(): Promise<EnclaveDescription> {
    const answer = await this.#call('describe', headOnly(null));
    if (!answer.ok) throw new EnclaveUnavailable('ENCLAVE_PROTOCOL', answer.code);
    const described = parseShape(descriptionShape, answer.value.head, 'describe');
    if (!described.ok) throw new EnclaveUnavailable('ENCLAVE_PROTOCOL', described.detail ?? described.code);
    return described.value;
  }

  attest(request: Parameters<EnclavePort['attest']>[0]): Promise<Result<Uint8Array>> {
    switch (request.purpose) {
      case 'ledger':
        return this.#bytes('attest-ledger', request.finality);
      case 'challenge':
        return this.#bytes('attest-challenge', request.challenge);
      case 'presence':
        return this.#bytes('prove-presence', request.challenge);
    }
  }

  refresh({ facts }: { readonly facts: Uint8Array }): Promise<Result<Uint8Array>> {
    return this.#bytes('refresh', facts);
  }

  accept({ facts }: { readonly facts: Uint8Array }): Promise<Result<void>> {
    return this.#nothing('accept', facts);
  }

  /** In pieces, each taken before the next is sent: neither side ever holds more than one. */
  async provisionModel(request: Parameters<EnclavePort['provisionModel']>[0]): Promise<Result<void>> {
    const { authority, manifest, ciphertext } = request;
    const begun = await this.#call('provision-begin', partsOnly(authority, manifest));
    if (!begun.ok) return begun;
    const transfer = begun.value.head;
    if (transfer === null) return ok(undefined);
    try {
      for await (const bytes of ciphertext) {
        for (let at = 0; at < bytes.length; at += MODEL_PIECE_BYTES) {
          const piece = bytes.subarray(at, at + MODEL_PIECE_BYTES);
          const taken = await this.#call('provision-piece', { head: transfer, parts: [piece] });
          if (!taken.ok) return taken;
        }
      }
    } catch (error) {
      // Whoever served the file broke off: what came of it must not stay in the enclave.
      await this.#call('provision-end', headOnly(transfer)).catch(() => undefined);
      throw error;
    }
    const ended = await this.#call('provision-end', headOnly(transfer));
    return ended.ok ? ok(undefined) : ended;
  }

  async runInference(request: Parameters<EnclavePort['runInference']>[0]): Promise<Result<InferenceOutput>> {
    const answer = await this.#call('run-inference', partsOnly(request.authority, request.payload));
    if (!answer.ok) return answer;
    const [receipt, response] = answer.value.parts;
    if (receipt === undefined || response === undefined) throw new EnclaveUnavailable('ENCLAVE_PROTOCOL', 'no receipt');
    return ok({ receipt, response });
  }

  async #bytes(method: string, ...parts: readonly Uint8Array[]): Promise<Result<Uint8Array>> {
    const answer = await this.#call(method, partsOnly(...parts));
    if (!answer.ok) return answer;
    const [bytes] = answer.value.parts;
    if (bytes === undefined) throw new EnclaveUnavailable('ENCLAVE_PROTOCOL', `${method}: empty answer`);
    return ok(bytes);
  }

  async #nothing(method: string, ...parts: readonly Uint8Array[]): Promise<Result<void>> {
    const answer = await this.#call(method, partsOnly(...parts));
    return answer.ok ? ok(undefined) : fail(answer.code, answer.detail);
  }

  async #call(method: string, payload: Payload): Promise<Result<Payload>> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new EnclaveUnavailable('ENCLAVE_TIMEOUT', `${method} unanswered`)),
        this.#timeoutMs,
      );
    });
    try {
      return await Promise.race([this.#channel.call(method, payload), timeout]);
    } catch (cause) {
      if (cause instanceof EnclaveUnavailable) throw cause;
      const code =
        cause instanceof ChannelError && cause.code !== 'CHANNEL_CLOSED' ? 'ENCLAVE_PROTOCOL' : 'ENCLAVE_GONE';
      throw new EnclaveUnavailable(code, `${method}: the enclave cannot be reached`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}
