/** The command line as a user runs it: a child process, its output and its exit code. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Sightings } from './processes.ts';
import { eventually } from './wait.ts';

export const MAIN: string = join(import.meta.dirname, '../../packages/node/src/main.ts');

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type Running = {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Every process that descended from it whenever it wrote a line. */
  readonly seen: Sightings;
  /** Resolves once its standard output matches. */
  printed(pattern: RegExp): Promise<void>;
  /** What it has written to standard output so far. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
};

/** Where processes find what the ones before them compiled: vitest.config.ts names it. */
const { NODE_COMPILE_CACHE } = process.env;
const codeCache = NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };

/** Processes of command lines that were started here; `endCommands` ends what is left of them. */
const started: Running[] = [];

/** Starts `cloister <words>`, of the checkout unless the program of installed packages is named. */
export function startCommand(
  words: readonly string[],
  cwd: string = import.meta.dirname,
  program: string = MAIN,
): Running {
  const child = spawn(process.execPath, [program, ...words], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', HOME: cwd, ...codeCache },
  });
  const pid = child.pid ?? 0;
  const seen = new Sightings();
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    seen.note(pid);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    child.on('error', reject);
  });
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const running: Running = {
    pid,
    ended,
    seen,
    kill: (signal) => child.kill(signal),
    output: () => stdout,
    printed: async (pattern) => {
      await eventually(
        `output ${pattern}`,
        () => (pattern.test(stdout) || over ? true : undefined),
        240_000,
        () => stdout + stderr,
      );
      if (!pattern.test(stdout)) throw new Error(`it ended without output ${pattern}:\n${stdout}${stderr}`);
      seen.note(pid);
    },
  };
  started.push(running);
  return running;
}

/** Runs a command to its end. */
export function runCommand(words: readonly string[], cwd?: string): Promise<Ended> {
  return startCommand(words, cwd).ended;
}

/** The code of the error that a command wrote under `--output json`. */
export function errorOf({ stderr }: Ended): { readonly code: string; readonly message: string } {
  for (const line of stderr.trim().split('\n').reverse()) {
    try {
      const { error } = JSON.parse(line) as { error?: { code: string; message: string } };
      if (error !== undefined) return error;
    } catch {
      // A line of the log.
    }
  }
  return { code: 'NO_ERROR_PRINTED', message: stderr };
}

/** Ends whatever the commands of this file left running. */
export function endCommands(): void {
  for (const { pid, seen } of started) {
    seen.note(pid);
    seen.kill();
  }
}
