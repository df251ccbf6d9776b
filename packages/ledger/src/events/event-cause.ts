/**
 * What ties an event to the transaction that it executes.
 */
import type { Digest, Height } from '@cloister/encoding';

/** The transaction that an event executes. */
export interface Cause {
  readonly transaction: Digest;
  readonly expiryHeight: Height;
}
/** As `Cause`; both null when the fact stands in the genesis. */
export interface OptionalCause {
  readonly transaction: Digest | null;
  readonly expiryHeight: Height | null;
}
