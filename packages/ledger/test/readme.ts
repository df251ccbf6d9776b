import assert from 'node:assert/strict';
import { asHeight } from '@cloister/encoding';
import { decide, evolve, genesisEvents, initialState, projectRecord, signTransaction } from '@cloister/ledger';
import { GENESIS_MS, genesisWith, tenant } from '@cloister/testkit';

// State is the fold of all events, the genesis' first.
const genesis = genesisWith({});
let state = initialState();
for (const event of genesisEvents(genesis)) state = evolve(state, event);

// A transaction is decided: into events, or into a refusal with a code.
const signed = signTransaction(tenant, {
  chainId: genesis.chainId,
  sender: tenant.id,
  nonce: '00'.repeat(16),
  expiryHeight: asHeight(10),
  kind: 'put-record',
  payload: { namespace: 'notes', key: 'hello', value: 'world' },
});
assert(signed.ok);
const context = { height: asHeight(1), timeMs: GENESIS_MS + 1000 };
const decision = decide(state, signed.value, context);
assert(decision.ok);
for (const event of decision.value) state = evolve(state, event);
assert.equal(projectRecord(state, 'notes', 'hello')?.value, 'world');
