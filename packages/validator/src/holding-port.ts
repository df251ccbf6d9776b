/** The port through which an executor has other validators hold a large response. */
import type { AccountId, Digest } from '@cloister/encoding';

/** Asks validators to take a sealed response that is too large for the ledger. */
export interface HoldingPort {
  /**
   * Holder → its statement (`signHolding`), verified. Enough by `isHeldByEnough`, or as many as came before there was
   * nobody left to ask. The response is served by the `BlobPort` meanwhile.
   */
  collect(response: LargeResponse): Promise<ReadonlyMap<AccountId, string>>;
}

export interface LargeResponse {
  readonly task: Digest;
  readonly responseDigest: Digest;
  readonly size: number;
  /** The enclave's word that this is the task's response. */
  readonly receipt: Uint8Array;
}
