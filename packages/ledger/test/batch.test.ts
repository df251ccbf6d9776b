import { asEpoch, asHeight, asValidatorId, fromHex } from '@cloister/encoding';
import { Chain, digestOf, genesisWith, tenant, v0, v1 } from '@cloister/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BatchFields,
  decodeBatch,
  encodeBatch,
  encodeTransaction,
  MAX_BATCH_BYTES,
  signBatch,
  type Transaction,
  verifyBatch,
  verifyBatchSignature,
} from '../src/index.ts';
import { mutated } from './mutations.ts';

const chain = new Chain();
const { chainId } = chain.genesis;
const transactions = ['a', 'b', 'c'].map((key) =>
  chain.transaction(tenant, 'put-record', { namespace: 'n', key, value: 'v' }),
);

function fieldsOf(list: readonly Transaction[], changes: Partial<BatchFields> = {}): BatchFields {
  return {
    chainId,
    author: asValidatorId(v0.id),
    epoch: asEpoch(0),
    lane: 'normal',
    expiryHeight: asHeight(20),
    transactions: list.map(({ bytes }) => bytes),
    ...changes,
  };
}
const batch = signBatch(v0, fieldsOf(transactions));

function startsAt(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  return part.every((byte, index) => bytes[at + index] === byte);
}

describe('batch', () => {
  test('decodes to what was signed, and verifies as a whole', () => {
    expect(decodeBatch(encodeBatch(batch))).toEqual({ ok: true, value: batch });
    expect(verifyBatch(batch, { chainId })).toEqual({ ok: true, value: { batch, transactions } });
  });

  test('skips signatures that were verified before', () => {
    const forged = encodeTransaction(transactions[0] as Transaction, new Uint8Array(64));
    const withForged = signBatch(v0, fieldsOf(transactions, { transactions: [forged] }));
    expect(verifyBatch(withForged, { chainId })).toMatchObject({ code: 'BATCH_TRANSACTION_SIGNATURE_INVALID' });
    expect(verifyBatch(withForged, { chainId, signatureChecked: () => true })).toMatchObject({ ok: true });
  });

  test('falls with one bad transaction, a wrong author, lane or chain', () => {
    const other = new Chain(genesisWith({ name: 'another network' }));
    const foreign = other.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: 'v' });
    const [first] = transactions as [Transaction];
    const cases: [BatchFields, string][] = [
      [fieldsOf(transactions, { transactions: [first.bytes, first.bytes.slice(0, -1)] }), 'BATCH_TRANSACTION_INVALID'],
      [fieldsOf([foreign]), 'BATCH_TRANSACTION_WRONG_CHAIN'],
      [fieldsOf([first, first]), 'BATCH_TRANSACTION_REPEATED'],
      [fieldsOf(transactions, { lane: 'governance' }), 'BATCH_LANE_MISMATCH'],
    ];
    for (const [fields, code] of cases) expect(verifyBatch(signBatch(v0, fields), { chainId })).toMatchObject({ code });
    expect(verifyBatch(batch, { chainId: digestOf('x') })).toMatchObject({ code: 'BATCH_WRONG_CHAIN' });
  });

  test('a batch in the name of another author does not verify', () => {
    const mine = signBatch(v1, fieldsOf(transactions, { author: asValidatorId(v1.id) }));
    const bytes = mine.bytes.slice();
    bytes.set(batch.bytes.subarray(17 + 32, 17 + 64), 17 + 32);
    const decoded = decodeBatch(bytes);
    expect(decoded.ok && decoded.value.author).toBe(v0.id);
    expect(decoded.ok && verifyBatchSignature(decoded.value)).toBe(false);
    expect(decoded.ok && verifyBatch(decoded.value, { chainId })).toMatchObject({ code: 'BATCH_SIGNATURE_INVALID' });
  });

  test('refuses too many bytes, and none', () => {
    expect(decodeBatch(new Uint8Array(MAX_BATCH_BYTES + 1))).toMatchObject({ code: 'BATCH_TOO_LARGE' });
    expect(decodeBatch(new Uint8Array(0))).toMatchObject({ code: 'BATCH_MALFORMED' });
    const value = 'x'.repeat(8000);
    const full = Array.from({ length: 5 }, () =>
      chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value }),
    );
    expect(() => signBatch(v0, fieldsOf(full))).toThrow('limits of a batch');
    expect(() => signBatch(v0, fieldsOf([]))).toThrow('limits of a batch');
  });

  test('says which part of its header is none', () => {
    const start = batch.bytes.findIndex((_, at) => startsAt(batch.bytes, at, fromHex(chainId)));
    const epochAt = start + 64;
    const changed = (at: number, ...values: number[]) => {
      const bytes = batch.bytes.slice();
      bytes.set(values, at);
      return decodeBatch(bytes);
    };
    expect(changed(0, 0)).toMatchObject({ code: 'BATCH_MALFORMED', detail: 'not a batch' });
    const beyond = Array.from({ length: 8 }, () => 255);
    for (const [at, values] of [
      [epochAt, beyond],
      [epochAt + 8, [255]],
      [epochAt + 9, beyond],
    ] as const) {
      expect(changed(at, ...values)).toMatchObject({ code: 'BATCH_MALFORMED' });
    }
    for (const count of [0, 255]) {
      expect(changed(epochAt + 17, 0, 0, count, 0)).toMatchObject({ detail: 'number of transactions' });
    }
  });

  test('no bytes make the decoder throw, and no mutation verifies', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), mutated(batch.bytes)), (bytes) => {
        const decoded = decodeBatch(bytes);
        if (!decoded.ok) return;
        const same = decoded.value.bytes.every((byte, index) => byte === batch.bytes[index]);
        if (!same) expect(verifyBatch(decoded.value, { chainId }).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
