/**
 * The TD report body: 584 bytes for TD 1.0, 648 for TD 1.5.
 *
 * Source: Intel TDX DCAP Quoting Library API, appendix 3 (TD Quote Body Descriptor).
 */

export const TD10_REPORT_BYTES = 584;
export const TD15_REPORT_BYTES = 648;

/** Offsets of the fields that builders and tests share with the parser. */
export const TD_OFFSETS = {
  teeTcbSvn: 0,
  mrSeam: 16,
  mrSignerSeam: 64,
  seamAttributes: 112,
  tdAttributes: 120,
  xfam: 128,
  mrTd: 136,
  mrConfigId: 184,
  mrOwner: 232,
  mrOwnerConfig: 280,
  rtmr0: 328,
  reportData: 520,
  teeTcbSvn2: 584,
  mrServiceTd: 600,
} as const;

/** TD_ATTRIBUTES, by the bits that have a meaning; little-endian bit numbers. */
export interface TdAttributes {
  /** Bit 0. */
  readonly debug: boolean;
  /** Bit 28. */
  readonly septVeDisable: boolean;
  /** Bit 29: the TD may be migrated by a migration TD. */
  readonly migratable: boolean;
  /** Bit 30. */
  readonly protectionKeys: boolean;
  /** Bit 31. */
  readonly keyLocker: boolean;
  /** Bit 63. */
  readonly performanceMonitoring: boolean;
  /** Bits without a meaning are all zero. */
  readonly reservedZero: boolean;
}

/** A parsed body; byte fields are views over the input. */
export interface TdReport {
  readonly bytes: Uint8Array;
  readonly version: '1.0' | '1.5';
  /** SVNs at launch: [0] TDX module minor, [1] module major, [2] microcode. */
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: Uint8Array;
  readonly tdAttributes: TdAttributes;
  readonly xfam: bigint;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  /** RTMR0–3, 48 bytes each. */
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  readonly reportData: Uint8Array;
  /** TD 1.5: SVNs now, after updates of the module under the running TD. */
  readonly teeTcbSvn2: Uint8Array | undefined;
  /** TD 1.5: hash of the bound service TDs; zeros when there is none. */
  readonly mrServiceTd: Uint8Array | undefined;
}

/** DEBUG, LASS (27), SEPT_VE_DISABLE, MIGRATABLE, PKS, KL, PERFMON. */
const KNOWN_ATTRIBUTES = (1n << 0n) | (1n << 27n) | (1n << 28n) | (1n << 29n) | (1n << 30n) | (1n << 31n) | (1n << 63n);

/** Parses 584 or 648 bytes; undefined for another size. */
export function parseTdReport(bytes: Uint8Array): TdReport | undefined {
  if (bytes.length !== TD10_REPORT_BYTES && bytes.length !== TD15_REPORT_BYTES) return undefined;
  const isTd15 = bytes.length === TD15_REPORT_BYTES;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const field = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
  const rtmr = (index: number): Uint8Array => field(TD_OFFSETS.rtmr0 + 48 * index, 48);
  return {
    bytes,
    version: isTd15 ? '1.5' : '1.0',
    teeTcbSvn: field(TD_OFFSETS.teeTcbSvn, 16),
    mrSeam: field(TD_OFFSETS.mrSeam, 48),
    mrSignerSeam: field(TD_OFFSETS.mrSignerSeam, 48),
    seamAttributes: field(TD_OFFSETS.seamAttributes, 8),
    tdAttributes: readAttributes(view.getBigUint64(TD_OFFSETS.tdAttributes, true)),
    xfam: view.getBigUint64(TD_OFFSETS.xfam, true),
    mrTd: field(TD_OFFSETS.mrTd, 48),
    mrConfigId: field(TD_OFFSETS.mrConfigId, 48),
    mrOwner: field(TD_OFFSETS.mrOwner, 48),
    mrOwnerConfig: field(TD_OFFSETS.mrOwnerConfig, 48),
    rtmrs: [rtmr(0), rtmr(1), rtmr(2), rtmr(3)],
    reportData: field(TD_OFFSETS.reportData, 64),
    teeTcbSvn2: isTd15 ? field(TD_OFFSETS.teeTcbSvn2, 16) : undefined,
    mrServiceTd: isTd15 ? field(TD_OFFSETS.mrServiceTd, 48) : undefined,
  };
}

function readAttributes(bits: bigint): TdAttributes {
  const has = (bit: bigint): boolean => ((bits >> bit) & 1n) === 1n;
  return {
    debug: has(0n),
    septVeDisable: has(28n),
    migratable: has(29n),
    protectionKeys: has(30n),
    keyLocker: has(31n),
    performanceMonitoring: has(63n),
    reservedZero: (bits & ~KNOWN_ATTRIBUTES) === 0n,
  };
}
