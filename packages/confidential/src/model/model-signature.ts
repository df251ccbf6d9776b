/**
 * Whether what an ONNX file declares is what its manifest promises. The owner's client tells each difference before it seals
 * a file; the enclave asks only whether there is one.
 */
import type { TensorSpec } from '../request/tensors.ts';

/** The inputs and outputs of a model. */
export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** One thing that differs. */
export interface SignatureDifference {
  readonly of: 'input' | 'output';
  readonly name: string;
  readonly code: /** The manifest names it and the file does not. */
    | 'NOT_IN_FILE'
    /** The file has it and the manifest does not. */
    | 'NOT_IN_MANIFEST'
    | 'DATATYPE_DIFFERS'
    /** Another number of dimensions, or one of them has another size. */
    | 'SHAPE_DIFFERS';
  /** In words, with both sides. */
  readonly detail: string;
}

const ANY = -1;

function fits(declared: readonly number[], promised: readonly number[]): boolean {
  if (declared.length !== promised.length) return false;
  return declared.every((size, i) => size === ANY || promised[i] === ANY || size === promised[i]);
}

function shapeText(shape: readonly number[]): string {
  return shape.length === 0 ? 'a scalar' : shape.map((size) => (size === ANY ? '?' : size)).join('x');
}

function differencesOf(
  of: SignatureDifference['of'],
  declared: readonly TensorSpec[],
  promised: readonly TensorSpec[],
): SignatureDifference[] {
  const found: SignatureDifference[] = [];
  const add = (name: string, code: SignatureDifference['code'], detail: string): void => {
    found.push({ of, name, code, detail: `${of} "${name}": ${detail}` });
  };
  for (const { name, datatype, shape } of promised) {
    const file = declared.find((spec) => spec.name === name);
    if (file === undefined) {
      add(name, 'NOT_IN_FILE', 'the manifest names it and the file has none of this name');
      continue;
    }
    if (file.datatype !== datatype) {
      add(name, 'DATATYPE_DIFFERS', `${datatype} in the manifest, ${file.datatype} in the file`);
    }
    if (!fits(file.shape, shape)) {
      add(name, 'SHAPE_DIFFERS', `${shapeText(shape)} in the manifest, ${shapeText(file.shape)} in the file`);
    }
  }
  for (const { name, datatype, shape } of declared) {
    if (promised.some((spec) => spec.name === name)) continue;
    add(name, 'NOT_IN_MANIFEST', `${datatype} ${shapeText(shape)} in the file, and the manifest does not name it`);
  }
  return found;
}

/** All that differs. A dimension that either side leaves open differs from none. */
export function signatureDifferences(file: ModelSignature, manifest: ModelSignature): readonly SignatureDifference[] {
  return [
    ...differencesOf('input', file.inputs, manifest.inputs),
    ...differencesOf('output', file.outputs, manifest.outputs),
  ];
}
