import { fail, ok, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { type Decider, foldEvents } from '../src/index.ts';
import { deciderSpecification } from '../src/log/decider-specification.ts';

type Event =
  | { readonly type: 'Deposited'; readonly amount: bigint }
  | { readonly type: 'Closed'; readonly note: Uint8Array };
type Command = { readonly type: 'deposit'; readonly amount: bigint } | { readonly type: 'close' };
type State = { balance: bigint; closed: boolean };

const account: Decider<State, Command, Event, { readonly limit: bigint }, 'ALREADY_CLOSED' | 'ABOVE_LIMIT'> = {
  initial: () => ({ balance: 0n, closed: false }),
  decide(state, command, { limit }) {
    if (state.closed) return fail('ALREADY_CLOSED');
    if (command.type === 'close') return ok([{ type: 'Closed', note: utf8('bye') }]);
    if (state.balance + command.amount > limit) return fail('ABOVE_LIMIT', 'too much');
    return ok([{ type: 'Deposited', amount: command.amount }]);
  },
  evolve(state, event) {
    if (event.type === 'Closed') state.closed = true;
    else state.balance += event.amount;
    return state;
  },
};

describe('decider specification', () => {
  const spec = deciderSpecification(account);
  const context = { limit: 10n };
  const deposited: Event = { type: 'Deposited', amount: 6n };
  const closed: Event = { type: 'Closed', note: utf8('bye') };
  const deposit: Command = { type: 'deposit', amount: 6n };

  it('passes what holds', () => {
    spec.given([]).when(deposit, context).thenEvents([deposited]);
    spec.given([deposited]).when({ type: 'close' }, context).thenEvents([closed]);
    spec.given([deposited]).when(deposit, context).thenRejected('ABOVE_LIMIT');
    spec.given([closed]).when(deposit, context).thenRejected('ALREADY_CLOSED');
    spec
      .given([])
      .when(deposit, context)
      .thenState((state) => expect(state).toEqual({ balance: 6n, closed: false }));
  });

  it('fails what does not', () => {
    const deposits = spec.given([]).when(deposit, context);
    expect(() => deposits.thenEvents([])).toThrow('expected events [], got events [{amount: 6n, type: "Deposited"}]');
    expect(() => deposits.thenEvents([{ type: 'Deposited', amount: 7n }])).toThrow();
    expect(() => deposits.thenRejected('ABOVE_LIMIT')).toThrow('expected refusal ABOVE_LIMIT');
    const refused = spec.given([deposited]).when(deposit, context);
    expect(() => refused.thenEvents([deposited])).toThrow('got refusal ABOVE_LIMIT (too much)');
    expect(() => refused.thenRejected('ALREADY_CLOSED')).toThrow('expected refusal ALREADY_CLOSED');
    expect(() => refused.thenState(() => undefined)).toThrow('expected events');
    const other: Event = { type: 'Closed', note: utf8('now') };
    expect(() => spec.given([]).when({ type: 'close' }, context).thenEvents([other])).toThrow();
  });

  it('fails a decide that changes the state', () => {
    const impure = deciderSpecification({
      ...account,
      decide(state: State) {
        state.balance = 5n;
        return ok([]);
      },
    });
    expect(() => impure.given([]).when(deposit, context)).toThrow('decide must not change the state');
  });

  it.each<[string, { bytes: Uint8Array; map: Map<string, number>; set: Set<number> }]>([
    ['bytes', { bytes: Uint8Array.of(2), map: new Map([['a', 1]]), set: new Set([1]) }],
    ['a map', { bytes: Uint8Array.of(1), map: new Map([['a', 2]]), set: new Set([1]) }],
    ['a set', { bytes: Uint8Array.of(1), map: new Map([['a', 1]]), set: new Set([2]) }],
  ])('sees a change within %s', (_, changed) => {
    const impure = deciderSpecification<typeof changed, undefined, undefined, undefined, never>({
      initial: () => ({ bytes: Uint8Array.of(1), map: new Map([['a', 1]]), set: new Set([1]) }),
      decide(state) {
        Object.assign(state, changed);
        return ok([]);
      },
      evolve: (state) => state,
    });
    expect(() => impure.given([]).when(undefined, undefined)).toThrow('decide must not change the state');
  });

  it('shows bytes, maps and sets as what they are', () => {
    const event = { bytes: Uint8Array.of(1, 2), map: new Map([['a', 1]]), set: new Set([1]) };
    const told = deciderSpecification<object, undefined, typeof event, undefined, never>({
      initial: () => ({}),
      decide: () => ok([event]),
      evolve: (state) => state,
    });
    expect(() => told.given([]).when(undefined, undefined).thenEvents([])).toThrow(
      'got events [{bytes: bytes:0102, map: Map[["a", 1]], set: Set[1]}]',
    );
  });

  it('folds from the initial state or from a given one', () => {
    expect(foldEvents(account, [deposited, deposited])).toEqual({ balance: 12n, closed: false });
    expect(foldEvents(account, [deposited], { balance: 1n, closed: true })).toEqual({ balance: 7n, closed: true });
  });
});
