/**
 * The attestation document of AWS Nitro enclaves: a COSE_Sign1 (RFC 9052) around a CBOR map.
 *
 * Source: AWS Nitro Enclaves, "Attestation process", with its size limits. The outer structure is of definite length
 * and may bear tag 18. The payload is a map that newer hypervisors write with indefinite length; it is signed in that
 * form, so there is only one.
 */
import { concatBytes, equalBytes, fail, fromHex, ok, type Result } from '@cloister/encoding';
import { type CborValue, cborBytes, cborHead, cborMap, cborTag, cborText, parseCbor } from '../../evidence/cbor.ts';

/** Largest document that is read, in bytes. */
export const MAX_NITRO_DOCUMENT_BYTES: number = 16 * 1024;
/** Protected headers: {1: −35}, ECDSA with SHA-384, and nothing else. */
export const NITRO_PROTECTED_HEADERS: Uint8Array = fromHex('a1013822');
/** Everything in front of the payload in what is signed. */
const SIGNED_PREFIX: Uint8Array = concatBytes(
  cborHead(4, 4),
  cborText('Signature1'),
  cborBytes(NITRO_PROTECTED_HEADERS),
  cborBytes(new Uint8Array()),
);
const COSE_SIGN1_TAG = 18;
const SIGNATURE_BYTES = 96;
const PCR_BYTES = 48;
const MAX_PCRS = 32;
const MAX_CERTIFICATE_BYTES = 1024;
const MAX_CABUNDLE = 8;
const MAX_PUBLIC_KEY_BYTES = 1024;
const MAX_DATA_BYTES = 512;

/** A parsed document; byte fields are views over the input. */
export interface NitroDocument {
  /** Such as "i-0123456789abcdef0-enc0123456789abcdef". */
  readonly moduleId: string;
  /** Milliseconds of the Unix epoch, by the hypervisor's clock. */
  readonly timestampMs: number;
  /** 48 bytes each, by index. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** DER of the leaf. */
  readonly certificate: Uint8Array;
  /** DER, root first. */
  readonly caBundle: readonly Uint8Array[];
  readonly publicKey: Uint8Array | undefined;
  readonly userData: Uint8Array | undefined;
  readonly nonce: Uint8Array | undefined;
  /** Sig_structure (RFC 9052 section 4.4). */
  readonly signed: Uint8Array;
  /** r ‖ s, big-endian. */
  readonly signature: Uint8Array;
}

/** Why bytes are no attestation document. */
export type NitroDocumentCode =
  | 'DOCUMENT_SIZE'
  | 'DOCUMENT_MALFORMED'
  | 'COSE_TAG'
  | 'COSE_STRUCTURE'
  | 'COSE_PROTECTED_HEADERS'
  | 'COSE_UNPROTECTED_HEADERS'
  | 'COSE_SIGNATURE_LENGTH'
  | 'PAYLOAD_MALFORMED'
  | 'PAYLOAD_MEMBER'
  | 'PAYLOAD_DIGEST'
  | 'PAYLOAD_PCRS'
  | 'CABUNDLE_EMPTY';

const MEMBERS: readonly string[] = [
  'module_id',
  'digest',
  'timestamp',
  'pcrs',
  'certificate',
  'cabundle',
  'public_key',
  'user_data',
  'nonce',
];

/** Parses a document. Never throws. */
export function parseNitroDocument(bytes: Uint8Array): Result<NitroDocument, NitroDocumentCode> {
  if (bytes.length > MAX_NITRO_DOCUMENT_BYTES) return fail('DOCUMENT_SIZE', `${bytes.length} bytes`);
  const item = parseCbor(bytes, { indefiniteLengths: false });
  if (item === undefined) return fail('DOCUMENT_MALFORMED');
  const tagged = cborTag(item);
  if (tagged !== undefined && tagged.tag !== COSE_SIGN1_TAG) return fail('COSE_TAG', `tag ${tagged.tag}`);
  const parts = tagged === undefined ? item : tagged.value;
  if (!Array.isArray(parts) || parts.length !== 4) return fail('COSE_STRUCTURE', 'not an array of four');
  const [protectedHeaders, unprotectedHeaders, payload, signature] = parts as readonly CborValue[];
  if (!(protectedHeaders instanceof Uint8Array) || !(payload instanceof Uint8Array)) {
    return fail('COSE_STRUCTURE', 'headers or payload');
  }
  if (!(signature instanceof Uint8Array)) return fail('COSE_STRUCTURE', 'signature');
  if (!equalBytes(protectedHeaders, NITRO_PROTECTED_HEADERS)) return fail('COSE_PROTECTED_HEADERS');
  if (cborMap(unprotectedHeaders)?.size !== 0) return fail('COSE_UNPROTECTED_HEADERS');
  if (signature.length !== SIGNATURE_BYTES) return fail('COSE_SIGNATURE_LENGTH', `${signature.length} bytes`);
  const fields = parsePayload(payload);
  if (!fields.ok) return fields;
  return ok({ ...fields.value, signed: nitroSignedBytes(payload), signature });
}

/** ["Signature1", protected headers, empty external data, payload]. */
export function nitroSignedBytes(payload: Uint8Array): Uint8Array {
  return concatBytes(SIGNED_PREFIX, cborHead(2, payload.length), payload);
}

type Fields = Omit<NitroDocument, 'signed' | 'signature'>;

function parsePayload(payload: Uint8Array): Result<Fields, NitroDocumentCode> {
  const map = cborMap(parseCbor(payload, { indefiniteLengths: true }));
  if (map === undefined) return fail('PAYLOAD_MALFORMED');
  for (const key of map.keys()) {
    if (typeof key !== 'string' || !MEMBERS.includes(key)) return fail('PAYLOAD_MEMBER', `unknown member ${key}`);
  }
  const moduleId = map.get('module_id');
  if (typeof moduleId !== 'string' || moduleId === '' || moduleId.length > 256)
    return fail('PAYLOAD_MEMBER', 'module_id');
  if (map.get('digest') !== 'SHA384') return fail('PAYLOAD_DIGEST');
  const timestampMs = map.get('timestamp');
  if (typeof timestampMs !== 'number' || timestampMs <= 0) return fail('PAYLOAD_MEMBER', 'timestamp');
  const pcrs = readPcrs(map.get('pcrs'));
  if (pcrs === undefined) return fail('PAYLOAD_PCRS');
  const certificate = sizedBytes(map.get('certificate'), MAX_CERTIFICATE_BYTES);
  if (certificate === undefined) return fail('PAYLOAD_MEMBER', 'certificate');
  const bundle = map.get('cabundle');
  if (!Array.isArray(bundle) || bundle.length > MAX_CABUNDLE) return fail('PAYLOAD_MEMBER', 'cabundle');
  if (bundle.length === 0) return fail('CABUNDLE_EMPTY');
  const caBundle: Uint8Array[] = [];
  for (const element of bundle as readonly CborValue[]) {
    const der = sizedBytes(element, MAX_CERTIFICATE_BYTES);
    if (der === undefined) return fail('PAYLOAD_MEMBER', 'cabundle');
    caBundle.push(der);
  }
  const publicKey = optionalBytes(map.get('public_key'), MAX_PUBLIC_KEY_BYTES);
  const userData = optionalBytes(map.get('user_data'), MAX_DATA_BYTES);
  const nonce = optionalBytes(map.get('nonce'), MAX_DATA_BYTES);
  if (publicKey === 'malformed') return fail('PAYLOAD_MEMBER', 'public_key');
  if (userData === 'malformed') return fail('PAYLOAD_MEMBER', 'user_data');
  if (nonce === 'malformed') return fail('PAYLOAD_MEMBER', 'nonce');
  return ok({ moduleId, timestampMs, pcrs, certificate, caBundle, publicKey, userData, nonce });
}

/** Registers 0 to 31, 48 bytes each, PCR0 among them. */
function readPcrs(value: CborValue | undefined): ReadonlyMap<number, Uint8Array> | undefined {
  const map = cborMap(value);
  if (map === undefined || map.size > MAX_PCRS || !map.has(0)) return undefined;
  const pcrs = new Map<number, Uint8Array>();
  for (const [index, register] of map) {
    if (typeof index !== 'number' || index < 0 || index >= MAX_PCRS) return undefined;
    if (!(register instanceof Uint8Array) || register.length !== PCR_BYTES) return undefined;
    pcrs.set(index, register);
  }
  return pcrs;
}

function sizedBytes(value: CborValue | undefined, maximum: number): Uint8Array | undefined {
  return value instanceof Uint8Array && value.length > 0 && value.length <= maximum ? value : undefined;
}

/** Absent and null are the same. */
function optionalBytes(value: CborValue | undefined, maximum: number): Uint8Array | undefined | 'malformed' {
  if (value === undefined || value === null) return undefined;
  return value instanceof Uint8Array && value.length <= maximum ? value : 'malformed';
}
