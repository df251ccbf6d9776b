/** A Byzantine validator as a process of its own: `byzantine-main.ts HOME SEED,SEED…`; orders come over the IPC channel. */
import { readFile } from 'node:fs/promises';
import { ed25519KeyPair } from '@cloister/crypto';
import { parseGenesis } from '@cloister/ledger';
import { homeLayout, readNodeKeys } from '@cloister/node/testnet';
import { ByzantineNode, type ByzantineOrder, type ByzantineReport } from './byzantine-node.ts';

const [home = '', seeds = ''] = process.argv.slice(2);
const layout = homeLayout(home);
const genesis = parseGenesis(await readFile(layout.genesisFile));
if (!genesis.ok) throw new Error(genesis.code);
const { validator, node: nodeKey } = await readNodeKeys(layout);
const node = new ByzantineNode({
  genesis: genesis.value,
  keyPair: ed25519KeyPair(validator.seed),
  nodeKeySeed: nodeKey.seed,
  seeds: seeds.split(',').filter((seed) => seed !== ''),
});
await node.start();

function report(): void {
  const { height, connectedValidators } = node;
  process.send?.({ height, connectedValidators } satisfies ByzantineReport);
}

process.on('message', (order: ByzantineOrder) => {
  if (order.behave !== undefined) node.behave(order.behave ?? undefined);
  report();
});
// The parent's end ends this process too.
process.on('disconnect', () => process.exit(0));
report();
