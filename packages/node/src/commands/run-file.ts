/** Where a running node is reached: written by `start` into its home, read by the other commands. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson } from '@cloister/encoding';
import { array, count, nullable, object, parseShape, text } from '@cloister/encoding/shape';
import { writeFileAtomic } from '../process/atomic-file.ts';
import { NodeError } from '../process/errors.ts';
import { homeLayout } from '../process/home.ts';

export type RunFile = {
  readonly pid: number;
  /** Base URL of the HTTP API; absent when it is switched off. */
  readonly api: string | null;
  /** Dialable multiaddrs. */
  readonly addresses: readonly string[];
};

const RUN_BYTES_MAX = 64 * 1024;
const runFile = object<RunFile>({
  pid: count(),
  api: nullable(text(2_048)),
  addresses: array(text(2_048), { max: 64 }),
});

function pathOf(home: string | undefined): string {
  return join(homeLayout(home).root, 'run.json');
}

export async function writeRunFile(home: string | undefined, run: RunFile): Promise<void> {
  await writeFileAtomic(pathOf(home), `${JSON.stringify(run)}\n`);
}

export async function removeRunFile(home: string | undefined): Promise<void> {
  await rm(pathOf(home), { force: true });
}

/** The API of the node that runs in this home. @throws NodeError STOPPED when none does. */
export async function runningApi(home: string | undefined): Promise<string> {
  try {
    const parsed = parseJson(await readFile(pathOf(home)), { maxBytes: RUN_BYTES_MAX, maxDepth: 4 });
    const run = parsed.ok ? parseShape(runFile, parsed.value) : parsed;
    if (run.ok && run.value.api !== null) return run.value.api;
  } catch {
    // No file, or an unfinished one: the same advice.
  }
  throw new NodeError(
    'STOPPED',
    `no node runs in ${homeLayout(home).root}; start one there, or name one with --node URL`,
  );
}
