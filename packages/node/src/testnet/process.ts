/** One validator as a process of its own, watched by the orchestrator. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compileCacheEnvironment } from '../process/compile-cache.ts';
import { NodeError } from '../process/errors.ts';

const MAIN = join(import.meta.dirname, '..', import.meta.filename.endsWith('.ts') ? 'main.ts' : 'main.js');

/**
 * A validator's heap grows in small steps, so that memory after a burst of load is given back: about 120 MB less resident
 * than V8's defaults (the same flags stand in the `cloister` script of package.json).
 */
const MEMORY_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=20'];
/** No debugger by a signal, from the first moment on. */
const NODE_FLAGS = [...MEMORY_FLAGS, '--disable-sigusr1'];

export type NodeProcess = {
  readonly pid: number;
  readonly api: string;
  readonly addresses: readonly string[];
  /** Resolves when the process ends, by whatever cause. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** SIGTERM, awaited; SIGKILL when it does not end within `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
};

type Listening = { readonly event: 'listening'; readonly api: string; readonly addresses: readonly string[] };

/** Runs a command of this program on a home and resolves once it listens; its log goes to <home>/node.log. `ending` stops it. */
export async function spawnNode(home: string, words: readonly string[], ending?: AbortSignal): Promise<NodeProcess> {
  // A process group of its own: Ctrl-C in the terminal reaches the orchestrator alone, which stops the validators in order.
  // Nothing is ever written to its standard input: it closes when this process is gone, even by SIGKILL, and the node stops.
  const child = spawn(
    process.execPath,
    [...NODE_FLAGS, MAIN, ...words, '--lifeline', '--home', home, '--output', 'json'],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '',
        TMPDIR: process.env.TMPDIR ?? '/tmp',
        ...compileCacheEnvironment(),
      },
    },
  );
  const log = createWriteStream(join(home, 'node.log'), { flags: 'a', mode: 0o600 });
  child.stderr.pipe(log, { end: false });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('exit', (code, signal) => resolve({ code, signal }));
    child.on('error', () => resolve({ code: 1, signal: null }));
  });
  void ended.then(() => log.end());
  const stopEarly = (): boolean => child.kill('SIGTERM');
  ending?.addEventListener('abort', stopEarly);
  const { api, addresses } = await awaitListening(child, home, ended);
  // From here on it is stopped by `stop` alone: a second signal would force it.
  ending?.removeEventListener('abort', stopEarly);
  return {
    pid: child.pid ?? 0,
    api,
    addresses,
    ended,
    kill: (signal) => child.kill(signal),
    async stop(graceMs = 20_000) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

async function awaitListening(
  child: ChildProcess,
  home: string,
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>,
): Promise<Listening> {
  const lines = createInterface({ input: child.stdout ?? process.stdin });
  const listening = new Promise<Listening>((resolve) => {
    lines.on('line', (line) => {
      try {
        const value = JSON.parse(line) as { event?: string };
        if (value.event === 'listening') resolve(value as Listening);
      } catch {
        // Not a line for programs.
      }
    });
  });
  const early = ended.then(({ code, signal }) => {
    throw new NodeError(
      'STOPPED',
      `the node in ${home} ended with ${signal ?? code}; its log is ${join(home, 'node.log')}`,
    );
  });
  // Nobody awaits this once the node listens.
  early.catch(() => undefined);
  return Promise.race([listening, early]);
}
