/** The shape of a command, and what it is given: parsed flags, positionals, and one place to print. */
import { assert, CodedError, type JsonValue } from '@cloister/encoding';
import { plainLines } from '../process/plain-text.ts';

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

export type CliCommand = {
  /** One or two words: 'status', 'genesis create'. */
  readonly name: string;
  readonly summary: string;
  /** What follows the name, such as '<multiaddr> --genesis HASH'. */
  readonly usage: string;
  readonly flags: { readonly [name: string]: Flag };
  readonly positionals: { readonly min: number; readonly max: number };
  /**
   * Whether what it prints is of a chain: always, for some arguments, or never. A command of 'always' cannot print a result
   * before it has said which kind of chain (`Output.ofChain`), so that no verb forgets SIMULATED.
   */
  readonly chain: 'always' | 'sometimes' | 'never';
  run(invocation: Invocation): Promise<ExitCode>;
};

/** The words of the call are off: exit code 2. */
export class UsageError extends CodedError<'USAGE'> {
  constructor(message: string) {
    super('USAGE', message);
  }
}

export const SIMULATED_LINE = 'SIMULATED platforms: no guarantee holds against anyone on this chain.';

/** The value with the word in it; what is no object gets one around it, since a node may answer anything. */
function withMember(value: JsonValue, simulated: boolean): JsonValue {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? { ...value, simulated }
    : { value, simulated };
}

/** Results as text for people or as one JSON value for programs; those of a simulated chain say so, in either form. */
export class Output {
  readonly json: boolean;
  readonly #chain: CliCommand['chain'];
  #simulated: boolean | undefined;
  #isSaid = false;

  constructor(json: boolean, chain: CliCommand['chain']) {
    this.json = json;
    this.#chain = chain;
  }

  /** What follows is of a chain, simulated or not. */
  ofChain(simulated: boolean): void {
    this.#simulated = simulated;
  }

  /** Progress and remarks: text mode only. */
  note(text: string): void {
    if (!this.json) process.stdout.write(`${plainLines(text)}\n`);
  }

  /** The result of a command, or one item of a stream of them. Text says SIMULATED once, before the first. */
  result(value: JsonValue, text: string): void {
    const simulated = this.#simulated;
    assert(this.#chain !== 'always' || simulated !== undefined, 'a result of a chain says of which kind');
    if (this.json) {
      process.stdout.write(`${JSON.stringify(simulated === undefined ? value : withMember(value, simulated))}\n`);
      return;
    }
    if (simulated === true && !this.#isSaid) process.stdout.write(`${SIMULATED_LINE}\n`);
    this.#isSaid = true;
    process.stdout.write(`${plainLines(text)}\n`);
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
