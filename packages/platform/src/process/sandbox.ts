/**
 * Starts a program of the image: under bubblewrap where it works, else under Node's permission model alone.
 *
 * The permission model does not isolate, since native addons can get around it. Only bubblewrap's namespaces (no
 * network, own process ids, nothing of the machine but its libraries) with a seccomp filter count as isolated. The
 * environment is empty in both cases, so NODE_OPTIONS and its like have no effect. The program comes from sealed memory
 * on descriptor 0: there is no file of it.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { openMemoryFile, sealMemoryFile } from '@cloister/enclave/process';
import { ImageError } from '../image/image-error.ts';
import { seccompFilter } from './seccomp.ts';

/** The paths at which distributions install it. The operator's PATH is not used. */
const BUBBLEWRAP_PATHS = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'] as const;
/** What the dynamic linker needs; those that exist are there, read-only. */
const LIBRARY_PATHS = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/etc/ld.so.cache'] as const;
const PROBE_TIMEOUT_MS = 10_000;
const NODE_MOUNT = '/node';
const RUNNING_BINARY = '/proc/self/exe';

export type Program = 'vault' | 'engine';

export interface CommandLine {
  readonly file: string;
  readonly arguments: readonly string[];
}

/** A bubblewrap that works here; `undefined`: none does. */
export type Sandbox = { readonly bubblewrap: string } | undefined;

export interface ProgramOrder {
  readonly program: Program;
  /** Number under which the program's process gets what `openStarter` gave. */
  readonly starter: number;
  /** What the program itself reads, and last a name for whoever lists processes. */
  readonly words: readonly string[];
}

const PERMISSIONS: Readonly<Record<Program, readonly string[]>> = {
  vault: [],
  // Addons: onnxruntime. Worker: the thread that watches the lifeline. cpuinfo: the numeric class. All dropped once used.
  engine: ['--allow-addons', '--allow-worker', '--allow-fs-read=/proc/cpuinfo'],
};

function nodeArguments({ program, words }: ProgramOrder): string[] {
  return [
    '--no-warnings',
    '--disable-sigusr1',
    // The permission model does not cover it: it opens files.
    '--no-experimental-sqlite',
    '--permission',
    // For the calls of process/libc.ts; dropped before anything comes in.
    '--allow-ffi',
    '--allow-fs-read=/proc/self/fd',
    ...PERMISSIONS[program],
    '--input-type=module',
    '-',
    ...words,
  ];
}

function bubblewrapArguments(filterDescriptor: number): string[] {
  return [
    '--unshare-all',
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    '--seccomp',
    String(filterDescriptor),
    ...LIBRARY_PATHS.flatMap((path) => ['--ro-bind-try', path, path]),
    '--ro-bind',
    process.execPath,
    NODE_MOUNT,
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--chdir',
    '/',
    '--',
    NODE_MOUNT,
  ];
}

/** The command that starts a program of the image. */
export function programCommand(sandbox: Sandbox, order: ProgramOrder): CommandLine {
  if (sandbox === undefined) return { file: `/proc/self/fd/${order.starter}`, arguments: nodeArguments(order) };
  const words = [...bubblewrapArguments(order.starter), ...nodeArguments(order)];
  return { file: sandbox.bubblewrap, arguments: words };
}

function openFilter(): number {
  const filter = openMemoryFile('seccomp');
  writeSync(filter, seccompFilter());
  sealMemoryFile(filter);
  // Read from its beginning by whoever gets it.
  const fresh = openSync(`/proc/self/fd/${filter}`, 'r');
  closeSync(filter);
  return fresh;
}

/**
 * What one child is started with: bubblewrap's filter, or else the very binary of this process, so that no other can be
 * put in its place meanwhile. The caller closes it once the child is started. Throws `IMAGE_CHANGED` when bubblewrap, which
 * takes a path alone, would be given another binary.
 */
export function openStarter(sandbox: Sandbox): number {
  if (sandbox === undefined) return openSync(RUNNING_BINARY, 'r');
  const [running, found] = [statSync(RUNNING_BINARY), statSync(process.execPath, { throwIfNoEntry: false })];
  if (running.ino !== found?.ino || running.dev !== found.dev) {
    throw new ImageError('IMAGE_CHANGED', 'the Node.js binary was replaced');
  }
  return openFilter();
}

async function works(sandbox: NonNullable<Sandbox>): Promise<boolean> {
  const filter = openFilter();
  try {
    const stdio = ['ignore', 'ignore', 'ignore', filter] as const;
    const probe = [...bubblewrapArguments(3), '--version'];
    const child = spawn(sandbox.bubblewrap, probe, { env: {}, stdio: [...stdio], timeout: PROBE_TIMEOUT_MS });
    return await new Promise<boolean>((resolve) => {
      child.on('error', () => resolve(false));
      child.on('exit', (code) => resolve(code === 0));
    });
  } finally {
    closeSync(filter);
  }
}

/** The first bubblewrap that runs this very Node.js in the sandbox. `candidates` replaces the usual paths; empty for none. */
export async function findSandbox(candidates: readonly string[] = BUBBLEWRAP_PATHS): Promise<Sandbox> {
  if (process.arch !== 'x64') return undefined;
  for (const bubblewrap of candidates) {
    const sandbox = { bubblewrap };
    if (await works(sandbox)) return sandbox;
  }
  return undefined;
}
