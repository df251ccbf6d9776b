/**
 * Evidence, endorsements, and the bundle in which they travel.
 *
 * Evidence is the vendor's signed bytes, in a CMW record (RFC 9999) that names their format. Endorsements back it and are
 * replaceable: newer ones may be submitted for the same evidence, so that the evidence digest leaves them out. Limits
 * are such that a whole bundle fits a transaction in base64.
 */
import {
  ByteWriter,
  canonicalJson,
  DecodeError,
  type Digest,
  decodeWith,
  fail,
  hash,
  ok,
  parseCanonicalJson,
  type Result,
  utf8,
} from '@cloister/crypto';
import { parseBase64Url, toBase64Url } from './base64url.ts';

/** Hardware platforms whose evidence can be appraised. */
export type Platform = 'sev-snp';

/** Evidence as the platform gave it. For sev-snp: the attestation report of 1184 bytes. */
export interface Evidence {
  readonly platform: Platform;
  readonly report: Uint8Array;
}

/** What the vendor says about the platform. The order of the certificates carries no meaning. */
export interface Endorsements {
  /** DER, root to leaf or any other order. */
  readonly certificates: readonly Uint8Array[];
  /** DER. */
  readonly crls: readonly Uint8Array[];
}

/** Everything an appraiser needs beside policy, reference values and trust anchors. */
export interface EvidenceBundle {
  readonly evidence: Evidence;
  /** The exact bytes that the report binds (`encodeRuntimeData`). */
  readonly runtimeData: Uint8Array;
  readonly endorsements: Endorsements;
}

/** CMW media type of each platform's evidence. */
export const EVIDENCE_MEDIA_TYPES: Readonly<Record<Platform, string>> = {
  'sev-snp': 'application/vnd.cloister.sev-snp-report',
};

/** Largest encoded bundle, in bytes: in base64 it fits a transaction of 31 KiB. */
export const MAX_BUNDLE_BYTES: number = 23 * 1024;
/** Largest encoded CMW record, in bytes. */
export const MAX_CMW_BYTES: number = 16 * 1024;
/** Largest runtime data, in bytes. */
export const MAX_RUNTIME_DATA_BYTES = 2048;
/** Most certificates, and most CRLs, of one bundle. */
export const MAX_ENDORSEMENT_COUNT = 8;
/** Largest single certificate or CRL, in bytes. */
export const MAX_ENDORSEMENT_BYTES: number = 16 * 1024;

const BUNDLE_VERSION = 1;

/** The CMW record of evidence, as the canonical JSON array [media type, base64url]. */
export function encodeCmw(evidence: Evidence): Uint8Array {
  return utf8(canonicalJson([EVIDENCE_MEDIA_TYPES[evidence.platform], toBase64Url(evidence.report)]));
}

/** Why bytes are no CMW record of evidence that this package knows. */
export type CmwCode = 'CMW_MALFORMED' | 'CMW_TYPE_UNKNOWN';

/** Inverse of `encodeCmw`: canonical form only, known media types only. */
export function decodeCmw(bytes: Uint8Array): Result<Evidence, CmwCode> {
  const parsed = parseCanonicalJson(bytes, { maxBytes: MAX_CMW_BYTES, maxDepth: 1 });
  if (!parsed.ok) return fail('CMW_MALFORMED', parsed.code);
  const record = parsed.value;
  if (!Array.isArray(record) || record.length !== 2) return fail('CMW_MALFORMED', 'not a record of two elements');
  const [type, value] = record;
  const report = parseBase64Url(value);
  if (typeof type !== 'string' || report === undefined) return fail('CMW_MALFORMED', 'not [type, base64url]');
  for (const platform of Object.keys(EVIDENCE_MEDIA_TYPES) as Platform[]) {
    if (EVIDENCE_MEDIA_TYPES[platform] === type) return ok({ platform, report });
  }
  return fail('CMW_TYPE_UNKNOWN', type);
}

/**
 * Fixed binary form: version u8, CMW record, runtime data, then certificates and CRLs, each list as a count u8 and
 * length-prefixed elements. The caller's bundle is within the limits; decoding checks them.
 */
export function encodeEvidenceBundle(bundle: EvidenceBundle): Uint8Array {
  const { certificates, crls } = bundle.endorsements;
  const writer = new ByteWriter(8192).u8(BUNDLE_VERSION).var(encodeCmw(bundle.evidence)).var(bundle.runtimeData);
  for (const list of [certificates, crls]) {
    writer.u8(list.length);
    for (const element of list) writer.var(element);
  }
  return writer.finish();
}

/** Why bytes are no bundle. */
export type BundleCode = 'BUNDLE_TOO_LARGE' | 'BUNDLE_MALFORMED' | CmwCode;

/** Inverse of `encodeEvidenceBundle`; the contents are not judged, only bounded. Never throws. */
export function decodeEvidenceBundle(bytes: Uint8Array): Result<EvidenceBundle, BundleCode> {
  if (bytes.length > MAX_BUNDLE_BYTES) return fail('BUNDLE_TOO_LARGE', `${bytes.length} bytes`);
  const decoded = decodeWith(bytes, (reader) => {
    const version = reader.u8();
    if (version !== BUNDLE_VERSION) throw new DecodeError(`bundle version ${version}`);
    const cmw = reader.var(MAX_CMW_BYTES);
    const runtimeData = reader.var(MAX_RUNTIME_DATA_BYTES);
    const [certificates, crls] = [readList(), readList()];
    return { cmw, runtimeData, endorsements: { certificates, crls } };

    function readList(): Uint8Array[] {
      const count = reader.u8();
      if (count > MAX_ENDORSEMENT_COUNT) throw new DecodeError(`${count} endorsements of one kind`);
      return Array.from({ length: count }, () => reader.var(MAX_ENDORSEMENT_BYTES));
    }
  });
  if (!decoded.ok) return fail('BUNDLE_MALFORMED', decoded.detail);
  const { cmw, runtimeData, endorsements } = decoded.value;
  const evidence = decodeCmw(cmw);
  return evidence.ok ? ok({ evidence: evidence.value, runtimeData, endorsements }) : evidence;
}

/** Names evidence with its runtime data, whatever endorsements come with it: hash over CMW record and runtime data. */
export function evidenceDigest(bundle: EvidenceBundle): Digest {
  return hash('cloister/evidence/v1', encodeCmw(bundle.evidence), bundle.runtimeData);
}
