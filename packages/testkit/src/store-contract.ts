/**
 * What every `OrderedStore` does; each adapter's test runs it.
 */
import { SeededRandom } from '@cloister/crypto';
import { toHex } from '@cloister/encoding';
import type { OrderedStore, StoreOp, StoreRange } from '@cloister/event-log';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const key = (...bytes: number[]): Uint8Array => Uint8Array.of(...bytes);

async function entriesOf(store: OrderedStore, range: StoreRange = {}): Promise<[string, string][]> {
  const entries: [string, string][] = [];
  for await (const [k, v] of store.range(range)) entries.push([toHex(k), toHex(v)]);
  return entries;
}

export function describeStore(name: string, open: () => Promise<OrderedStore>): void {
  describe(`${name} is an ordered store`, () => {
    let store: OrderedStore;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(async () => {
      await store.close();
    });
    const put = (ops: readonly [Uint8Array, Uint8Array][], sync = false): Promise<void> =>
      store.batch(
        ops.map(([k, v]) => ({ type: 'put', key: k, value: v })),
        { sync },
      );

    it('reads what it wrote, and nothing else', async () => {
      await put([[key(1), key(10)]], true);
      expect(await store.get(key(1))).toEqual(key(10));
      expect(await store.get(key(2))).toBeUndefined();
      expect(await store.getMany([key(2), key(1), key(1, 0)])).toEqual([undefined, key(10), undefined]);
      expect(await store.getMany([])).toEqual([]);
    });

    it('keeps empty values', async () => {
      await put([[key(1), key()]]);
      expect(await store.get(key(1))).toEqual(key());
    });

    it('hands out plain bytes', async () => {
      await put([[key(1), key(10)]]);
      expect((await store.get(key(1)))?.constructor).toBe(Uint8Array);
      for await (const [k, v] of store.range({}))
        expect([k.constructor, v.constructor]).toEqual([Uint8Array, Uint8Array]);
    });

    it('shares no bytes with its callers', async () => {
      const k = key(1);
      const v = key(10);
      await put([[k, v]]);
      k[0] = 9;
      v[0] = 9;
      const read = await store.get(key(1));
      expect(read).toEqual(key(10));
      if (read !== undefined) read[0] = 8;
      for await (const [rangedKey, rangedValue] of store.range({})) {
        rangedKey[0] = 7;
        rangedValue[0] = 7;
      }
      expect(await entriesOf(store)).toEqual([['01', '0a']]);
    });

    it('applies a batch in order: the last write to a key wins', async () => {
      await store.batch(
        [
          { type: 'put', key: key(1), value: key(1) },
          { type: 'del', key: key(1) },
          { type: 'put', key: key(2), value: key(1) },
          { type: 'put', key: key(2), value: key(2) },
          { type: 'del', key: key(3) },
        ],
        { sync: false },
      );
      expect(await entriesOf(store)).toEqual([['02', '02']]);
    });

    it('orders keys as unsigned bytes, a prefix first', async () => {
      const keys = [key(0x80), key(0x7f, 0xff), key(0), key(0, 0), key(0xff), key(0x7f)];
      await put(keys.map((k) => [k, key()]));
      const order = (await entriesOf(store)).map(([k]) => k);
      expect(order).toEqual(['00', '0000', '7f', '7fff', '80', 'ff']);
    });

    it('ranges include gte, exclude lt, reverse and limit', async () => {
      await put([1, 2, 3, 4, 5].map((n) => [key(n), key(n)]));
      const keys = async (range: StoreRange): Promise<string[]> => (await entriesOf(store, range)).map(([k]) => k);
      expect(await keys({ gte: key(2), lt: key(4) })).toEqual(['02', '03']);
      expect(await keys({ gte: key(2), lt: key(5), reverse: true, limit: 2 })).toEqual(['04', '03']);
      expect(await keys({ lt: key(3) })).toEqual(['01', '02']);
      expect(await keys({ gte: key(6) })).toEqual([]);
      expect(await keys({ gte: key(4), lt: key(2) })).toEqual([]);
      expect(await keys({ limit: 0 })).toEqual([]);
    });

    it('iterates over the entries as they were when it began', async () => {
      await put([1, 2, 3].map((n) => [key(n), key(n)]));
      const seen: string[] = [];
      for await (const [k, v] of store.range({})) {
        seen.push(`${toHex(k)}=${toHex(v)}`);
        await store.batch(
          [
            { type: 'put', key: key(3), value: key(33) },
            { type: 'put', key: key(4), value: key(4) },
            { type: 'del', key: key(2) },
          ],
          { sync: false },
        );
      }
      expect(seen).toEqual(['01=01', '02=02', '03=03']);
    });

    it('lets an iteration be left early', async () => {
      await put([1, 2, 3].map((n) => [key(n), key(n)]));
      for await (const [k] of store.range({})) {
        expect(k).toEqual(key(1));
        break;
      }
      expect(await entriesOf(store)).toHaveLength(3);
    });

    it('agrees with a sorted map after thousands of random writes', async () => {
      const random = new SeededRandom(new Uint8Array(32).fill(7));
      const model = new Map<string, string>();
      for (let round = 0; round < 60; round++) {
        const ops: StoreOp[] = Array.from({ length: 50 }, () => {
          const k = random.bytes(1 + random.below(2));
          return random.below(4) === 0 ? { type: 'del', key: k } : { type: 'put', key: k, value: random.bytes(3) };
        });
        await store.batch(ops, { sync: round % 20 === 0 });
        for (const op of ops) {
          if (op.type === 'put') model.set(toHex(op.key), toHex(op.value));
          else model.delete(toHex(op.key));
        }
      }
      const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
      expect(await entriesOf(store)).toEqual(sorted);
      const gte = key(0x40);
      const lt = key(0xc0, 0x80);
      const inside = sorted.filter(([k]) => k >= '40' && k < 'c080');
      expect(await entriesOf(store, { gte, lt })).toEqual(inside);
      expect(await entriesOf(store, { gte, lt, reverse: true, limit: 9 })).toEqual(inside.toReversed().slice(0, 9));
    });

    it('fails with STORE_CLOSED after close, which is idempotent', async () => {
      await store.close();
      await store.close();
      await expect(store.get(key(1))).rejects.toMatchObject({ name: 'StoreError', code: 'STORE_CLOSED' });
      await expect(store.getMany([key(1)])).rejects.toMatchObject({ code: 'STORE_CLOSED' });
      await expect(put([[key(1), key(1)]])).rejects.toMatchObject({ code: 'STORE_CLOSED' });
      await expect(entriesOf(store)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    });
  });
}
