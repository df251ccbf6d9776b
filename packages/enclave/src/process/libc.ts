/**
 * The few calls of the C library that Node.js has no function for, through Node's own foreign function interface.
 *
 * Source: prctl(2), setrlimit(2), fcntl(2), memfd_create(2), linux/prctl.h, linux/fcntl.h, linux/memfd.h.
 */

import { dlopen } from 'node:ffi';
import { CodedError } from '@cloister/encoding';

const LIBRARY = 'libc.so.6';

const [PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS] = [1, 4, 38];
const SIGKILL = 9n;

const [RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_CORE, RLIMIT_NOFILE] = [1, 2, 4, 7];

const [F_SETFD, F_SETFL, F_ADD_SEALS] = [2, 4, 1033];
const FD_CLOEXEC = 1;
const [MFD_CLOEXEC, MFD_ALLOW_SEALING] = [1, 2];
/** Nothing written, cut or appended any more, and no seal taken off: F_SEAL_SEAL, SHRINK, GROW and WRITE. */
const ALL_SEALS = 1 | 2 | 4 | 8;

function succeeded(call: string, result: number): number {
  if (result < 0) throw new CodedError('SYSTEM_CALL_FAILED', `${call} failed`);
  return result;
}

/**
 * No process of the same user may look into this one (memory, descriptors, environment, debugger), no file of its memory is
 * ever written, it dies with the process that started it, and nothing that it starts gains rights. A new program in the
 * same process has to say so again: Linux forgets the first of these on exec.
 */
export function shieldProcess(): void {
  const { functions } = dlopen(LIBRARY, {
    prctl: { arguments: ['i32', 'u64', 'u64', 'u64', 'u64'], return: 'i32' },
  });
  const set = (option: number, value: bigint): void => {
    succeeded('prctl', functions.prctl(option, value, 0n, 0n, 0n));
  };
  set(PR_SET_DUMPABLE, 0n);
  set(PR_SET_PDEATHSIG, SIGKILL);
  set(PR_SET_NO_NEW_PRIVS, 1n);
}

/** Limits of a process and of all that it starts; they are never raised again. */
export interface ProcessLimits {
  /** Bytes of private memory, reservations included. */
  readonly memoryBytes?: number;
  readonly descriptors?: number;
  /** No file can grow. */
  readonly writesNothing?: true;
}

/** Sets limits, and core dumps off. */
export function limitProcess({ memoryBytes, descriptors, writesNothing }: ProcessLimits): void {
  const { functions } = dlopen(LIBRARY, { setrlimit: { arguments: ['i32', 'buffer'], return: 'i32' } });
  const set = (resource: number, value: number): void => {
    // struct rlimit: the limit of now and the highest one, in the machine's own byte order.
    succeeded('setrlimit', functions.setrlimit(resource, new BigUint64Array([BigInt(value), BigInt(value)])));
  };
  set(RLIMIT_CORE, 0);
  if (descriptors !== undefined) set(RLIMIT_NOFILE, descriptors);
  if (memoryBytes !== undefined) set(RLIMIT_DATA, memoryBytes);
  if (writesNothing === true) set(RLIMIT_FSIZE, 0);
}

function fcntl(descriptor: number, command: number, value: number): void {
  const { functions } = dlopen(LIBRARY, { fcntl: { arguments: ['i32', 'i32', 'i32'], return: 'i32' } });
  succeeded('fcntl', functions.fcntl(descriptor, command, value));
}

/** Whether a descriptor stays open when the process becomes another program. */
export function keepOnExec(descriptor: number, keep: boolean): void {
  fcntl(descriptor, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

/** Reads of a socket wait for something to come, as they do not when Node.js made it. */
export function blockOnReads(descriptor: number): void {
  fcntl(descriptor, F_SETFL, 0);
}

/** A file of memory alone, which no path leads to. The caller closes the descriptor. */
export function openMemoryFile(name: string): number {
  const { functions } = dlopen(LIBRARY, { memfd_create: { arguments: ['string', 'u32'], return: 'i32' } });
  return succeeded('memfd_create', functions.memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

/** From here on nobody changes the contents, root and the one who made the file included. */
export function sealMemoryFile(descriptor: number): void {
  fcntl(descriptor, F_ADD_SEALS, ALL_SEALS);
}
