/**
 * @cloister/enclave/process: calls of the operating system that the programs of an enclave and its platform make of themselves.
 * They need the pinned Node.js, so that nothing which a validator's own process imports may import this.
 */
export { keepOnExec, limitProcess, openMemoryFile, sealMemoryFile, shieldProcess } from './libc.ts';
export { foreignDescriptors, openDescriptors } from './open-descriptors.ts';
