/**
 * Bodies of simulated quotes: SGX enclave reports and TD reports.
 */
import { ENCLAVE_OFFSETS, ENCLAVE_REPORT_BYTES } from '../../formats/intel/enclave-report.ts';
import { TD_OFFSETS, TD10_REPORT_BYTES, TD15_REPORT_BYTES } from '../../formats/intel/td-report.ts';

/** Fields of an enclave report; those left out are zero but for the attributes INIT and MODE64. */
export interface EnclaveFields {
  readonly miscSelect?: Uint8Array;
  readonly attributes?: Uint8Array;
  readonly mrEnclave?: Uint8Array;
  readonly mrSigner?: Uint8Array;
  readonly configId?: Uint8Array;
  readonly isvProdId?: number;
  readonly isvSvn?: number;
  readonly reportData?: Uint8Array;
}

/** INIT and MODE64; XFRM x87 and SSE. */
export const ENCLAVE_ATTRIBUTES: Uint8Array = Uint8Array.of(0x05, 0, 0, 0, 0, 0, 0, 0, 0x03, 0, 0, 0, 0, 0, 0, 0);

export function writeEnclaveReport(fields: EnclaveFields): Uint8Array {
  const report = new Uint8Array(ENCLAVE_REPORT_BYTES);
  const view = new DataView(report.buffer);
  report.set(fields.miscSelect ?? [], ENCLAVE_OFFSETS.miscSelect);
  report.set(fields.attributes ?? ENCLAVE_ATTRIBUTES, ENCLAVE_OFFSETS.attributes);
  report.set(fields.mrEnclave ?? [], ENCLAVE_OFFSETS.mrEnclave);
  report.set(fields.mrSigner ?? [], ENCLAVE_OFFSETS.mrSigner);
  report.set(fields.configId ?? [], ENCLAVE_OFFSETS.configId);
  view.setUint16(ENCLAVE_OFFSETS.isvProdId, fields.isvProdId ?? 0, true);
  view.setUint16(ENCLAVE_OFFSETS.isvSvn, fields.isvSvn ?? 0, true);
  report.set(fields.reportData ?? [], ENCLAVE_OFFSETS.reportData);
  return report;
}

/** Fields of a TD report; those left out are zero but for SEPT_VE_DISABLE and the x87 and SSE state. */
export interface TdFields {
  /** TEE_TCB_SVN, from the front; the rest is zero. */
  readonly teeTcbSvn: readonly number[];
  readonly mrSignerSeam?: Uint8Array;
  readonly seamAttributes?: Uint8Array;
  readonly tdAttributes?: bigint;
  readonly xfam?: bigint;
  readonly mrTd?: Uint8Array;
  readonly mrConfigId?: Uint8Array;
  readonly reportData?: Uint8Array;
  /** Makes it TD 1.5. */
  readonly teeTcbSvn2?: readonly number[] | undefined;
  readonly mrServiceTd?: Uint8Array;
}

export function writeTdReport(fields: TdFields): Uint8Array {
  const report = new Uint8Array(fields.teeTcbSvn2 === undefined ? TD10_REPORT_BYTES : TD15_REPORT_BYTES);
  const view = new DataView(report.buffer);
  report.set(fields.teeTcbSvn, TD_OFFSETS.teeTcbSvn);
  report.set(fields.mrSignerSeam ?? [], TD_OFFSETS.mrSignerSeam);
  report.set(fields.seamAttributes ?? [], TD_OFFSETS.seamAttributes);
  view.setBigUint64(TD_OFFSETS.tdAttributes, fields.tdAttributes ?? 1n << 28n, true);
  view.setBigUint64(TD_OFFSETS.xfam, fields.xfam ?? 0x3n, true);
  report.set(fields.mrTd ?? [], TD_OFFSETS.mrTd);
  report.set(fields.mrConfigId ?? [], TD_OFFSETS.mrConfigId);
  report.set(fields.reportData ?? [], TD_OFFSETS.reportData);
  if (fields.teeTcbSvn2 !== undefined) {
    report.set(fields.teeTcbSvn2, TD_OFFSETS.teeTcbSvn2);
    report.set(fields.mrServiceTd ?? [], TD_OFFSETS.mrServiceTd);
  }
  return report;
}
