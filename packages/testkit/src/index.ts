/** The test network and its ledger. */

export { CRL, deviceOf, type Enclave, type EnclaveKeys, enclaveOf } from './enclaves.ts';
export { AGES, GENESIS, GENESIS_MS, genesisWith, IMAGE, MEASUREMENT } from './genesis.ts';
export { digestOf, keyOf, owner, seed, stranger, tenant, v0, v1, v2, v3, validators } from './keys.ts';
export { BLOCK_MS, Chain, PAYLOAD, RESPONSE } from './ledger-chain.ts';
export { codesOf, eventOf, type Running, runningChain, typesOf } from './outcomes.ts';
