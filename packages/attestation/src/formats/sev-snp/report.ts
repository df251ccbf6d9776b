/**
 * The SEV-SNP attestation report: 1184 bytes, little-endian.
 *
 * Source: SEV-SNP Firmware ABI (AMD 56860) table "ATTESTATION_REPORT", versions 2 to 5. Reserved fields must be zero, so
 * that a field of a later revision is never overlooked.
 */
import { fail, ok, type Result } from '@cloister/encoding';
import { productOfCpuid, type SnpProduct } from './product.ts';

/** Bytes of a report, and of the part that is signed. */
export const SNP_REPORT_BYTES = 1184;
export const SNP_SIGNED_BYTES = 0x2a0;

/** Offsets of the fields that builders and tests share with the parser. */
export const SNP_OFFSETS = {
  version: 0x00,
  guestSvn: 0x04,
  policy: 0x08,
  familyId: 0x10,
  imageId: 0x20,
  vmpl: 0x30,
  signatureAlgorithm: 0x34,
  currentTcb: 0x38,
  platformInfo: 0x40,
  flags: 0x48,
  reportData: 0x50,
  measurement: 0x90,
  hostData: 0xc0,
  idKeyDigest: 0xe0,
  authorKeyDigest: 0x110,
  reportId: 0x140,
  reportedTcb: 0x180,
  cpuid: 0x188,
  chipId: 0x1a0,
  committedTcb: 0x1e0,
  currentBuild: 0x1e8,
  committedBuild: 0x1ec,
  launchTcb: 0x1f0,
  launchMitigations: 0x1f8,
  currentMitigations: 0x200,
  signatureR: 0x2a0,
  signatureS: 0x2e8,
} as const;

/** Algorithm 1: ECDSA P-384 with SHA-384. */
export const SNP_SIGNATURE_ALGORITHM = 1;

/** Which key signed, from FLAGS bits 4:2. */
export type SnpSigningKey = 'VCEK' | 'VLEK';

/** GUEST_POLICY. */
export interface SnpGuestPolicy {
  readonly abiMajor: number;
  readonly abiMinor: number;
  readonly smtAllowed: boolean;
  /** Bit 17, which must be one. */
  readonly reservedOne: boolean;
  readonly migrationAgentAllowed: boolean;
  readonly debugAllowed: boolean;
  readonly singleSocket: boolean;
  readonly cxlAllowed: boolean;
  readonly memAes256Xts: boolean;
  readonly raplDisabled: boolean;
  readonly ciphertextHiding: boolean;
  readonly pageSwapDisabled: boolean;
  /** Bits 63:26 are all zero. */
  readonly reservedZero: boolean;
}

/** PLATFORM_INFO. */
export interface SnpPlatformInfo {
  readonly smtEnabled: boolean;
  readonly tsmeEnabled: boolean;
  readonly eccEnabled: boolean;
  readonly raplDisabled: boolean;
  readonly ciphertextHiding: boolean;
  readonly aliasCheckComplete: boolean;
}

/** A parsed report; byte fields are views over the input. */
export interface SnpReport {
  readonly version: number;
  readonly guestSvn: number;
  readonly policy: SnpGuestPolicy;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  readonly vmpl: number;
  readonly platformInfo: SnpPlatformInfo;
  readonly signingKey: SnpSigningKey;
  /** The author key's digest is in `authorKeyDigest`. */
  readonly authorKeyEnabled: boolean;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportId: Uint8Array;
  /** TCB versions as eight bytes each; their layout depends on the product. */
  readonly reportedTcb: Uint8Array;
  readonly committedTcb: Uint8Array;
  readonly currentTcb: Uint8Array;
  readonly launchTcb: Uint8Array;
  /** From the processor's CPUID; undefined before version 3, where only the certificate names it. */
  readonly product: SnpProduct | undefined;
  readonly chipId: Uint8Array;
  readonly signed: Uint8Array;
  /** r ‖ s, 48 bytes each, big-endian. */
  readonly signature: Uint8Array;
}

/** Why bytes are no report. */
export type SnpReportCode =
  | 'REPORT_SIZE'
  | 'REPORT_VERSION'
  | 'REPORT_SIGNATURE_ALGORITHM'
  | 'REPORT_SIGNATURE_PADDING'
  | 'REPORT_RESERVED_FIELD'
  | 'REPORT_SIGNING_KEY'
  | 'REPORT_PRODUCT_UNKNOWN';

/** Parses a report strictly; says nothing about who signed it. Never throws. */
export function parseSnpReport(bytes: Uint8Array): Result<SnpReport, SnpReportCode> {
  if (bytes.length !== SNP_REPORT_BYTES) return fail('REPORT_SIZE', `${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const field = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
  const u32 = (offset: number): number => view.getUint32(offset, true);

  const version = u32(SNP_OFFSETS.version);
  if (version < 2 || version > 5) return fail('REPORT_VERSION', `version ${version}`);
  const algorithm = u32(SNP_OFFSETS.signatureAlgorithm);
  if (algorithm !== SNP_SIGNATURE_ALGORITHM) return fail('REPORT_SIGNATURE_ALGORITHM', `algorithm ${algorithm}`);
  const signature = readSignature(bytes);
  if (signature === undefined) return fail('REPORT_SIGNATURE_PADDING');
  const reserved = reservedRanges(version).find(([from, to]) => !isZero(bytes.subarray(from, to)));
  if (reserved !== undefined) return fail('REPORT_RESERVED_FIELD', `offset ${reserved[0].toString(16)}h`);

  const flags = u32(SNP_OFFSETS.flags);
  if (flags >>> 5 !== 0) return fail('REPORT_RESERVED_FIELD', 'flags');
  const signingKey = SIGNING_KEYS[(flags >>> 2) & 7];
  if (signingKey === undefined) return fail('REPORT_SIGNING_KEY', `key ${(flags >>> 2) & 7}`);
  const [family = 0, model = 0] = field(SNP_OFFSETS.cpuid, 2);
  const product = version >= 3 ? productOfCpuid(family, model) : undefined;
  if (version >= 3 && product === undefined) {
    return fail('REPORT_PRODUCT_UNKNOWN', `family ${family.toString(16)}h model ${model.toString(16)}h`);
  }
  return ok({
    version,
    guestSvn: u32(SNP_OFFSETS.guestSvn),
    policy: readPolicy(u32(SNP_OFFSETS.policy), u32(SNP_OFFSETS.policy + 4)),
    familyId: field(SNP_OFFSETS.familyId, 16),
    imageId: field(SNP_OFFSETS.imageId, 16),
    vmpl: u32(SNP_OFFSETS.vmpl),
    platformInfo: readPlatformInfo(u32(SNP_OFFSETS.platformInfo)),
    signingKey,
    authorKeyEnabled: (flags & 1) !== 0,
    reportData: field(SNP_OFFSETS.reportData, 64),
    measurement: field(SNP_OFFSETS.measurement, 48),
    hostData: field(SNP_OFFSETS.hostData, 32),
    idKeyDigest: field(SNP_OFFSETS.idKeyDigest, 48),
    authorKeyDigest: field(SNP_OFFSETS.authorKeyDigest, 48),
    reportId: field(SNP_OFFSETS.reportId, 32),
    reportedTcb: field(SNP_OFFSETS.reportedTcb, 8),
    committedTcb: field(SNP_OFFSETS.committedTcb, 8),
    currentTcb: field(SNP_OFFSETS.currentTcb, 8),
    launchTcb: field(SNP_OFFSETS.launchTcb, 8),
    product,
    chipId: field(SNP_OFFSETS.chipId, 64),
    signed: field(0, SNP_SIGNED_BYTES),
    signature,
  });
}

/** FLAGS bits 4:2; 2–6 are reserved and 7 means that nothing signed. */
const SIGNING_KEYS: readonly (SnpSigningKey | undefined)[] = ['VCEK', 'VLEK'];

/** Reserved ranges [from, to) inside the signed part, by version. */
function reservedRanges(version: number): readonly (readonly [number, number])[] {
  const { cpuid, currentBuild, committedBuild, launchMitigations, currentMitigations } = SNP_OFFSETS;
  return [
    [0x4c, 0x50],
    [version >= 3 ? cpuid + 3 : cpuid, SNP_OFFSETS.chipId],
    [currentBuild + 3, committedBuild],
    [committedBuild + 3, SNP_OFFSETS.launchTcb],
    [version >= 5 ? currentMitigations + 8 : launchMitigations, SNP_SIGNED_BYTES],
  ];
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** r and s are 72 bytes each, little-endian, of which 48 may be used; the rest of the signature area is zero. */
function readSignature(bytes: Uint8Array): Uint8Array | undefined {
  const { signatureR, signatureS } = SNP_OFFSETS;
  const [endR, endS] = [signatureR + 48, signatureS + 48];
  if (!isZero(bytes.subarray(endR, signatureS)) || !isZero(bytes.subarray(endS))) return undefined;
  const signature = new Uint8Array(96);
  signature.set(bytes.slice(signatureR, endR).reverse());
  signature.set(bytes.slice(signatureS, endS).reverse(), 48);
  return signature;
}

function readPolicy(low: number, high: number): SnpGuestPolicy {
  const bit = (index: number): boolean => ((low >>> index) & 1) === 1;
  return {
    abiMinor: low & 0xff,
    abiMajor: (low >>> 8) & 0xff,
    smtAllowed: bit(16),
    reservedOne: bit(17),
    migrationAgentAllowed: bit(18),
    debugAllowed: bit(19),
    singleSocket: bit(20),
    cxlAllowed: bit(21),
    memAes256Xts: bit(22),
    raplDisabled: bit(23),
    ciphertextHiding: bit(24),
    pageSwapDisabled: bit(25),
    reservedZero: low >>> 26 === 0 && high === 0,
  };
}

function readPlatformInfo(low: number): SnpPlatformInfo {
  const bit = (index: number): boolean => ((low >>> index) & 1) === 1;
  return {
    smtEnabled: bit(0),
    tsmeEnabled: bit(1),
    eccEnabled: bit(2),
    raplDisabled: bit(3),
    ciphertextHiding: bit(4),
    aliasCheckComplete: bit(5),
  };
}
