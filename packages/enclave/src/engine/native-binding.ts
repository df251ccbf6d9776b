/**
 * onnxruntime's native files, loaded from the sealed memory that the platform measured: no path leads to them.
 *
 * Bundled in place of the line with which onnxruntime-node looks for its binding.
 */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { ENGINE_BINDING_DESCRIPTOR, ENGINE_LIBRARY_DESCRIPTOR } from '../channel/descriptors.ts';

/** Of dlfcn.h: stays loaded although Node.js, which finds no addon in it, lets go of it. */
const RTLD_NODELETE = 0x1000;

function pathOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

/** The binding asks for the library by its name; the dynamic linker takes one of that name that is loaded already. */
function loadLibrary(): void {
  try {
    process.dlopen({ exports: {} }, pathOf(ENGINE_LIBRARY_DESCRIPTOR), constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch {
    // It is no addon, and Node.js says so once it is loaded. Were it not loaded, the binding would not be either.
  }
}

function loadBinding(): unknown {
  loadLibrary();
  const addon: { exports: unknown } = { exports: {} };
  process.dlopen(addon, pathOf(ENGINE_BINDING_DESCRIPTOR));
  closeSync(ENGINE_LIBRARY_DESCRIPTOR);
  closeSync(ENGINE_BINDING_DESCRIPTOR);
  return addon.exports;
}

export const nativeBinding: unknown = loadBinding();
