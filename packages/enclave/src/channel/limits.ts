/**
 * Bounds of what a channel carries, in bytes.
 */
import { MODEL_CIPHERTEXT_BYTES_MAX } from '@cloister/confidential';

/** Room for proofs, manifests and framing beside a model or a payload. */
const MARGIN_BYTES: number = 8 * 1024 * 1024;

/** From a validator to its enclave: the largest is a sealed model with its grant. */
export const ENCLAVE_MESSAGE_BYTES_MAX: number = MODEL_CIPHERTEXT_BYTES_MAX + MARGIN_BYTES;
/** Between vault and engine: the largest is an ONNX file. */
export const ENGINE_MESSAGE_BYTES_MAX: number = MODEL_CIPHERTEXT_BYTES_MAX + MARGIN_BYTES;
/** From an enclave to its validator, and between validator and platform. */
export const HOST_MESSAGE_BYTES_MAX: number = 64 * 1024 * 1024;
