import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import {
  answersTo,
  bytesUpTo,
  type Call,
  type CallTable,
  callBy,
  MESSAGE_BYTES_MAX,
  RpcChannel,
} from '@cloister/enclave';
import { ok } from '@cloister/encoding';

// One table of calls for both ends of a channel: what each call brings and gets.
interface Calls {
  readonly reverse: Call<{ readonly input: Uint8Array }, { readonly reversed: Uint8Array }>;
}
const CALLS: CallTable<Calls> = {
  reverse: { argument: { input: bytesUpTo(16) }, answer: { reversed: bytesUpTo(16) } },
};

const [hostEnd, enclaveEnd] = duplexPair();
new RpcChannel(enclaveEnd, {
  messageBytesMax: MESSAGE_BYTES_MAX,
  onCall: answersTo(CALLS, { reverse: ({ input }) => ok({ reversed: input.toReversed() }) }),
});
const host = new RpcChannel(hostEnd, { messageBytesMax: MESSAGE_BYTES_MAX });
const answer = await callBy(CALLS, host, 'reverse', { input: Uint8Array.of(1, 2, 3) });
assert(answer.ok);
assert.deepEqual([...answer.value.reversed], [3, 2, 1]);

// What is larger than the table says reaches no handler.
const refused = await callBy(CALLS, host, 'reverse', { input: new Uint8Array(17) });
assert(!refused.ok);
assert.equal(refused.code, 'CALL_MALFORMED');
