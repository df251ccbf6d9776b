/**
 * The SGX enclave report body: 384 bytes, little-endian.
 *
 * Source: Intel SDM volume 3D, table "Layout of REPORT". It is the body of SGX quotes and the report of the quoting
 * enclave inside every quote. Reserved fields must be zero.
 */

export const ENCLAVE_REPORT_BYTES = 384;

/** Offsets of the fields that builders and tests share with the parser. */
export const ENCLAVE_OFFSETS = {
  cpuSvn: 0,
  miscSelect: 16,
  attributes: 48,
  mrEnclave: 64,
  mrSigner: 128,
  configId: 192,
  isvProdId: 256,
  isvSvn: 258,
  configSvn: 260,
  reportData: 320,
} as const;

const RESERVED: readonly (readonly [from: number, to: number])[] = [
  [20, 32],
  [96, 128],
  [160, 192],
  [262, 304],
];

/** A parsed body; byte fields are views over the input. */
export interface EnclaveReport {
  /** All 384 bytes. */
  readonly bytes: Uint8Array;
  readonly cpuSvn: Uint8Array;
  /** 4 bytes as they stand. */
  readonly miscSelect: Uint8Array;
  /** 16 bytes: flags and XFRM. */
  readonly attributes: Uint8Array;
  /** Byte 0 bit 1 of the attributes. */
  readonly debug: boolean;
  readonly mrEnclave: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly configId: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly reportData: Uint8Array;
}

/** Parses 384 bytes; undefined for another size or a reserved field that is not zero. */
export function parseEnclaveReport(bytes: Uint8Array): EnclaveReport | undefined {
  if (bytes.length !== ENCLAVE_REPORT_BYTES) return undefined;
  for (const [from, to] of RESERVED) {
    if (bytes.subarray(from, to).some((byte) => byte !== 0)) return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const field = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
  const attributes = field(ENCLAVE_OFFSETS.attributes, 16);
  return {
    bytes,
    cpuSvn: field(ENCLAVE_OFFSETS.cpuSvn, 16),
    miscSelect: field(ENCLAVE_OFFSETS.miscSelect, 4),
    attributes,
    debug: ((attributes[0] ?? 0) & 0x02) !== 0,
    mrEnclave: field(ENCLAVE_OFFSETS.mrEnclave, 32),
    mrSigner: field(ENCLAVE_OFFSETS.mrSigner, 32),
    configId: field(ENCLAVE_OFFSETS.configId, 64),
    isvProdId: view.getUint16(ENCLAVE_OFFSETS.isvProdId, true),
    isvSvn: view.getUint16(ENCLAVE_OFFSETS.isvSvn, true),
    reportData: field(ENCLAVE_OFFSETS.reportData, 64),
  };
}
