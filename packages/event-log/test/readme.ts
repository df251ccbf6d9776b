import assert from 'node:assert/strict';
import { asDigest, asHeight, utf8 } from '@cloister/encoding';
import { EventLog, MemoryStore } from '@cloister/event-log';

const store = new MemoryStore();
const options = { chainId: asDigest('c0'.repeat(32)), verify: 'full' } as const;

// One commit writes the events of one block, all or none.
const log = await EventLog.open(store, options);
await log.commit(log.prepare(asHeight(1), [{ type: 'Greeted', payload: utf8('hello') }]));
assert.equal(log.head.count, 1);
assert.equal((await log.get(0))?.type, 'Greeted');

// Opening checks checksums and the hash chain: one changed byte is found, and nothing that is damaged is handed out.
for await (const [key, value] of store.range({ limit: 1 })) {
  const changed = value.map((byte, index) => (index === 9 ? byte ^ 1 : byte));
  await store.batch([{ type: 'put', key, value: changed }], { sync: true });
}
await assert.rejects(EventLog.open(store, options), { name: 'EventLogDamaged' });
