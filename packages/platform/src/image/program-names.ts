/**
 * Names inside an image that both its builder and the platform know.
 */

export const ENCLAVE_PROGRAM = 'enclave.mjs';
export const ENGINE_PROGRAM = 'engine.mjs';
/** Directory of the native files. */
export const NATIVE_DIRECTORY = 'native';
export const NATIVE_BINDING = 'onnxruntime_binding.node';
export const NATIVE_LIBRARY = 'libonnxruntime.so.1';

export interface ImageProgram {
  readonly name: string;
  readonly bytes: Uint8Array;
}
