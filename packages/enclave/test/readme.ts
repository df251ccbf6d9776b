import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { headOnly, MESSAGE_BYTES_MAX, RpcChannel } from '@cloister/enclave';
import { ok } from '@cloister/encoding';

// The channel between host and enclave: calls and answers in bounded messages over any stream.
const [hostEnd, enclaveEnd] = duplexPair();
new RpcChannel(enclaveEnd, {
  messageBytesMax: MESSAGE_BYTES_MAX,
  onCall: async (method) => ok(headOnly({ called: method })),
});
const host = new RpcChannel(hostEnd, { messageBytesMax: MESSAGE_BYTES_MAX });
const answer = await host.call('describe', headOnly({}));
assert(answer.ok);
assert.equal(JSON.stringify(answer.value.head), '{"called":"describe"}');
