/**
 * @cloister/enclave: what the image holds (vault and engine), and the channel that its host shares with it.
 */

export { ENCLAVE_CALLS, type EnclaveCalls } from './calls.ts';
export { answersTo, bytesUpTo, type Call, type CallTable, callBy, type Nothing } from './channel/call-table.ts';
export { ENGINE_STARTER_DESCRIPTOR, VAULT_STARTER_DESCRIPTOR } from './channel/descriptors.ts';
export { ChannelError } from './channel/frames.ts';
export { MESSAGE_BYTES_MAX, MODEL_PIECE_BYTES } from './channel/limits.ts';
export type { EnclaveMessage, LaunchMessage, PlatformMessage } from './channel/platform-messages.ts';
export { RpcChannel } from './channel/rpc.ts';
export { Engine, type EngineCode, loadRuntime } from './engine/engine.ts';
export { ENGINE_RESERVED_BYTES } from './engine/reserved-bytes.ts';
