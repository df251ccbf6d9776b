import assert from 'node:assert/strict';
import { lightClientOf, verifyEventProof } from '@cloister/proof';
import { FakeChain } from '@cloister/testkit/fake-chain';

const chain = new FakeChain();
for (let height = 1; height <= 3; height++) chain.block();

// Whoever trusts the genesis can check any event: finality certificate, inclusion, record.
const trusted = lightClientOf(chain.genesis);
const verified = verifyEventProof(trusted, chain.proof(0));
assert(verified.ok);
assert.equal(verified.value.event.type, 'NetworkFounded');
assert.equal(verified.value.lightClient.height, 3);

// The same proof says nothing under another genesis.
const stranger = lightClientOf(new FakeChain({ name: 'another' }).genesis);
assert(!verifyEventProof(stranger, chain.proof(0)).ok);
