/**
 * Descriptors with which a platform starts the programs of an image. 0 is the program itself, in sealed memory; 1 and 2 lead
 * nowhere.
 */

/** The vault's channel to the validator. */
export const VAULT_VALIDATOR_DESCRIPTOR = 3;
/** Node's own channel between the vault and its platform. */
export const VAULT_PLATFORM_DESCRIPTOR = 4;
/** What the vault was started with: the Node.js binary, or bubblewrap's filter. Closed at once. */
export const VAULT_STARTER_DESCRIPTOR = 5;

/** The engine's channel to the vault. */
export const ENGINE_CHANNEL_DESCRIPTOR = 3;
/** Nobody writes to it; its end is the engine's end. */
export const ENGINE_LIFELINE_DESCRIPTOR = 4;
/** onnxruntime's shared library and its binding, in sealed memory; closed once they are loaded. */
export const ENGINE_LIBRARY_DESCRIPTOR = 5;
export const ENGINE_BINDING_DESCRIPTOR = 6;
/** What the engine was started with: the Node.js binary, or bubblewrap's filter. Closed at once. */
export const ENGINE_STARTER_DESCRIPTOR = 7;
