/**
 * Descriptors that a validator gives its platform.
 */

/** The validator's channel to the enclave, handed on unread. */
export const VALIDATOR_DESCRIPTOR = 3;
/** Takes the validator's orders. */
export const ORDERS_DESCRIPTOR = 4;

export const PLATFORM_CHANNELS: readonly number[] = [VALIDATOR_DESCRIPTOR, ORDERS_DESCRIPTOR];
