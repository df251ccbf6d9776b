/** The face through which an executor gets a large response held by others. */
import type { AccountId, Digest } from '@cloister/encoding';

/** Asks validators to take a sealed response that is too large for the ledger. */
export interface HoldingPort {
  /**
   * Holder → its statement (`signHolding`), verified: enough as `isHeldByEnough` counts them, or those that came before asking on
   * was in vain. The response is served by the `BlobPort` meanwhile.
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
