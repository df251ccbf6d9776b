/**
 * A genuine Intel quote against the relying party's requirements.
 */
import { fail, ok, type Result, toHex } from '@cloister/encoding';
import type { IntelRequirements, SgxRequirements, TdRequirements } from './requirements.ts';
import type { IntelTcbStatus } from './tcb-status.ts';
import type { TdReport } from './td-report.ts';
import type { VerifiedIntel } from './verify.ts';

export type IntelRequirementCode =
  | 'PRODUCT_NOT_ACCEPTED'
  | 'TCB_EVALUATION_NUMBER_BELOW_MINIMUM'
  | 'TCB_BELOW_MINIMUM'
  | 'DEBUG_ENABLED'
  | 'TD_ATTRIBUTES_RESERVED_BITS'
  | 'XFAM_RESERVED_BITS'
  | 'MIGRATION_ALLOWED'
  | 'SERVICE_TD_BOUND'
  | 'SEPT_VE_ENABLED'
  | 'PERFORMANCE_MONITORING_ENABLED';

/** x87 and SSE state, without which no TD runs. */
const XFAM_ALWAYS = 0x3n;
/** x87, SSE, AVX, AVX-512, PT, PKRU, CET, UINTR, LBR, AMX, APX. */
const XFAM_KNOWN = 0xe_dbe7n;

/**
 * The status, which is not judged here, or the first requirement that is not met. Debug is refused whatever the
 * requirements say. Requirements on TDs are asked of TDs alone, and a TD is refused without any.
 */
export function checkIntelRequirements(
  verified: VerifiedIntel,
  requirements: IntelRequirements,
): Result<IntelTcbStatus, IntelRequirementCode> {
  const { tcb, quote, pck } = verified;
  if (requirements.barredFmspcs.includes(toHex(pck.fmspc))) return fail('PRODUCT_NOT_ACCEPTED', toHex(pck.fmspc));
  const { body } = quote;
  const td = body.tee === 'tdx' ? body.report : undefined;
  const tdRequirements = 'minimumTeeTcbSvn' in requirements ? requirements : undefined;
  const number = Math.min(verified.tcbEvaluationDataNumbers.tcbInfo, verified.tcbEvaluationDataNumbers.qeIdentity);
  if (number < requirements.minimumTcbEvaluationDataNumber) {
    return fail('TCB_EVALUATION_NUMBER_BELOW_MINIMUM', `${number}`);
  }
  const short = shortSvn(verified, requirements) ?? shortTdSvn(td, tdRequirements);
  if (short !== undefined) return fail('TCB_BELOW_MINIMUM', short);
  if (body.tee === 'sgx' && body.report.debug) return fail('DEBUG_ENABLED');
  if (td !== undefined) {
    if (tdRequirements === undefined) return fail('PRODUCT_NOT_ACCEPTED', 'a TD');
    const refusal = checkTd(td, tdRequirements);
    if (refusal !== undefined) return fail(refusal);
  }
  return ok(tcb.status);
}

/** The first SVN of the platform that is below its minimum. */
function shortSvn({ pck, quote }: VerifiedIntel, requirements: SgxRequirements): string | undefined {
  const component = pck.components.findIndex((svn, index) => svn < (requirements.minimumComponents[index] ?? 256));
  if (component >= 0) return `SGX TCB component ${component + 1}`;
  if (pck.pceSvn < requirements.minimumPceSvn) return 'PCESVN';
  return quote.qeReport.isvSvn < requirements.minimumQeIsvSvn ? 'ISVSVN of the quoting enclave' : undefined;
}

function shortTdSvn(report: TdReport | undefined, requirements: TdRequirements | undefined): string | undefined {
  if (report === undefined || requirements === undefined) return undefined;
  const { minimumTeeTcbSvn } = requirements;
  for (const svns of [report.teeTcbSvn, report.teeTcbSvn2]) {
    const part = svns?.findIndex((svn, index) => svn < (minimumTeeTcbSvn[index] ?? 256)) ?? -1;
    if (part >= 0) return `TEE_TCB_SVN part ${part}`;
  }
  return undefined;
}

function checkTd(report: TdReport, requirements: TdRequirements): IntelRequirementCode | undefined {
  const { tdAttributes, xfam, mrServiceTd } = report;
  if (tdAttributes.debug) return 'DEBUG_ENABLED';
  if (!tdAttributes.reservedZero) return 'TD_ATTRIBUTES_RESERVED_BITS';
  if ((xfam & XFAM_ALWAYS) !== XFAM_ALWAYS || (xfam & ~XFAM_KNOWN) !== 0n) return 'XFAM_RESERVED_BITS';
  if (tdAttributes.migratable && !requirements.allowMigration) return 'MIGRATION_ALLOWED';
  const hasServiceTd = mrServiceTd?.some((byte) => byte !== 0) === true;
  if (hasServiceTd && !requirements.allowServiceTd) return 'SERVICE_TD_BOUND';
  if (!tdAttributes.septVeDisable && requirements.requireSeptVeDisable) return 'SEPT_VE_ENABLED';
  if (tdAttributes.performanceMonitoring && !requirements.allowPerformanceMonitoring) {
    return 'PERFORMANCE_MONITORING_ENABLED';
  }
  return undefined;
}
