import { describeStore } from '@cloister/testkit/store-contract';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/index.ts';

describeStore('MemoryStore', async () => new MemoryStore());

const k = (n: number): Uint8Array => Uint8Array.of(n);

describe('MemoryStore', () => {
  it('leaves after a crash exactly what was synced', async () => {
    const store = new MemoryStore();
    await store.batch([{ type: 'put', key: k(1), value: k(1) }], { sync: false });
    await store.batch([{ type: 'put', key: k(2), value: k(2) }], { sync: true });
    await store.batch(
      [
        { type: 'put', key: k(2), value: k(22) },
        { type: 'del', key: k(1) },
        { type: 'put', key: k(3), value: k(3) },
        { type: 'put', key: k(3), value: k(33) },
      ],
      { sync: false },
    );
    const crashed = store.durableCopy();
    expect(await crashed.getMany([k(1), k(2), k(3)])).toEqual([k(1), k(2), undefined]);
    expect(await store.copy().getMany([k(1), k(2), k(3)])).toEqual([undefined, k(22), k(33)]);
  });

  it('copies are independent', async () => {
    const store = new MemoryStore();
    await store.batch([{ type: 'put', key: k(1), value: k(1) }], { sync: true });
    const copy = store.copy();
    await copy.batch([{ type: 'del', key: k(1) }], { sync: true });
    expect(await store.get(k(1))).toEqual(k(1));
  });
});
