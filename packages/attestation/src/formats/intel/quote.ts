/**
 * Intel DCAP quotes: version 3 (SGX), 4 and 5 (SGX, TD 1.0, TD 1.5). Integers are little-endian.
 *
 * Source: Intel SGX ECDSA QuoteGenReference appendix A and TDX DCAP Quoting Library API appendix 3. Every stated size is
 * consumed exactly; after the signature only zero bytes may follow.
 */
import { equalBytes, fail, fromHex, ok, type Result } from '@cloister/encoding';
import { ENCLAVE_REPORT_BYTES, type EnclaveReport, parseEnclaveReport } from './enclave-report.ts';
import { parseTdReport, TD10_REPORT_BYTES, TD15_REPORT_BYTES, type TdReport } from './td-report.ts';

export const QUOTE_HEADER_BYTES = 48;
/** Largest quote that is read, in bytes. Hosts pad to 8000. */
export const MAX_QUOTE_BYTES: number = 32 * 1024;
/** Intel's quoting enclaves. */
export const INTEL_QE_VENDOR: Uint8Array = fromHex('939a7233f79c4ca9940a0db3957f0607');
/** ECDSA with P-256. */
export const INTEL_KEY_TYPE = 2;
export const TEE_TYPES = { sgx: 0, tdx: 0x81 } as const;
/** Body descriptors of version 5. */
export const BODY_TYPES = { sgx: 1, td10: 2, td15: 3 } as const;
/** Certification data: the PCK chain in PEM, and (versions 4 and 5) the quoting enclave's report around it. */
export const CERTIFICATION_TYPES = { pckChain: 5, qeReport: 6 } as const;

/** What a quote is about. */
export type QuoteBody =
  | { readonly tee: 'sgx'; readonly report: EnclaveReport }
  | { readonly tee: 'tdx'; readonly report: TdReport };

/** A parsed quote; byte fields are views over the input. */
export interface IntelQuote {
  readonly version: 3 | 4 | 5;
  readonly body: QuoteBody;
  /** 20 bytes of the header. */
  readonly userData: Uint8Array;
  /** Header, body descriptor of version 5, body. */
  readonly signed: Uint8Array;
  /** r ‖ s, big-endian. */
  readonly signature: Uint8Array;
  /** x ‖ y of the attestation key. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: EnclaveReport;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthData: Uint8Array;
  readonly certificationType: number;
  readonly certificationData: Uint8Array;
}

/** Why bytes are no quote. */
export type IntelQuoteCode =
  | 'QUOTE_SIZE'
  | 'QUOTE_VERSION'
  | 'QUOTE_KEY_TYPE'
  | 'QUOTE_TEE_TYPE'
  | 'QUOTE_QE_VENDOR'
  | 'QUOTE_BODY_TYPE'
  | 'QUOTE_BODY_SIZE'
  | 'QUOTE_RESERVED_FIELD'
  | 'QUOTE_TRUNCATED'
  | 'QUOTE_LENGTHS'
  | 'QUOTE_CERTIFICATION_TYPE'
  | 'QUOTE_TRAILING_BYTES';

/** Takes bytes from the front, as far as there are any. */
class Cursor {
  readonly bytes: Uint8Array;
  at = 0;
  /** Set once more was asked for than there was; what is taken then is empty. */
  truncated = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  take(count: number): Uint8Array {
    if (count > this.bytes.length - this.at) {
      this.truncated = true;
      return new Uint8Array(count <= 8 ? count : 0);
    }
    const taken = this.bytes.subarray(this.at, this.at + count);
    this.at += count;
    return taken;
  }

  u16(): number {
    const [low = 0, high = 0] = this.take(2);
    return low + 256 * high;
  }

  u32(): number {
    return this.u16() + 0x1_0000 * this.u16();
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }
}

/** Parses a quote. Never throws. */
export function parseIntelQuote(bytes: Uint8Array): Result<IntelQuote, IntelQuoteCode> {
  if (bytes.length < QUOTE_HEADER_BYTES || bytes.length > MAX_QUOTE_BYTES) {
    return fail('QUOTE_SIZE', `${bytes.length} bytes`);
  }
  const cursor = new Cursor(bytes);
  const version = cursor.u16();
  if (version !== 3 && version !== 4 && version !== 5) return fail('QUOTE_VERSION', `version ${version}`);
  const keyType = cursor.u16();
  if (keyType !== INTEL_KEY_TYPE) return fail('QUOTE_KEY_TYPE', `key type ${keyType}`);
  const teeType = cursor.u32();
  const tee = teeType === TEE_TYPES.sgx ? 'sgx' : teeType === TEE_TYPES.tdx && version !== 3 ? 'tdx' : undefined;
  if (tee === undefined) return fail('QUOTE_TEE_TYPE', `TEE type ${teeType} in version ${version}`);
  if (!equalBytes(bytes.subarray(12, 28), INTEL_QE_VENDOR)) return fail('QUOTE_QE_VENDOR');
  cursor.at = QUOTE_HEADER_BYTES;
  const size = version === 5 ? bodySize(cursor, tee) : ok(tee === 'sgx' ? ENCLAVE_REPORT_BYTES : TD10_REPORT_BYTES);
  if (!size.ok) return size;
  const bodyBytes = cursor.take(size.value);
  if (cursor.truncated) return fail('QUOTE_TRUNCATED', 'body');
  const body = parseBody(tee, bodyBytes);
  if (body === undefined) return fail('QUOTE_RESERVED_FIELD', 'body');
  const signed = bytes.subarray(0, cursor.at);
  const section = cursor.take(cursor.u32());
  if (cursor.truncated) return fail('QUOTE_TRUNCATED', 'signature section');
  const signatures = parseSignatures(section, version);
  if (!signatures.ok) return signatures;
  for (let at = cursor.at; at < bytes.length; at++) if (bytes[at] !== 0) return fail('QUOTE_TRAILING_BYTES');
  return ok({ version, body, userData: bytes.subarray(28, 48), signed, ...signatures.value });
}

/** The body descriptor of version 5: type and size, which must agree with each other and with the TEE type. */
function bodySize(cursor: Cursor, tee: 'sgx' | 'tdx'): Result<number, IntelQuoteCode> {
  const type = cursor.u16();
  const stated = cursor.u32();
  if (cursor.truncated) return fail('QUOTE_TRUNCATED', 'body descriptor');
  const sizes =
    tee === 'sgx'
      ? new Map<number, number>([[BODY_TYPES.sgx, ENCLAVE_REPORT_BYTES]])
      : new Map<number, number>([
          [BODY_TYPES.td10, TD10_REPORT_BYTES],
          [BODY_TYPES.td15, TD15_REPORT_BYTES],
        ]);
  const size = sizes.get(type);
  if (size === undefined) return fail('QUOTE_BODY_TYPE', `body type ${type} for ${tee}`);
  return stated === size ? ok(size) : fail('QUOTE_BODY_SIZE', `${stated} bytes for body type ${type}`);
}

function parseBody(tee: 'sgx' | 'tdx', bytes: Uint8Array): QuoteBody | undefined {
  if (tee === 'sgx') {
    const report = parseEnclaveReport(bytes);
    return report === undefined ? undefined : { tee, report };
  }
  const report = parseTdReport(bytes);
  return report === undefined ? undefined : { tee, report };
}

type Signatures = Omit<IntelQuote, 'version' | 'body' | 'userData' | 'signed'>;

function parseSignatures(section: Uint8Array, version: 3 | 4 | 5): Result<Signatures, IntelQuoteCode> {
  const outer = new Cursor(section);
  const signature = outer.take(64);
  const attestationKey = outer.take(64);
  let inner = outer;
  if (version !== 3) {
    const type = outer.u16();
    const size = outer.u32();
    if (outer.truncated) return fail('QUOTE_TRUNCATED', 'certification data');
    if (type !== CERTIFICATION_TYPES.qeReport) return fail('QUOTE_CERTIFICATION_TYPE', `outer type ${type}`);
    inner = new Cursor(outer.take(size));
    if (outer.truncated || !outer.isAtEnd) return fail('QUOTE_LENGTHS', 'outer certification data');
  }
  const qeReportBytes = inner.take(ENCLAVE_REPORT_BYTES);
  const qeReportSignature = inner.take(64);
  const qeAuthData = inner.take(inner.u16());
  const certificationType = inner.u16();
  const certificationData = inner.take(inner.u32());
  if (inner.truncated) return fail('QUOTE_TRUNCATED', 'quoting enclave');
  if (!inner.isAtEnd) return fail('QUOTE_LENGTHS', 'signature section');
  const qeReport = parseEnclaveReport(qeReportBytes);
  if (qeReport === undefined) return fail('QUOTE_RESERVED_FIELD', 'quoting enclave');
  return ok({
    signature,
    attestationKey,
    qeReport,
    qeReportSignature,
    qeAuthData,
    certificationType,
    certificationData,
  });
}
