/** Commands as the command line runs them, in this process, with what they print. */
import type { JsonValue } from '@cloister/encoding';
import { vi } from 'vitest';
import { dispatch } from '../../src/commands/dispatch.ts';

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line. Not to be used by two tests of a file at once. */
export async function cloister(...words: readonly string[]): Promise<Run> {
  let out = '';
  let err = '';
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    out += String(chunk);
    return true;
  });
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    err += String(chunk);
    return true;
  });
  try {
    return { code: await dispatch(words, {}), out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

type Json = { readonly [member: string]: JsonValue };

/** The same with --output json, of which each line is a value. */
export async function cloisterJson<T = Json>(...words: readonly string[]): Promise<{ code: number; values: T[] }> {
  const { code, out } = await cloister(...words, '--output', 'json');
  const lines = out.split('\n').filter((line) => line !== '');
  return { code, values: lines.map((line) => JSON.parse(line) as T) };
}
