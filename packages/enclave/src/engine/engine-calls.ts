/** The calls that the vault makes of an engine, for both of them. What they carry is plaintext. */
import { type ModelSignature, TENSOR_DATATYPES, TENSOR_LIMITS, type TensorSpec } from '@cloister/confidential';
import type { Digest } from '@cloister/encoding';
import { array, count, digest, object, oneOf, text } from '@cloister/encoding/shape';
import { bytesUpTo, type Call, type CallTable, type Nothing } from '../channel/call-table.ts';
import { OPENED_PIECE_BYTES_MAX } from '../channel/limits.ts';
import { NUMERIC_CLASSES, type NumericClass } from './numeric-class.ts';

/** What an engine says of a model that it loaded. */
export interface EngineModel extends ModelSignature {
  readonly numericClass: NumericClass;
}

export interface EngineCalls {
  /** Announces a file of so many bytes. */
  readonly 'load-begin': Call<{ readonly transfer: string; readonly bytes: number }, Nothing>;
  readonly 'load-piece': Call<{ readonly transfer: string; readonly piece: Uint8Array }, Nothing>;
  /** Screens and loads the file whose pieces came. */
  readonly 'load-end': Call<{ readonly transfer: string; readonly model: Digest }, EngineModel>;
  readonly 'load-cancel': Call<{ readonly transfer: string }, Nothing>;
  readonly unload: Call<{ readonly model: Digest }, Nothing>;
  /** Encoded tensors in, encoded tensors out. */
  readonly run: Call<{ readonly model: Digest; readonly input: Uint8Array }, { readonly output: Uint8Array }>;
}

const transfer = text(32, 1);
/** With what tensors of the largest size have beside their data: names, types and shapes. */
const TENSORS_BYTES_MAX: number = TENSOR_LIMITS.totalBytes + 64 * 1024;
/** The manifest has the bounds for a sound engine. These are for an engine that its model has taken over. */
const SPEC_MAX = 65_536;
const specs = array(
  object<TensorSpec>({
    name: text(SPEC_MAX),
    datatype: oneOf(TENSOR_DATATYPES),
    shape: array(count({ min: -1 }), { max: SPEC_MAX }),
  }),
  { max: SPEC_MAX },
);

export const ENGINE_CALLS: CallTable<EngineCalls> = {
  'load-begin': {
    // An engine that has not the memory refuses; it has a limit of its own.
    argument: { transfer, bytes: count() },
    answer: {},
  },
  'load-piece': {
    argument: { transfer, piece: bytesUpTo(OPENED_PIECE_BYTES_MAX) },
    answer: {},
  },
  'load-end': {
    argument: { transfer, model: digest },
    // The class goes into public receipts: nothing but one of these may stand there.
    answer: { numericClass: oneOf(NUMERIC_CLASSES), inputs: specs, outputs: specs },
  },
  'load-cancel': {
    argument: { transfer },
    answer: {},
  },
  unload: {
    argument: { model: digest },
    answer: {},
  },
  run: {
    argument: { model: digest, input: bytesUpTo(TENSORS_BYTES_MAX) },
    answer: { output: bytesUpTo(TENSORS_BYTES_MAX) },
  },
};
