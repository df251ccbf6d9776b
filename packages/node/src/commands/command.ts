/** The shape of a command, and what it is given: parsed flags, positionals, and one place to print. */
import type { JsonValue } from '@cloister/crypto';

/** 0 done, 1 failed, 2 usage, 3 verification failed. */
export type ExitCode = 0 | 1 | 2 | 3;

export type Flag = {
  readonly type: 'string' | 'boolean';
  /** May be given more than once. */
  readonly multiple?: boolean;
  /** Placeholder of the value in help, such as FILE. */
  readonly value?: string;
  readonly about: string;
};

export type FlagValue = string | boolean | readonly (string | boolean)[] | undefined;

export type Invocation = {
  readonly flags: { readonly [name: string]: FlagValue };
  readonly positionals: readonly string[];
  readonly output: Output;
  /** The home directory that was asked for; undefined is the default one. */
  readonly home: string | undefined;
};

export type Command = {
  /** One or two words: 'status', 'genesis create'. */
  readonly name: string;
  readonly summary: string;
  /** What follows the name, such as '<multiaddr> --genesis HASH'. */
  readonly usage: string;
  readonly flags: { readonly [name: string]: Flag };
  readonly positionals: { readonly min: number; readonly max: number };
  run(invocation: Invocation): Promise<ExitCode>;
};

/** The words of the call are off: exit code 2. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

/** Results as text for people or as one JSON value for programs. */
export class Output {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** Progress and remarks: text mode only. */
  note(text: string): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** The result of a command, or one item of a stream of them. */
  result(value: JsonValue, text: string): void {
    process.stdout.write(this.json ? `${JSON.stringify(value)}\n` : `${text}\n`);
  }
}

export function textFlag(invocation: Invocation, name: string): string | undefined {
  const value = invocation.flags[name];
  return typeof value === 'string' ? value : undefined;
}

export function requiredFlag(invocation: Invocation, name: string): string {
  const value = textFlag(invocation, name);
  if (value === undefined) throw new UsageError(`--${name} is required`);
  return value;
}

export function listFlag(invocation: Invocation, name: string): string[] {
  const value = invocation.flags[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function numberFlag(
  invocation: Invocation,
  name: string,
  range: { min: number; max: number },
): number | undefined {
  const text = textFlag(invocation, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < range.min || value > range.max) {
    throw new UsageError(`--${name} must be a whole number from ${range.min} to ${range.max}`);
  }
  return value;
}

export function positional(invocation: Invocation, index: number): string {
  const value = invocation.positionals[index];
  if (value === undefined) throw new UsageError('an argument is missing');
  return value;
}
