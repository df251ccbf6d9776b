import assert from 'node:assert/strict';
import { runningChain } from '@cloister/testkit';
import { planAttestation } from '@cloister/validator';

// What a node has to do about its own attestation follows from the ledger's state alone.
const { chain, nodes, enclaves } = runningChain(1);
const [node, enclave] = [nodes[0], enclaves[0]];
assert(node !== undefined && enclave !== undefined);
const question = {
  state: chain.state,
  self: node.id,
  enclave: { keyset: chain.keyset(enclave) },
  provableCount: 0,
  shownSequence: undefined,
};
assert.deepEqual(planAttestation(question), { type: 'none' });

// An enclave that was started anew has other keys: its evidence must be submitted again.
const restarted = { ...question, enclave: { keyset: chain.genesis.chainId } };
assert.deepEqual(planAttestation(restarted), { type: 'submit', reason: 'keyset-changed' });
