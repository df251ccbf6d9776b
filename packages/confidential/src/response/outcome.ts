/**
 * The outcome of an execution, which only the tenant reads: tensors, or the reason why the model gave none.
 *
 * A failure that every honest executor would meet (an input the model does not take) is an outcome like any other: it
 * is committed to and sealed, so the ledger cannot tell it from a success. Failures that could differ between executors
 * are no outcome and yield no receipt.
 */
import { assert, ByteWriter, DecodeError, decodeWith, fail, ok, type Result, utf8 } from '@cloister/encoding';
import { checkTensors, decodeTensors, encodeTensors, TENSOR_LIMITS, type Tensor } from '../request/tensors.ts';

export const OUTCOME_DETAIL_BYTES_MAX = 1024;

export type Outcome =
  | { readonly status: 'completed'; readonly tensors: readonly Tensor[] }
  /** `code` in SCREAMING_SNAKE; code and detail are functions of model and input alone. */
  | { readonly status: 'refused'; readonly code: string; readonly detail: string };

const CODE: RegExp = /^[A-Z][A-Z0-9_]{0,63}$/;
const OUTCOME_BYTES_MAX: number = TENSOR_LIMITS.totalBytes + 64 * 1024;

/** Whether an outcome can be encoded. */
export function checkOutcome(outcome: Outcome): Result<void, 'OUTCOME_UNENCODABLE'> {
  if (outcome.status === 'completed') {
    const checked = checkTensors(outcome.tensors);
    return checked.ok ? checked : fail('OUTCOME_UNENCODABLE', checked.code);
  }
  const { code, detail } = outcome;
  const fits = CODE.test(code) && detail.isWellFormed() && utf8(detail).length <= OUTCOME_DETAIL_BYTES_MAX;
  return fits ? ok(undefined) : fail('OUTCOME_UNENCODABLE', 'code or detail');
}

/** The one encoding of an outcome. One that `checkOutcome` refuses is a bug of the caller. */
export function encodeOutcome(outcome: Outcome): Uint8Array {
  assert(checkOutcome(outcome).ok, 'encodeOutcome: out of bounds');
  return outcome.status === 'completed'
    ? new ByteWriter().u8(0).var(encodeTensors(outcome.tensors)).finish()
    : new ByteWriter().u8(1).str(outcome.code).str(outcome.detail).finish();
}

export function decodeOutcome(bytes: Uint8Array): Result<Outcome, 'MALFORMED'> {
  return decodeWith(bytes, (reader): Outcome => {
    const kind = reader.u8();
    if (kind === 0) {
      const tensors = decodeTensors(reader.var(OUTCOME_BYTES_MAX));
      if (!tensors.ok) throw new DecodeError(tensors.code);
      return { status: 'completed', tensors: tensors.value };
    }
    if (kind !== 1) throw new DecodeError('unknown outcome');
    const outcome: Outcome = { status: 'refused', code: reader.str(64), detail: reader.str(OUTCOME_DETAIL_BYTES_MAX) };
    if (!CODE.test(outcome.code)) throw new DecodeError('not a code');
    return outcome;
  });
}
