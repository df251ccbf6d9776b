/** Which blobs the agreed state names, and as what. */
import type { Digest } from '@cloister/crypto';
import type { LedgerState } from '@cloister/ledger';

/** Whether a digest names what only an attested enclave has a use for: a task's sealed payload or a sealed model. */
export function isWorkload(state: LedgerState, digest: Digest): boolean {
  for (const { manifest } of state.models.values()) if (manifest.ciphertextDigest === digest) return true;
  for (const { payloadDigest } of state.tasks.values()) if (payloadDigest === digest) return true;
  return false;
}

/** Digests that the state still names: such blobs outlive the retention. */
export function neededBlobs(state: LedgerState): ReadonlySet<Digest> {
  const needed = new Set<Digest>();
  for (const { manifest } of state.models.values()) needed.add(manifest.ciphertextDigest);
  for (const { payloadDigest, receipts } of state.tasks.values()) {
    needed.add(payloadDigest);
    for (const { responseDigest } of receipts) needed.add(responseDigest);
  }
  return needed;
}
