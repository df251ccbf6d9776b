/** What the fuzzer needs to know of a format, and the fuzzer itself. */
import type { SeededRandom } from '@cloister/crypto';

/** What a verifier said about one input. */
export type Attempt =
  /** `step` is the one that the front names; it has one for every code of the union and throws for any other. */
  | { readonly code: string; readonly step: string }
  | {
      readonly code: undefined;
      /** Everything that the verifier says, but for bytes of encodings that no signature covers. */
      readonly print: object;
      /** Signed parts of the accepted input that nobody signed. */
      readonly foreign: readonly string[];
    };

/** What a verifier is given. */
export type FuzzInput =
  | { readonly format: 'sgx' | 'tdx'; readonly quote: Uint8Array; readonly text: Uint8Array }
  | {
      readonly format: 'sev-snp';
      readonly report: Uint8Array;
      readonly certificates: readonly Uint8Array[];
      readonly crls: readonly Uint8Array[];
    }
  | { readonly format: 'nitro'; readonly document: Uint8Array };

/** One mutated input. */
export interface Mutation {
  /** Index of the original that it was made from. */
  readonly index: number;
  /** Changed before it was signed: may be accepted, and then says something else. */
  readonly resigned: boolean;
  readonly input: FuzzInput;
  /** Gives it to the verifier. */
  run(): Attempt;
}

export interface Target {
  readonly name: string;
  /** Unchanged inputs. */
  readonly originals: readonly Mutation[];
  next(random: SeededRandom): Mutation;
}

export interface FuzzReport {
  readonly name: string;
  readonly inputs: number;
  /** How often each code came; "accepted" for inputs that were. */
  readonly counts: ReadonlyMap<string, number>;
  /** What should never happen, one line each. */
  readonly violations: readonly string[];
}

/** A comparable text of anything; bytes as their numbers. */
export function text(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => {
    if (member instanceof Uint8Array) return Array.from(member).join();
    if (typeof member === 'bigint') return `${member}n`;
    return member instanceof Map ? [...member] : member;
  });
}

/** Why an attempt breaks a rule, or undefined. */
function violation(attempt: Attempt, mutation: Mutation, originals: readonly string[]): string | undefined {
  if (attempt.code !== undefined) return undefined;
  if (mutation.resigned) return undefined;
  if (attempt.foreign.length > 0) return `accepted what nobody signed: ${attempt.foreign.join('; ').slice(0, 200)}`;
  return originals.includes(text(attempt.print)) ? undefined : 'accepted, and says what no original says';
}

/** Runs `count` mutated inputs and checks every answer. Deterministic for a target and a source. */
export function fuzz(target: Target, random: SeededRandom, count: number): FuzzReport {
  const counts = new Map<string, number>();
  const violations: string[] = [];
  const originals: string[] = [];
  for (const [index, mutation] of target.originals.entries()) {
    const original = mutation.run();
    if (original.code === undefined) originals.push(text(original.print));
    else violations.push(`original ${index} is refused: ${original.code}`);
  }
  for (let input = 0; input < count; input++) {
    let name = 'exception';
    try {
      const mutation = target.next(random);
      try {
        const attempt = mutation.run();
        name = attempt.code ?? (mutation.resigned ? 'accepted (signed anew)' : 'accepted (says the same)');
        const broken = violation(attempt, mutation, originals);
        if (broken !== undefined) violations.push(`input ${input} of original ${mutation.index}: ${broken}`);
      } catch (error) {
        violations.push(`input ${input} of original ${mutation.index}: exception ${String(error)}`);
      }
    } catch (error) {
      violations.push(
        `input ${input} could not be made: ${String(error)} ${error instanceof Error ? error.stack : ''}`,
      );
    }
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return { name: target.name, inputs: count, counts, violations };
}
