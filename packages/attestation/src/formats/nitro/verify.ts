/**
 * Verification of an AWS Nitro attestation document: signed by a hypervisor whose certificate chains to AWS' root.
 *
 * Checks stand in the order of the design page, section "AWS Nitro"; each has its own code. Leaf certificates live three
 * hours, so that evidence holds no longer; revocation lists play no part.
 */
import { assert, fail, ok, type Result, verifyEcdsa } from '@cloister/crypto';
import { authenticatePath, type PathCode, type PathProfile, pathValidity } from '../../certificate-path.ts';
import type { TrustAnchors } from '../../trust-anchors.ts';
import { type NitroDocument, type NitroDocumentCode, parseNitroDocument } from './document.ts';

export interface NitroVerification {
  readonly document: Uint8Array;
  readonly trustAnchors: TrustAnchors;
  /** Instant of the appraisal, in milliseconds of the Unix epoch. */
  readonly atMs: number;
}

/** Why a document is refused. */
export type NitroVerificationCode = NitroDocumentCode | PathCode | 'DOCUMENT_SIGNATURE' | 'DEBUG_ENABLED';

/** A genuine document of an enclave that is not in debug mode. */
export interface VerifiedNitro {
  readonly document: NitroDocument;
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
  const path = authenticatePath([...document.caBundle, document.certificate], PROFILE, input.trustAnchors);
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
  return ok({ document, validUntilMs: validity.value });
}
