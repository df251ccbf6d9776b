/**
 * Bounds of what a channel carries, in bytes.
 */

/**
 * Bytes of one message on any channel: the largest is a sealed response with its receipt, of 64 MiB and some. Models
 * travel in pieces, so that no process ever holds one in a message.
 */
export const MESSAGE_BYTES_MAX: number = 72 * 1024 * 1024;
/** Bytes of one piece of a sealed model from the validator to its enclave. */
export const MODEL_PIECE_BYTES: number = 1024 * 1024;
/**
 * Bytes of one piece of the opened model to the engine: what a piece opens to, with what was left of the one before.
 */
export const OPENED_PIECE_BYTES_MAX: number = 2 * MODEL_PIECE_BYTES;
