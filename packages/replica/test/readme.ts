import assert from 'node:assert/strict';
import { MiniNet, putRecord } from '@cloister/testkit/mini-net';

// Four replicas. The net stands for their shells: it feeds inputs in, carries effects out, and owns the time.
const net = await MiniNet.of(4);
await net.start();
const transaction = putRecord(net.genesis, { namespace: 'notes', key: 'hello', value: 'world' });
const effects = net.input(net.node(0), { type: 'submit', ref: 1, bytes: transaction.bytes });
assert(effects.some((effect) => effect.type === 'admission' && effect.result.ok));

// Two seconds of virtual time later every replica has executed it.
await net.advance(2_000);
for (const { replica } of net.nodes) {
  assert.equal(replica.ledger.namespaces.get('notes')?.records.get('hello')?.value, 'world');
}
