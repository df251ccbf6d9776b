/**
 * given, when, then over a decider: a test states the events so far, one command, and what follows.
 *
 *     const spec = deciderSpecification(decider);
 *     spec.given([opened]).when(close, context).thenEvents([closed]);
 *     spec.given([opened, closed]).when(close, context).thenRejected('ALREADY_CLOSED');
 *
 * Throws `AssertionFailure` with both sides on a difference; independent of any test runner.
 */
import { assert, type Result, toHex } from '@cloister/encoding';
import { type Decider, foldEvents } from './decider.ts';

export interface SpecificationResult<State, Event, Code extends string> {
  /** Asserts exactly these events, in this order. */
  thenEvents(expected: readonly Event[]): void;
  /** Asserts a refusal with this code. */
  thenRejected(code: Code): void;
  /** Asserts acceptance and hands out the state after the new events. */
  thenState(check: (state: State) => void): void;
  /** What `decide` answered. */
  readonly result: Result<readonly Event[], Code>;
}

export interface Specification<State, Command, Event, Context, Code extends string> {
  given(events: readonly Event[]): {
    when(command: Command, context: Context): SpecificationResult<State, Event, Code>;
  };
}

/** Text of a value in which equal values are equal: properties sorted, bytes as hex, bigints and absent ones marked. */
function describe(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes:${toHex(value)}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return `[${value.map(describe).join(', ')}]`;
  if (value instanceof Map) return `Map${describe([...value])}`;
  if (value instanceof Set) return `Set${describe([...value])}`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${name}: ${describe(member)}`);
    return `{${members.join(', ')}}`;
  }
  return value === undefined ? 'undefined' : JSON.stringify(value);
}

function describeResult(result: Result<readonly unknown[]>): string {
  return result.ok ? `events ${describe(result.value)}` : `refusal ${result.code} (${result.detail ?? 'no detail'})`;
}

export function deciderSpecification<State, Command, Event, Context, Code extends string>(
  decider: Decider<State, Command, Event, Context, Code>,
): Specification<State, Command, Event, Context, Code> {
  return {
    given: (events) => ({
      when(command, context) {
        const state = foldEvents(decider, events);
        const before = describe(state);
        const result = decider.decide(state, command, context);
        assert(describe(state) === before, 'decide must not change the state');
        return {
          result,
          thenEvents(expected) {
            const wanted = `events ${describe(expected)}`;
            assert(describeResult(result) === wanted, `expected ${wanted}, got ${describeResult(result)}`);
          },
          thenRejected(code) {
            assert(!result.ok && result.code === code, `expected refusal ${code}, got ${describeResult(result)}`);
          },
          thenState(check) {
            assert(result.ok, `expected events, got ${describeResult(result)}`);
            check(foldEvents(decider, [...events, ...result.value]));
          },
        };
      },
    }),
  };
}
