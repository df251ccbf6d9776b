/** Shapes of members that stand in transactions and again in events, state or facts. */
import { PLATFORMS, type Platform } from '@cloister/attestation';
import { type ModelManifest, modelManifestFromJson } from '@cloister/confidential';
import { HPKE_SEALED_KEY_BYTES, isAcceptableX25519Key } from '@cloister/crypto';
import { fromHex } from '@cloister/encoding';
import { base64, hex, matching, oneOf, refuse, type Shape, via } from '@cloister/encoding/shape';

export const namespaceName: Shape<string> = matching(
  /^[a-z0-9._-]+$/,
  64,
  'a namespace of a-z, 0-9, dot, dash, underscore',
);

export const platform: Shape<Platform> = oneOf(PLATFORMS);

/** Platforms whose vendors publish endorsements apart from evidence. */
export type EndorsedPlatform = Exclude<Platform, 'nitro'>;
export const endorsedPlatform: Shape<EndorsedPlatform> = oneOf<EndorsedPlatform>(['sev-snp', 'sgx', 'tdx']);

const MEASUREMENT_STATUSES = ['allowed', 'grace-until', 'revoked'] as const;
/** Allowed for good, allowed up to a height, or not allowed. */
export type MeasurementStatus = (typeof MEASUREMENT_STATUSES)[number];
export const measurementStatus: Shape<MeasurementStatus> = oneOf(MEASUREMENT_STATUSES);

export const modelManifest: Shape<ModelManifest> = via(modelManifestFromJson);

/** Codes alone: free text could carry what an enclave saw. */
export const declineDetail: Shape<string> = matching(/^[A-Z0-9_]*$/, 64, 'a code or nothing');

/** A key under HPKE in the exact form of its suite: what no enclave could open takes no slot of a task. */
export const sealedKey: Shape<string> = base64(HPKE_SEALED_KEY_BYTES, HPKE_SEALED_KEY_BYTES);

const encapsulated: Shape<string> = hex(32);
/** The encapsulated key beside it: one of small order opens to nothing. */
export const enc: Shape<string> = (value, path) => {
  const text = encapsulated(value, path);
  if (!isAcceptableX25519Key(fromHex(text))) refuse(path, 'no point of small order');
  return text;
};
