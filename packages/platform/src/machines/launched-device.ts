/**
 * A machine that runs one image, and gives evidence for that launch alone.
 */
import type { CollectedEvidence, Platform } from '@cloister/attestation';
import type { Digest, Measurement } from '@cloister/encoding';

export interface LaunchedDevice {
  readonly platform: Platform;
  readonly product: string;
  /** What its evidence shows for the image. */
  readonly measurement: Measurement;
  readonly image: Digest;
  /** Evidence over 64 bytes, with endorsements of now. Rejects when the machine gives none. */
  collect(reportData: Uint8Array): Promise<CollectedEvidence>;
}
