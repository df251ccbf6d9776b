import assert from 'node:assert/strict';
import { GENESIS, runningChain, typesOf } from '@cloister/testkit';

// A ledger that a test drives block by block: two validators attested and hold the key of a published model.
const { chain, enclaves, model } = runningChain(2);
assert.equal(chain.genesis.genesis.name, GENESIS.name);
const execution = chain.block(chain.request(model, enclaves));
assert.deepEqual(typesOf(execution), ['InferenceRequested']);
