/** @cloister/node: the process. Started by the command line, and by tests in their own process. */
export { ConfigError, type ConfigErrorCode, type EffectiveValue, type LoadedConfig, loadConfig } from './config.ts';
export { configToml } from './config-file.ts';
export { CONFIG_KEYS, CONFIG_OPTIONS, type Config, type ConfigKey, flagOf, variableOf } from './config-options.ts';
export type { LaunchEnclave } from './enclave-supervisor.ts';
export { NodeError, type NodeErrorCode } from './errors.ts';
export { type HomeLayout, homeLayout, initHome, readGenesis, readNodeKeys, writeGenesis } from './home.ts';
export { readKeyFile, writeKeyFile } from './key-file.ts';
export { startNode } from './node.ts';
export type { RunningNode, StartOptions, StopReason } from './running-node.ts';
