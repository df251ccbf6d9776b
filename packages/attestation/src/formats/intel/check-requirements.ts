/**
 * A genuine Intel quote against the relying party's requirements.
 */
import { fail, ok, type Result } from '@cloister/crypto';
import type { IntelTcbStatus } from './tcb-status.ts';
import type { TdReport } from './td-report.ts';
import type { VerifiedIntel } from './verify.ts';

/** What a relying party asks of an Intel platform beyond a genuine quote. */
export interface IntelRequirements {
  /** Smallest tcbEvaluationDataNumber of TCB info and QE identity. */
  readonly minimumTcbEvaluationDataNumber: number;
  readonly acceptedStatuses: readonly IntelTcbStatus[];
  /** Advisories that may be open; undefined accepts any. */
  readonly acceptedAdvisories: readonly string[] | undefined;
  /** Accept TDs that a migration TD may move. */
  readonly allowMigration: boolean;
  /** Accept TDs with bound service TDs (non-zero MRSERVICETD). */
  readonly allowServiceTd: boolean;
  /** Refuse TDs that get exceptions for pages which the host took away (SEPT_VE_DISABLE clear). */
  readonly requireSeptVeDisable: boolean;
  /** Accept TDs in which performance counters run. */
  readonly allowPerformanceMonitoring: boolean;
}

export type IntelRequirementCode =
  | 'TCB_EVALUATION_NUMBER_BELOW_MINIMUM'
  | 'DEBUG_ENABLED'
  | 'TD_ATTRIBUTES_RESERVED_BITS'
  | 'XFAM_RESERVED_BITS'
  | 'MIGRATION_ALLOWED'
  | 'SERVICE_TD_BOUND'
  | 'SEPT_VE_ENABLED'
  | 'PERFORMANCE_MONITORING_ENABLED'
  | 'TCB_STATUS_NOT_ACCEPTED'
  | 'ADVISORY_NOT_ACCEPTED';

/** x87 and SSE state, without which no TD runs. */
const XFAM_ALWAYS = 0x3n;
/** x87, SSE, AVX, AVX-512, PT, PKRU, CET, UINTR, LBR, AMX, APX. */
const XFAM_KNOWN = 0xe_dbe7n;

/** The status, or the first requirement that is not met. Debug is refused whatever the requirements say. */
export function checkIntelRequirements(
  verified: VerifiedIntel,
  requirements: IntelRequirements,
): Result<IntelTcbStatus, IntelRequirementCode> {
  const { tcb, tcbEvaluationDataNumbers: numbers, quote } = verified;
  const number = Math.min(numbers.tcbInfo, numbers.qeIdentity);
  if (number < requirements.minimumTcbEvaluationDataNumber) {
    return fail('TCB_EVALUATION_NUMBER_BELOW_MINIMUM', `${number}`);
  }
  const { body } = quote;
  if (body.tee === 'sgx' && body.report.debug) return fail('DEBUG_ENABLED');
  const refusal = body.tee === 'tdx' ? checkTd(body.report, requirements) : undefined;
  if (refusal !== undefined) return fail(refusal);
  if (!requirements.acceptedStatuses.includes(tcb.status)) return fail('TCB_STATUS_NOT_ACCEPTED', tcb.status);
  const { acceptedAdvisories } = requirements;
  const open = tcb.advisories.find((advisory) => acceptedAdvisories?.includes(advisory) === false);
  return open === undefined ? ok(tcb.status) : fail('ADVISORY_NOT_ACCEPTED', open);
}

function checkTd(report: TdReport, requirements: IntelRequirements): IntelRequirementCode | undefined {
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
