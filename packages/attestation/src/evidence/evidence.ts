/**
 * Evidence, endorsements, and the bundle in which they travel.
 *
 * Evidence is the vendor's signed bytes, in a CMW record (RFC 9999, CBOR form) that names their format. Endorsements back it
 * and are replaceable: newer ones may be submitted for the same evidence, so that the evidence digest leaves them out. Limits
 * are such that a whole bundle fits a transaction in base64.
 */

import { hash } from '@cloister/crypto';
import {
  type ByteReader,
  ByteWriter,
  DecodeError,
  type Digest,
  decodeWith,
  fail,
  ok,
  type Result,
} from '@cloister/encoding';
import { cborArray, cborBytes, cborText, parseCbor } from './cbor.ts';

/** Hardware platforms whose evidence can be appraised, in ascending order. */
export const PLATFORMS = ['nitro', 'sev-snp', 'sgx', 'tdx'] as const;

export type Platform = (typeof PLATFORMS)[number];

/** Evidence as the platform gave it: SEV-SNP report (1184 bytes), SGX or TDX quote, Nitro attestation document. */
export interface Evidence {
  readonly platform: Platform;
  readonly report: Uint8Array;
}

/** A text that its vendor signed. */
export interface SignedText {
  /** The signed bytes, as received. */
  readonly bytes: Uint8Array;
  /** r ‖ s, 64 bytes, big-endian. */
  readonly signature: Uint8Array;
}

/** What the vendor says about the platform. A Nitro document carries its own: nothing here. */
export interface Endorsements {
  /**
   * DER. sev-snp: chip key, intermediate and root, in any order. sgx and tdx: the signer of the statements, the root, and,
   * only where the endorsements stand alone, the issuer of PCK certificates.
   */
  readonly certificates: readonly Uint8Array[];
  /** DER. sev-snp: of the root. sgx and tdx: of the root, then of the issuer of PCK certificates. */
  readonly crls: readonly Uint8Array[];
  /** sgx and tdx: TCB info, then QE identity. */
  readonly statements?: readonly SignedText[];
}

/** Everything an appraiser needs beside policy, reference values and trust anchors. */
export interface EvidenceBundle {
  readonly evidence: Evidence;
  /** The exact bytes that the report binds (`encodeRuntimeData`). */
  readonly runtimeData: Uint8Array;
  readonly endorsements: Endorsements;
}

/** The most that a platform's endorsements may hold. Nothing would verify anything beyond it. */
const MOST_ENDORSEMENTS: Readonly<Record<Platform, Readonly<Record<'certificates' | 'crls' | 'statements', number>>>> =
  {
    nitro: { certificates: 0, crls: 0, statements: 0 },
    'sev-snp': { certificates: 8, crls: 8, statements: 0 },
    sgx: { certificates: 3, crls: 2, statements: 2 },
    tdx: { certificates: 3, crls: 2, statements: 2 },
  };

/** Whether there is more than the platform's verification looks at. */
export function hasSurplusEndorsements(platform: Platform, endorsements: Endorsements): boolean {
  const { certificates, crls, statements = [] } = endorsements;
  const most = MOST_ENDORSEMENTS[platform];
  return certificates.length > most.certificates || crls.length > most.crls || statements.length > most.statements;
}

/** CMW media type of each platform's evidence. */
export const EVIDENCE_MEDIA_TYPES: Readonly<Record<Platform, string>> = {
  nitro: 'application/vnd.cloister.nitro-document',
  'sev-snp': 'application/vnd.cloister.sev-snp-report',
  sgx: 'application/vnd.cloister.sgx-quote',
  tdx: 'application/vnd.cloister.tdx-quote',
};

/** Largest encoded bundle, in bytes: in base64 it fits a transaction of 31 KiB. */
export const MAX_BUNDLE_BYTES: number = 23 * 1024;
/** Largest encoded CMW record, in bytes. */
export const MAX_CMW_BYTES: number = 16 * 1024;
/** Largest runtime data, in bytes. */
export const MAX_RUNTIME_DATA_BYTES = 2048;
/** Most endorsements of one kind in one bundle. */
export const MAX_ENDORSEMENT_COUNT = 8;
/** Largest single certificate, CRL or statement, in bytes. */
export const MAX_ENDORSEMENT_BYTES: number = 16 * 1024;

const BUNDLE_VERSION = 2;
const SIGNATURE_BYTES = 64;

/** The CMW record of evidence: the CBOR array [media type, value] in its one deterministic form (RFC 8949 section 4.2). */
export function encodeCmw(evidence: Evidence): Uint8Array {
  return cborArray([cborText(EVIDENCE_MEDIA_TYPES[evidence.platform]), cborBytes(evidence.report)]);
}

/** Why bytes are no CMW record of evidence that this package knows. */
export type CmwCode = 'CMW_MALFORMED' | 'CMW_TYPE_UNKNOWN';

/** Inverse of `encodeCmw`: deterministic form only, known media types only. */
export function decodeCmw(bytes: Uint8Array): Result<Evidence, CmwCode> {
  if (bytes.length > MAX_CMW_BYTES) return fail('CMW_MALFORMED', `${bytes.length} bytes`);
  const record = parseCbor(bytes, { indefiniteLengths: false });
  if (!Array.isArray(record) || record.length !== 2) return fail('CMW_MALFORMED', 'not a record of two elements');
  const [type, report] = record;
  if (typeof type !== 'string' || !(report instanceof Uint8Array)) return fail('CMW_MALFORMED', 'not [type, bytes]');
  const platform = PLATFORMS.find((name) => EVIDENCE_MEDIA_TYPES[name] === type);
  return platform === undefined ? fail('CMW_TYPE_UNKNOWN', type) : ok({ platform, report });
}

function writeEndorsements(writer: ByteWriter, { certificates, crls, statements = [] }: Endorsements): ByteWriter {
  for (const list of [certificates, crls]) {
    writer.u8(list.length);
    for (const element of list) writer.var(element);
  }
  writer.u8(statements.length);
  for (const { bytes, signature } of statements) writer.var(bytes).fixed(signature);
  return writer;
}

function readEndorsements(reader: ByteReader): Endorsements {
  const certificates = readList(reader, () => reader.var(MAX_ENDORSEMENT_BYTES));
  const crls = readList(reader, () => reader.var(MAX_ENDORSEMENT_BYTES));
  const statements = readList(reader, () => ({
    bytes: reader.var(MAX_ENDORSEMENT_BYTES),
    signature: reader.fixed(SIGNATURE_BYTES),
  }));
  return statements.length === 0 ? { certificates, crls } : { certificates, crls, statements };
}

function readList<T>(reader: ByteReader, read: () => T): readonly T[] {
  const count = reader.u8();
  if (count > MAX_ENDORSEMENT_COUNT) throw new DecodeError(`${count} endorsements of one kind`);
  return Array.from({ length: count }, read);
}

/**
 * Fixed binary form: version u8, CMW record, runtime data, then endorsements: certificates, CRLs and statements, each list as
 * a count u8 and length-prefixed elements, a statement followed by its signature. The caller's bundle is within the limits;
 * decoding checks them.
 */
export function encodeEvidenceBundle(bundle: EvidenceBundle): Uint8Array {
  const writer = new ByteWriter(8192).u8(BUNDLE_VERSION).var(encodeCmw(bundle.evidence)).var(bundle.runtimeData);
  return writeEndorsements(writer, bundle.endorsements).finish();
}

/** Endorsements that stand alone: version u8, then as in a bundle. */
export function encodeEndorsements(endorsements: Endorsements): Uint8Array {
  return writeEndorsements(new ByteWriter(8192).u8(BUNDLE_VERSION), endorsements).finish();
}

/** Why bytes are no bundle. */
export type BundleCode = 'BUNDLE_TOO_LARGE' | 'BUNDLE_MALFORMED' | CmwCode;

function checkVersion(reader: ByteReader): void {
  const version = reader.u8();
  if (version !== BUNDLE_VERSION) throw new DecodeError(`version ${version}`);
}

/** Inverse of `encodeEvidenceBundle`; the contents are not judged, only bounded. Never throws. */
export function decodeEvidenceBundle(bytes: Uint8Array): Result<EvidenceBundle, BundleCode> {
  if (bytes.length > MAX_BUNDLE_BYTES) return fail('BUNDLE_TOO_LARGE', `${bytes.length} bytes`);
  const decoded = decodeWith(bytes, (reader) => {
    checkVersion(reader);
    const cmw = reader.var(MAX_CMW_BYTES);
    const runtimeData = reader.var(MAX_RUNTIME_DATA_BYTES);
    return { cmw, runtimeData, endorsements: readEndorsements(reader) };
  });
  if (!decoded.ok) return fail('BUNDLE_MALFORMED', decoded.detail);
  const { cmw, runtimeData, endorsements } = decoded.value;
  const evidence = decodeCmw(cmw);
  return evidence.ok ? ok({ evidence: evidence.value, runtimeData, endorsements }) : evidence;
}

/** Inverse of `encodeEndorsements`; the contents are not judged, only bounded. Never throws. */
export function decodeEndorsements(
  bytes: Uint8Array,
): Result<Endorsements, 'ENDORSEMENTS_TOO_LARGE' | 'ENDORSEMENTS_MALFORMED'> {
  if (bytes.length > MAX_BUNDLE_BYTES) return fail('ENDORSEMENTS_TOO_LARGE', `${bytes.length} bytes`);
  const decoded = decodeWith(bytes, (reader) => {
    checkVersion(reader);
    return readEndorsements(reader);
  });
  return decoded.ok ? decoded : fail('ENDORSEMENTS_MALFORMED', decoded.detail);
}

/** Names evidence with its runtime data, whatever endorsements come with it: hash over CMW record and runtime data. */
export function evidenceDigest(bundle: EvidenceBundle): Digest {
  return hash('cloister/evidence/v1', encodeCmw(bundle.evidence), bundle.runtimeData);
}
