/**
 * Verification of an AWS Nitro attestation document: signed by a hypervisor whose certificate chains to AWS' root.
 *
 * The checks run in a fixed order, and each has its own code. A leaf certificate lives three hours, so evidence holds no
 * longer. AWS publishes no revocation lists for them.
 */

import { hash, verifyEcdsa } from '@cloister/crypto';
import { assert, fail, ok, type Result, utf8 } from '@cloister/encoding';
import type { EndorsementCache } from '../../endorsements/endorsement-cache.ts';
import { anchorBytes, type TrustAnchors } from '../../policy/trust-anchors.ts';
import { throughCache } from '../../x509/cache-entries.ts';
import {
  authenticatePath,
  type CertificatePath,
  type PathCode,
  type PathProfile,
  pathValidity,
} from '../../x509/certificate-path.ts';
import { type NitroDocument, type NitroDocumentCode, parseNitroDocument } from './document.ts';

export interface NitroVerification {
  readonly document: Uint8Array;
  readonly trustAnchors: TrustAnchors;
  /** Instant of the appraisal, in milliseconds of the Unix epoch. */
  readonly atMs: number;
  readonly cache?: EndorsementCache | undefined;
}

/** Why a document is refused. */
export type NitroVerificationCode = NitroDocumentCode | PathCode | 'DOCUMENT_SIGNATURE' | 'DEBUG_ENABLED';

/** A genuine document of an enclave that is not in debug mode. */
export interface VerifiedNitro {
  readonly document: NitroDocument;
  /**
   * Hex of a hash over the id of the instance that hosts the enclave (the part of module_id before "-enc"): documents name
   * no processor. Undefined where module_id has another form.
   */
  readonly hardwareId: string | undefined;
  /** Min of every notAfter, in milliseconds. */
  readonly validUntilMs: number;
}

const PROFILE: PathProfile = {
  platform: 'nitro',
  curve: 'P-384',
  hash: 'sha384',
  minimumLength: 2,
  maximumLength: 9,
  commonNames: [['aws.nitro-enclaves']],
};

/** Verifies a document. Pure; throws on no bytes, and asserts that `atMs` is an integer. */
export function verifyNitro(input: NitroVerification): Result<VerifiedNitro, NitroVerificationCode> {
  // NaN would compare as neither early nor late.
  assert(Number.isSafeInteger(input.atMs), 'atMs is not a whole number of milliseconds');
  const parsed = parseNitroDocument(input.document);
  if (!parsed.ok) return parsed;
  const document = parsed.value;
  const path = verifyPath([...document.caBundle, document.certificate], input);
  if (!path.ok) return path;
  const validity = pathValidity(path.value, input.atMs);
  if (!validity.ok) return validity;
  const leaf = path.value[path.value.length - 1];
  const { signed: message, signature } = document;
  if (
    leaf?.publicKey?.type !== 'ec' ||
    !verifyEcdsa({ curve: 'P-384', hash: 'sha384', publicKey: leaf.publicKey.point, message, signature })
  ) {
    return fail('DOCUMENT_SIGNATURE');
  }
  // The measurement of an enclave in debug mode is all zeros.
  if (document.pcrs.get(0)?.every((byte) => byte === 0) !== false) return fail('DEBUG_ENABLED');
  return ok({ document, hardwareId: hostOf(document), validUntilMs: validity.value });
}

function verifyPath(
  rootFirst: readonly Uint8Array[],
  { trustAnchors, cache }: NitroVerification,
): Result<CertificatePath, PathCode> {
  return throughCache(
    cache?.nitroPaths,
    () => hash('cloister/cache/nitro-path', anchorBytes(trustAnchors), ...rootFirst),
    () => {
      // Copied, because an entry outlives the bytes of the caller.
      const copies = cache === undefined ? rootFirst : rootFirst.map((der) => der.slice());
      return authenticatePath(copies, PROFILE, trustAnchors, cache?.certificates);
    },
  );
}

function hostOf({ moduleId }: NitroDocument): string | undefined {
  const instance = /^(i-[0-9a-f]+)-enc[0-9a-f]+$/.exec(moduleId)?.[1];
  return instance === undefined ? undefined : hash('cloister/hardware-id/nitro-instance', utf8(instance));
}
