/**
 * How a program of the image is started: under bubblewrap where it works, else under Node's permission model alone.
 *
 * The permission model is a seat belt, not isolation: native addons pass it. Only bubblewrap's namespaces (no network, own
 * process ids, the image read-only and nothing else of the machine but its libraries) with a seccomp filter count as
 * isolated. The environment is empty in both cases, so NODE_OPTIONS and its like have no effect.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seccompFilter } from './seccomp.ts';

/** Where distributions put it. The operator's PATH is not asked. */
const BUBBLEWRAP_PATHS = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'] as const;
/** What the dynamic linker needs; those that exist are there, read-only. */
const LIBRARY_PATHS = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/etc/ld.so.cache'] as const;
const PROBE_TIMEOUT_MS = 10_000;
const IMAGE_MOUNT = '/image';
const NODE_MOUNT = '/node';

/** Descriptor on which bubblewrap finds the filter; the ones below are the program's. */
const SECCOMP_DESCRIPTOR = 5;

export type Program = 'vault' | 'engine';

export interface Command {
  readonly file: string;
  readonly arguments: readonly string[];
}

/** Which files an operator's machine has for sandboxing; `undefined`: none that works. */
export type Sandbox = { readonly bubblewrap: string; readonly filterFile: string } | undefined;

const PERMISSIONS: Readonly<Record<Program, readonly string[]>> = {
  vault: [],
  // Addons: onnxruntime. Worker: the thread that watches the lifeline. cpuinfo: the numeric class.
  engine: ['--allow-addons', '--allow-worker', '--allow-fs-read=/proc/cpuinfo'],
};

function nodeArguments(program: Program, image: string, entry: string): string[] {
  return ['--no-warnings', '--permission', `--allow-fs-read=${image}`, ...PERMISSIONS[program], join(image, entry)];
}

function bubblewrapArguments(image: string, filterDescriptor: number): string[] {
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
    '--ro-bind',
    image,
    IMAGE_MOUNT,
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

/** The command that starts a program of the image. With a sandbox, the filter is expected on `SECCOMP_DESCRIPTOR`. */
export function programCommand(sandbox: Sandbox, program: Program, image: string, entry: string): Command {
  if (sandbox === undefined) return { file: process.execPath, arguments: nodeArguments(program, image, entry) };
  const wrapped = [...bubblewrapArguments(image, SECCOMP_DESCRIPTOR), ...nodeArguments(program, IMAGE_MOUNT, entry)];
  return { file: sandbox.bubblewrap, arguments: wrapped };
}

/** Opens the filter for one child; the caller closes the descriptor once the child is started. */
export function openFilter(sandbox: NonNullable<Sandbox>): number {
  return openSync(sandbox.filterFile, 'r');
}

async function works(sandbox: NonNullable<Sandbox>, image: string): Promise<boolean> {
  const filter = openFilter(sandbox);
  try {
    const stdio = ['ignore', 'ignore', 'ignore', filter] as const;
    const probe = [...bubblewrapArguments(image, 3), '--version'];
    const child = spawn(sandbox.bubblewrap, probe, { env: {}, stdio: [...stdio], timeout: PROBE_TIMEOUT_MS });
    return await new Promise<boolean>((resolve) => {
      child.on('error', () => resolve(false));
      child.on('exit', (code) => resolve(code === 0));
    });
  } finally {
    closeSync(filter);
  }
}

/**
 * The first bubblewrap that runs this very Node.js in the sandbox. `directory`: a private place for the filter. `candidates`
 * replaces the usual paths; an empty list asks for no sandbox.
 */
export async function findSandbox(
  directory: string,
  image: string,
  candidates: readonly string[] = BUBBLEWRAP_PATHS,
): Promise<Sandbox> {
  if (process.arch !== 'x64' || candidates.length === 0) return undefined;
  const filterFile = join(directory, 'seccomp.bpf');
  writeFileSync(filterFile, seccompFilter(), { mode: 0o400 });
  for (const bubblewrap of candidates) {
    const sandbox = { bubblewrap, filterFile };
    if (await works(sandbox, image)) return sandbox;
  }
  return undefined;
}
