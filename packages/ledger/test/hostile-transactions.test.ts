/** Signed transactions whose payloads are put together from parts of others: no block of them makes execution throw. */
import { asHeight, type JsonValue, parseBase64, toBase64 } from '@cloister/encoding';
import { Chain, GENESIS, genesisWith, owner, runningChain, stranger, tenant, validators } from '@cloister/testkit';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import {
  decodeEvent,
  encodeEvent,
  evolve,
  initialState,
  type LedgerState,
  signTransaction,
  stateDigest,
  type Transaction,
  type TransactionFields,
} from '../src/index.ts';
import { eventfulChain } from './workload.ts';

const senders = [...validators, owner, tenant, stranger];
const genesis = genesisWith({ params: { ...GENESIS.params, snapshotInterval: 5, measurementDelay: 1 } });

/** Leaves of a payload with the names of the members that hold them. */
function walk(value: JsonValue, name: string, visit: (leaf: JsonValue, name: string) => JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((each) => walk(each, name, visit));
  if (typeof value !== 'object' || value === null) return visit(value, name);
  return Object.fromEntries(
    Object.entries(value as Record<string, JsonValue>).map(([key, each]) => [key, walk(each, key, visit)]),
  );
}

/** What an eventful chain was made of by kind, and what its payloads hold by the members' names. */
function ingredients() {
  const spy = vi.spyOn(Chain.prototype, 'transaction');
  eventfulChain();
  const made = spy.mock.results.flatMap(({ type, value }) => (type === 'return' ? [value as Transaction] : []));
  spy.mockRestore();
  const leaves = new Map<string, JsonValue[]>();
  for (const { payload } of made) {
    walk(payload as unknown as JsonValue, '', (leaf, name) => {
      leaves.set(name, [...(leaves.get(name) ?? []), leaf]);
      return leaf;
    });
  }
  return { byKind: [...Map.groupBy(made, ({ kind }) => kind).values()], leaves };
}
const { byKind, leaves } = ingredients();

interface Change {
  readonly at: number;
  readonly take: number;
  readonly flip: number;
}

/** The payload with leaves exchanged for others of the same name, or with one byte of what is base64 changed. */
function changed(payload: JsonValue, changes: readonly Change[]): JsonValue {
  let total = 0;
  walk(payload, '', (leaf) => {
    total++;
    return leaf;
  });
  let count = 0;
  return walk(payload, '', (leaf, name) => {
    const change = changes.find(({ at }) => at % total === count);
    count++;
    if (change === undefined) return leaf;
    const bytes = typeof leaf === 'string' && leaf.length > 64 ? parseBase64(leaf) : undefined;
    if (bytes !== undefined && change.flip % 2 === 0) {
      const at = change.take % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 + (change.flip % 255));
      return toBase64(bytes);
    }
    const others = leaves.get(name) ?? [];
    return others[change.take % others.length] ?? leaf;
  });
}

const change: fc.Arbitrary<Change> = fc.record({ at: fc.nat(), take: fc.nat(), flip: fc.nat() });
const one = fc.record({
  of: fc.constantFrom(...byKind).chain((ofKind) => fc.constantFrom(...ofKind)),
  sender: fc.option(fc.constantFrom(...senders), { nil: undefined, freq: 1 }),
  changes: fc.array(change, { maxLength: 2 }),
});

function replay(chain: Chain): LedgerState {
  return chain.log.reduce((state, event) => {
    const { type, payload } = encodeEvent(event);
    const decoded = decodeEvent(type, payload);
    if (!decoded.ok) throw new Error(`${type}: ${decoded.code} ${decoded.detail}`);
    return evolve(state, decoded.value);
  }, initialState());
}

test('never make execution throw, and replaying what they led to gives the same state', () => {
  let nonces = 0;
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(fc.array(one, { maxLength: 6 }), { minLength: 1, maxLength: 12, size: 'max' }), (blocks) => {
      const { chain } = runningChain(3, genesis);
      for (const block of blocks) {
        const transactions = block.flatMap(({ of, sender, changes }) => {
          const key = sender ?? senders.find(({ id }) => id === of.sender) ?? tenant;
          const fields = {
            chainId: chain.genesis.chainId,
            sender: key.id,
            nonce: (nonces++).toString(16).padStart(32, '0'),
            expiryHeight: asHeight(chain.height + 20),
            kind: of.kind,
            payload: changed(of.payload as unknown as JsonValue, changes),
          } as unknown as TransactionFields;
          const signed = signTransaction(key, fields);
          return signed.ok ? [signed.value] : [];
        });
        for (const event of chain.block(transactions).events) {
          seen.add(event.type === 'TransactionRejected' ? event.code : event.type);
        }
      }
      expect(stateDigest(replay(chain))).toBe(stateDigest(chain.state));
    }),
    { numRuns: 40 },
  );
  expect(seen.size, 'many kinds of ends are reached').toBeGreaterThan(20);
});
