/**
 * What a relying party asks of a Nitro enclave beyond a genuine document.
 */
import { type JsonValue, toHex } from '@cloister/encoding';
import { distinct, hex, object, type Shape } from '@cloister/encoding/shape';
import type { VerifiedNitro } from './verify.ts';

export interface NitroRequirements {
  /** Accepted PCR8 (digest of the certificate that signed the enclave image), 48-byte hex; an empty list accepts any. */
  readonly imageSigners: readonly string[];
}

const MAX_IMAGE_SIGNERS = 64;
const IMAGE_SIGNER_PCR = 8;

/** JSON form of requirements: the same members. */
export function nitroRequirementsToJson({ imageSigners }: NitroRequirements): JsonValue {
  return { imageSigners: [...imageSigners] };
}

/** Exactly the known members, each in range. */
export const nitroRequirements: Shape<NitroRequirements> = object<NitroRequirements>({
  imageSigners: distinct(hex(48), (signer) => signer, { max: MAX_IMAGE_SIGNERS }),
});

export type NitroRequirementCode = 'IMAGE_SIGNER_NOT_ACCEPTED';

/** The first requirement that is not met, or undefined. */
export function checkNitroRequirements(
  { document }: VerifiedNitro,
  { imageSigners }: NitroRequirements,
): NitroRequirementCode | undefined {
  if (imageSigners.length === 0) return undefined;
  const signer = document.pcrs.get(IMAGE_SIGNER_PCR);
  return signer !== undefined && imageSigners.includes(toHex(signer)) ? undefined : 'IMAGE_SIGNER_NOT_ACCEPTED';
}
