/** Mutants of packages/confidential that no test can catch. */
import { type Equivalent, ONLY_FASTER } from './equivalent.ts';

export const CONFIDENTIAL: readonly Equivalent[] = [
  { file: 'model/onnx-screen.ts', check: 'first !== undefined && first < 0x80', reason: ONLY_FASTER },
  {
    file: 'model/onnx-screen.ts',
    check: 'byte === undefined',
    reason: 'a number that is cut short has no last byte, and is refused after ten bytes by the same name',
  },
  {
    file: 'request/tensors.ts',
    check: 'at > data.length',
    reason: 'an element beyond the end is not exactly at the end either, which is asked after the last one',
  },
];
