/**
 * What a relying party asks of evidence of any format once it is genuine, and the one place where that is judged.
 */
import { fail, ok, type Result } from '@cloister/encoding';
import { hardwareIdOf, type VerifiedEvidence } from '../evidence/verified-evidence.ts';
import { checkIntelRequirements, type IntelRequirementCode } from '../formats/intel/check-requirements.ts';
import type { SgxRequirements, TdxRequirements } from '../formats/intel/requirements.ts';
import type { IntelTcbStatus } from '../formats/intel/tcb-status.ts';
import {
  checkNitroRequirements,
  type NitroRequirementCode,
  type NitroRequirements,
} from '../formats/nitro/requirements.ts';
import { checkSnpRequirements, type SnpRequirementCode } from '../formats/sev-snp/check-requirements.ts';
import type { SnpRequirements } from '../formats/sev-snp/requirements.ts';

/** How a platform's TCB stands by its vendor's rules. NotApplicable: AWS publishes no status of its hypervisors. */
export type TcbStatus = IntelTcbStatus | 'NotApplicable';

/** A platform whose member is null is not accepted at all. */
export interface EvidenceRequirements {
  readonly acceptedStatuses: readonly IntelTcbStatus[];
  /** Advisories that may be open; null accepts any. */
  readonly acceptedAdvisories: readonly string[] | null;
  /** Hardware ids (hex) that are refused, whatever they prove. */
  readonly barredHardwareIds: readonly string[];
  /** Hardware ids (hex) of the only machines that may serve; empty for any that is not barred. */
  readonly allowedHardwareIds: readonly string[];
  readonly sevSnp: SnpRequirements | null;
  readonly sgx: SgxRequirements | null;
  readonly tdx: TdxRequirements | null;
  readonly nitro: NitroRequirements | null;
}

/** Why genuine evidence does not meet requirements. */
export type RequirementCode =
  | 'PLATFORM_NOT_ACCEPTED'
  | SnpRequirementCode
  | IntelRequirementCode
  | NitroRequirementCode
  | 'TCB_STATUS_NOT_ACCEPTED'
  | 'ADVISORY_NOT_ACCEPTED'
  | 'HARDWARE_BARRED'
  /** The policy lists the machines that may serve, and this is none of them. */
  | 'HARDWARE_NOT_LISTED';

/** Status and open advisories by the rules of the vendor. */
export interface VendorStatus {
  readonly status: TcbStatus;
  /** Advisory ids of the vendor that are open; only Intel publishes any with its endorsements. */
  readonly advisories: readonly string[];
}

/** What the vendor says of genuine evidence, or the first requirement that it does not meet. */
export function checkRequirements(
  verified: VerifiedEvidence,
  requirements: EvidenceRequirements,
): Result<VendorStatus, RequirementCode> {
  const judged = vendorStatus(verified, requirements);
  if (!judged.ok) return judged;
  const { status, advisories } = judged.value;
  if (status !== 'NotApplicable' && !requirements.acceptedStatuses.includes(status)) {
    return fail('TCB_STATUS_NOT_ACCEPTED', status);
  }
  const { acceptedAdvisories } = requirements;
  const open = advisories.find((advisory) => acceptedAdvisories?.includes(advisory) === false);
  if (open !== undefined) return fail('ADVISORY_NOT_ACCEPTED', open);
  const { barredHardwareIds, allowedHardwareIds } = requirements;
  const hardwareId = hardwareIdOf(verified);
  if (hardwareId !== undefined && barredHardwareIds.includes(hardwareId)) return fail('HARDWARE_BARRED');
  // A platform that shows no id is on no list.
  const isListed =
    allowedHardwareIds.length === 0 || (hardwareId !== undefined && allowedHardwareIds.includes(hardwareId));
  return isListed ? judged : fail('HARDWARE_NOT_LISTED');
}

function vendorStatus(
  verified: VerifiedEvidence,
  { sevSnp, sgx, tdx, nitro }: EvidenceRequirements,
): Result<VendorStatus, RequirementCode> {
  switch (verified.format) {
    case 'sev-snp': {
      if (sevSnp === null) return fail('PLATFORM_NOT_ACCEPTED', 'sev-snp');
      const status = checkSnpRequirements(verified.value, sevSnp);
      return status.ok ? ok({ status: status.value, advisories: [] }) : status;
    }
    case 'sgx':
    case 'tdx': {
      const requirements = verified.format === 'sgx' ? sgx : tdx;
      if (requirements === null) return fail('PLATFORM_NOT_ACCEPTED', verified.format);
      const status = checkIntelRequirements(verified.value, requirements);
      return status.ok ? ok({ status: status.value, advisories: verified.value.tcb.advisories }) : status;
    }
    case 'nitro': {
      if (nitro === null) return fail('PLATFORM_NOT_ACCEPTED', 'nitro');
      const unmet = checkNitroRequirements(verified.value, nitro);
      return unmet === undefined ? ok({ status: 'NotApplicable', advisories: [] }) : fail(unmet);
    }
  }
}
