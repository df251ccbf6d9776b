/**
 * Reference values: which software may hold keys.
 *
 * HOST_DATA is the host's choice, so an image digest alone proves nothing: the base measurement must be one that enforces
 * it. A reference value is therefore the pair, and evidence must match both halves of the same one.
 */
import type { Digest, Measurement } from '@cloister/encoding';
import type { Platform } from '../evidence/evidence.ts';

/** One allowed (or no longer allowed) pair of base measurement and image. */
export interface ReferenceValue {
  readonly platform: Platform;
  /** What the platform measured at launch. sev-snp: the launch digest. */
  readonly measurement: Measurement;
  /** SHA-256 of the image manifest. sev-snp: HOST_DATA. */
  readonly image: Digest;
  readonly status: 'allowed' | 'revoked';
}

/** Why no reference value admits the evidence. */
export type ReferenceCode =
  | 'MEASUREMENT_ZERO'
  | 'MEASUREMENT_NOT_ALLOWED'
  | 'IMAGE_NOT_ALLOWED'
  | 'MEASUREMENT_REVOKED';

const ZERO_MEASUREMENT = '0'.repeat(96);

/** Undefined when an allowed reference value matches. A revoked pair stays refused whatever else is listed. */
export function matchReferenceValue(
  values: readonly ReferenceValue[],
  found: { readonly platform: Platform; readonly measurement: Measurement; readonly image: Digest },
): ReferenceCode | undefined {
  if (found.measurement === ZERO_MEASUREMENT) return 'MEASUREMENT_ZERO';
  const sameBase = values.filter((v) => v.platform === found.platform && v.measurement === found.measurement);
  if (sameBase.length === 0) return 'MEASUREMENT_NOT_ALLOWED';
  const pairs = sameBase.filter((v) => v.image === found.image);
  if (pairs.length === 0) return 'IMAGE_NOT_ALLOWED';
  return pairs.some((v) => v.status === 'revoked') ? 'MEASUREMENT_REVOKED' : undefined;
}
