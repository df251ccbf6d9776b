/**
 * A hostile model: well-formed, harmless to load, and without end when run.
 */
import { concatBytes } from '@cloister/encoding';
import { int, message, protoText } from './onnx-writer.ts';

/** A loop that runs 2^62 times over x + x. */
export function endlessModel(): Uint8Array {
  const tensorType = (element: number, ...dimensions: number[]): Uint8Array =>
    message(2, message(1, int(1, element), message(2, ...dimensions.map((size) => message(1, int(1, size))))));
  const value = (field: number, name: string, type: Uint8Array): Uint8Array => message(field, protoText(1, name), type);
  const [FLOAT, INT64, BOOL] = [1, 7, 9];
  const initializer = (name: string, type: number, raw: Uint8Array): Uint8Array =>
    message(5, int(2, type), protoText(8, name), message(9, raw));
  const body = message(
    6,
    message(1, protoText(1, 'go'), protoText(2, 'go_on'), protoText(4, 'Identity')),
    message(1, protoText(1, 'x'), protoText(1, 'x'), protoText(2, 'sum'), protoText(4, 'Add')),
    protoText(2, 'body'),
    value(11, 'i', tensorType(INT64)),
    value(11, 'go', tensorType(BOOL)),
    value(11, 'x', tensorType(FLOAT, 1, 784)),
    value(12, 'go_on', tensorType(BOOL)),
    value(12, 'sum', tensorType(FLOAT, 1, 784)),
  );
  const loop = message(
    1,
    protoText(1, 'trips'),
    protoText(1, 'start'),
    protoText(1, 'image'),
    protoText(2, 'probabilities'),
    protoText(4, 'Loop'),
    message(5, protoText(1, 'body'), body, int(20, 5)),
  );
  return concatBytes(
    int(1, 8),
    message(
      7,
      loop,
      protoText(2, 'endless'),
      initializer('trips', INT64, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x40)),
      initializer('start', BOOL, Uint8Array.of(1)),
      value(11, 'image', tensorType(FLOAT, 1, 784)),
      value(12, 'probabilities', tensorType(FLOAT, 1, 784)),
    ),
    message(8, protoText(1, ''), int(2, 17)),
  );
}
