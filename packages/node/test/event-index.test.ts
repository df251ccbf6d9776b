import { asHeight } from '@cloister/encoding';
import { EventLog, MemoryStore } from '@cloister/event-log';
import { encodeEvent } from '@cloister/ledger';
import { Chain, tenant } from '@cloister/testkit';
import { describe, expect, it } from 'vitest';
import { EventIndex } from '../src/chain/event-index.ts';
import { TypeIndex } from '../src/chain/type-index.ts';

/** A log of the chain's events, all under one height. */
async function logOf(chain: Chain): Promise<EventLog> {
  const log = await EventLog.open(new MemoryStore(), { chainId: chain.genesis.chainId, verify: 'full' });
  await log.commit(log.prepare(asHeight(1), chain.log.map(encodeEvent)));
  return log;
}

/** A store that can be opened again after it was closed. */
function lasting(): MemoryStore {
  return Object.assign(new MemoryStore(), { close: () => Promise.resolve() });
}

describe('the index of events', () => {
  it('knows the fate of every transaction and the sequences of each type, caught up or told', async () => {
    const chain = new Chain();
    const first = chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'a', value: '1' });
    chain.block([first]);
    const log = await logOf(chain);
    const store = lasting();
    const index = await EventIndex.open(store, log);
    const types = new TypeIndex(store);
    expect(await index.transaction(first.id)).toMatchObject({ code: undefined });

    const second = chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'b', value: '2' });
    const { events, firstSequence } = chain.block([second]);
    await log.commit(log.prepare(asHeight(2), events.map(encodeEvent)));
    index.committed(firstSequence, asHeight(2), events);
    expect(await index.transaction(second.id)).toMatchObject({ height: 2, code: undefined });
    const all = chain.log.flatMap(({ type }, i) => (type === 'RecordPut' ? [i] : []));
    expect(await types.sequences('RecordPut', 0, 1000, 10)).toEqual(all);
    expect(await types.sequences('RecordPut', 0, 1000, 1)).toEqual(all.slice(0, 1));
    expect(await types.sequences('RecordPut', all[1] ?? 0, 1000, 10)).toEqual(all.slice(1));
    expect(await types.sequences('Record', 0, 1000, 10)).toEqual([]);
    await index.close();
    const again = await EventIndex.open(store, log);
    expect(again.count).toBe(log.head.count);
    expect(await types.sequences('RecordPut', 0, 1000, 10)).toEqual(all);
  });

  it('reads what it was not told from the log', async () => {
    const chain = new Chain();
    const log = await logOf(chain);
    const store = lasting();
    const index = await EventIndex.open(store, log);
    for (const height of [2, 3]) {
      const { events, firstSequence } = chain.block();
      await log.commit(log.prepare(asHeight(height), events.map(encodeEvent)));
      if (height === 3) index.committed(firstSequence, asHeight(3), events);
    }
    await index.settled();
    expect(await new TypeIndex(store).sequences('BlockBegun', 0, 1000, 10)).toHaveLength(2);
  });

  it('tells of a block that it cannot take in, and takes it in with the next', async () => {
    const chain = new Chain();
    const log = await logOf(chain);
    const store = lasting();
    let failing = false;
    const told: unknown[] = [];
    const index = await EventIndex.open(
      Object.assign(store, {
        batch: (...args: Parameters<MemoryStore['batch']>) =>
          failing ? Promise.reject(new Error('disk full')) : MemoryStore.prototype.batch.apply(store, args),
      }),
      log,
      (error) => told.push(error),
    );
    const transactions = ['a', 'b'].map((key) =>
      chain.transaction(tenant, 'put-record', { namespace: 'n', key, value: '1' }),
    );
    for (const [i, transaction] of transactions.entries()) {
      failing = i === 0;
      const { events, firstSequence } = chain.block([transaction]);
      await log.commit(log.prepare(asHeight(2 + i), events.map(encodeEvent)));
      index.committed(firstSequence, asHeight(2 + i), events);
      await index.settled();
      expect(told).toHaveLength(1);
      const fate = index.transaction(transaction.id);
      if (failing) await expect(fate).rejects.toThrow('disk full');
      else expect(await fate).toMatchObject({ height: 3 });
    }
    expect(await index.transaction(transactions[0]?.id ?? ('' as never))).toMatchObject({ height: 2 });
  });

  it('is made anew for another log', async () => {
    const store = lasting();
    const chain = new Chain();
    const transaction = chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'a', value: '1' });
    chain.block([transaction]);
    await (await EventIndex.open(store, await logOf(chain))).close();
    const other = new Chain();
    other.block();
    other.block();
    const index = await EventIndex.open(store, await logOf(other));
    expect(await index.transaction(transaction.id)).toBeUndefined();
    expect(await new TypeIndex(store).sequences('BlockBegun', 0, 1000, 10)).toHaveLength(2);
  });
});
