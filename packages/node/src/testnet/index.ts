/**
 * @cloister/node/testnet: networks of real processes for the tests and benchmarks of this repository.
 */

export { shellNetwork } from '../chain/node-network.ts';
export { ReplicaShell } from '../chain/replica-shell.ts';
export { accountKey } from '../commands/process/keys.ts';
export { DIGIT_PIXELS, type Digit, digitsSplit } from '../digits/split.ts';
export { homeLayout, readNodeKeys } from '../process/home.ts';
export { type Agreement, awaitReady, compareRoots } from './agreement.ts';
export { type BareModel, DIGITS_MODEL, loadBareModel } from './bare-model.ts';
export {
  buildTestnetImage,
  makeLayout,
  TESTNET_PLATFORMS,
  type TestnetLayout,
  type TestnetValidator,
} from './layout.ts';
export { type NodeProcess, spawnNode } from './process.ts';
