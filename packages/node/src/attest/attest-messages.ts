/**
 * The attest protocol between nodes: an encoded challenge, answered by the enclave's encoded answer or a code.
 *
 *     answer   version u8 = 1 ‖ ok u8 ‖ (1: var challenge answer | 0: str code)
 */
import { MAX_ANSWER_BYTES } from '@cloister/attestation';
import { ByteWriter, DecodeError, decodeWith, fail, ok, type Result } from '@cloister/encoding';

const VERSION = 1;
export const ATTEST_ANSWER_BYTES_MAX: number = MAX_ANSWER_BYTES + 128;

/** The enclave's answer, or why there is none, as bytes. */
export function encodeAttestAnswer(answer: Result<Uint8Array>): Uint8Array {
  const writer = new ByteWriter(answer.ok ? answer.value.length + 8 : 64).u8(VERSION).u8(answer.ok ? 1 : 0);
  return (answer.ok ? writer.var(answer.value) : writer.str(answer.code.slice(0, 64))).finish();
}

/** The inverse; a malformed answer is a refusal too. Never throws. */
export function decodeAttestAnswer(bytes: Uint8Array): Result<Uint8Array> {
  const decoded = decodeWith(bytes, (reader): Result<Uint8Array> => {
    if (reader.u8() !== VERSION) throw new DecodeError('unknown version');
    switch (reader.u8()) {
      case 1:
        return ok(reader.var(MAX_ANSWER_BYTES));
      case 0: {
        const code = reader.str(64);
        if (!/^[A-Z][A-Z0-9_]*$/.test(code)) throw new DecodeError('not a code');
        return fail(code);
      }
      default:
        throw new DecodeError('not a flag');
    }
  });
  return decoded.ok ? decoded.value : fail('ANSWER_MALFORMED', decoded.detail);
}
