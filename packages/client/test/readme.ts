import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { CloisterClient, createHttpApi } from '@cloister/client';
import { hash } from '@cloister/crypto';
import { FakeChain, tenant } from '@cloister/testkit/fake-chain';

// A node that serves the genesis of its chain, and nothing else.
const chain = new FakeChain();
const server = createServer((_, response) => response.end(chain.genesis.bytes));
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = server.address();
assert(address !== null && typeof address === 'object');
const api = createHttpApi({ baseUrl: `http://127.0.0.1:${address.port}` });

// The client trusts a genesis hash that the caller names, never the node's word for it.
const client = await CloisterClient.connect({ api, chainId: chain.chainId, keyPair: tenant });
assert.equal(client.simulated, true);
const elsewhere = CloisterClient.connect({ api, chainId: hash('another'), keyPair: tenant });
await assert.rejects(elsewhere, { code: 'GENESIS_MISMATCH' });
server.closeAllConnections();
server.close();
