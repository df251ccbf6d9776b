/**
 * The hold protocol: an executor asks a validator to take a sealed response that is too large for the ledger, and asks again until
 * the validator has fetched it by the blob protocol.
 *
 *     request   version u8 = 1 ‖ size u64 ‖ var receipt
 *     answer    version u8 = 1 ‖ status u8 ‖ var text      status 0 held: its statement, 1 pending: nothing, 2 refused: a code
 */
import { ByteWriter, DecodeError, decodeWith, type Result, utf8 } from '@cloister/encoding';
import { MAX_RECEIPT_BYTES } from '@cloister/ledger';

export const HOLD_ANSWER_BYTES_MAX = 256;
const VERSION = 1;
const TEXT_BYTES_MAX = 192;

export interface HoldRequest {
  /** Bytes of the sealed response. */
  readonly size: number;
  /** Names task, executor and digest of the response, and is signed by the attested enclave. */
  readonly receipt: Uint8Array;
}

export type HoldAnswer =
  | { readonly status: 'held'; readonly statement: string }
  | { readonly status: 'pending' }
  | { readonly status: 'refused'; readonly code: string };

const STATUSES = ['held', 'pending', 'refused'] as const;

export function encodeHoldRequest({ size, receipt }: HoldRequest): Uint8Array {
  return new ByteWriter(receipt.length + 16).u8(VERSION).u64(size).var(receipt).finish();
}

export function decodeHoldRequest(bytes: Uint8Array): Result<HoldRequest, 'MALFORMED'> {
  return decodeWith(bytes, (reader) => {
    if (reader.u8() !== VERSION) throw new DecodeError('unknown version');
    return { size: reader.u64(), receipt: reader.var(MAX_RECEIPT_BYTES) };
  });
}

export function encodeHoldAnswer(answer: HoldAnswer): Uint8Array {
  const text = answer.status === 'held' ? answer.statement : answer.status === 'refused' ? answer.code : '';
  const writer = new ByteWriter(HOLD_ANSWER_BYTES_MAX).u8(VERSION).u8(STATUSES.indexOf(answer.status));
  return writer.var(utf8(text)).finish();
}

export function decodeHoldAnswer(bytes: Uint8Array): Result<HoldAnswer, 'MALFORMED'> {
  return decodeWith(bytes, (reader): HoldAnswer => {
    if (reader.u8() !== VERSION) throw new DecodeError('unknown version');
    const status = STATUSES[reader.u8()];
    if (status === undefined) throw new DecodeError('unknown status');
    const text = new TextDecoder().decode(reader.var(TEXT_BYTES_MAX));
    if (status === 'held') return { status, statement: text };
    return status === 'refused' ? { status, code: text } : { status };
  });
}
