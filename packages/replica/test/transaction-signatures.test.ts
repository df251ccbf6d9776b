/** What the memory of verified signatures holds, and for how long. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Transaction } from '@cloister/ledger';
import { MiniNet, putRecord } from '@cloister/testkit/mini-net';
import { beforeAll, expect, it } from 'vitest';
import { TransactionSignatureCache } from '../src/receive/transaction-signatures.ts';

let net: MiniNet;
beforeAll(async () => {
  net = await MiniNet.of(1);
});

function transactions(count: number): Transaction[] {
  return Array.from({ length: count }, () => putRecord(net.genesis));
}

it('verifies a transaction once, and one with another signature anew', () => {
  const cache = new TransactionSignatureCache();
  const [transaction] = transactions(1);
  if (transaction === undefined) throw new Error('no transaction');
  expect(cache.verify(transaction)).toBe(true);
  expect(cache.has(transaction)).toBe(true);
  const bytes = transaction.bytes.slice();
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  expect(cache.has({ ...transaction, bytes })).toBe(false);
  expect(cache.verify({ ...transaction, bytes })).toBe(false);
});

it('forgets the oldest signature beyond its bound', () => {
  const cache = new TransactionSignatureCache(8);
  const all = transactions(11);
  for (const transaction of all) cache.add(transaction);
  expect(all.map((transaction) => cache.has(transaction))).toEqual(all.map((_, index) => index >= 3));
});

it('keeps of a transaction its signature alone: of so many large ones nobody has the memory', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const cache = new TransactionSignatureCache();
  const bytes = transactions(64).map((transaction) => {
    cache.add(transaction);
    return new WeakRef(transaction.bytes.buffer);
  });
  // In a task of its own, since a WeakRef holds what it was made of until the task ends.
  return new Promise((resolve) => setImmediate(resolve)).then(() => {
    collect();
    // The machine's stack may still name the last one.
    expect(bytes.filter((each) => each.deref() !== undefined).length).toBeLessThanOrEqual(1);
    expect(cache.has(putRecord(net.genesis))).toBe(false);
  });
});
