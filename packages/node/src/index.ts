/** @cloister/node: the process. Started by the command line, and by tests in their own process. */

export type { LaunchEnclave } from './attest/enclave-supervisor.ts';
export {
  ConfigError,
  type ConfigErrorCode,
  type EffectiveValue,
  type LoadedConfig,
  loadConfig,
} from './config/config.ts';
export { configToml } from './config/config-file.ts';
export {
  CONFIG_KEYS,
  CONFIG_OPTIONS,
  type Config,
  type ConfigKey,
  flagOf,
  variableOf,
} from './config/config-options.ts';
export { NodeError, type NodeErrorCode } from './process/errors.ts';
export { type HomeLayout, homeLayout, initHome, readGenesis, readNodeKeys, writeGenesis } from './process/home.ts';
export { readKeyFile, writeKeyFile } from './process/key-file.ts';
export { startNode } from './process/node.ts';
export type { RunningNode, StartOptions, StopReason } from './process/running-node.ts';
