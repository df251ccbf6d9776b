/**
 * A genuine report against the relying party's requirements.
 */
import { fail, ok, type Result, toHex } from '@cloister/encoding';
import type { SnpRequirements } from './requirements.ts';
import { componentBelow } from './tcb.ts';
import type { VerifiedSnp } from './verify.ts';

export type SnpRequirementCode =
  | 'PRODUCT_NOT_ACCEPTED'
  | 'VLEK_NOT_ACCEPTED'
  | 'TCB_BELOW_MINIMUM'
  | 'LAUNCH_TCB_BELOW_MINIMUM'
  | 'GUEST_POLICY_RESERVED_BITS'
  | 'DEBUG_ENABLED'
  | 'MIGRATION_AGENT_ALLOWED'
  | 'SMT_ENABLED'
  | 'ALIAS_CHECK_MISSING'
  | 'CIPHERTEXT_HIDING_MISSING'
  | 'VMPL_NOT_ACCEPTED'
  | 'ID_KEY_NOT_ACCEPTED';

/** The platform's TCB status, which is not judged here, or the first requirement that it does not meet. Debug is refused whatever they say. */
export function checkSnpRequirements(
  verified: VerifiedSnp,
  requirements: SnpRequirements,
): Result<'UpToDate' | 'OutOfDate', SnpRequirementCode> {
  const { report, tcb, product } = verified;
  const levels = requirements.products[product];
  if (levels === undefined) return fail('PRODUCT_NOT_ACCEPTED', product);
  if (verified.signingKey === 'VLEK' && !requirements.allowVlek) return fail('VLEK_NOT_ACCEPTED', verified.cspId);
  const low = componentBelow(tcb.reported, levels.minimumTcb);
  if (low !== undefined) return fail('TCB_BELOW_MINIMUM', low);
  const lowAtLaunch = componentBelow(tcb.launch, levels.minimumTcb);
  if (lowAtLaunch !== undefined) return fail('LAUNCH_TCB_BELOW_MINIMUM', lowAtLaunch);

  const { policy, platformInfo } = report;
  if (!policy.reservedOne || !policy.reservedZero) return fail('GUEST_POLICY_RESERVED_BITS');
  if (policy.debugAllowed) return fail('DEBUG_ENABLED');
  if (policy.migrationAgentAllowed && !requirements.allowMigrationAgent) return fail('MIGRATION_AGENT_ALLOWED');
  if (requirements.refuseSmt && (policy.smtAllowed || platformInfo.smtEnabled)) return fail('SMT_ENABLED');
  if (requirements.requireAliasCheck && !platformInfo.aliasCheckComplete) return fail('ALIAS_CHECK_MISSING');
  if (requirements.requireCiphertextHiding && !platformInfo.ciphertextHiding) return fail('CIPHERTEXT_HIDING_MISSING');
  if (report.vmpl > requirements.maximumVmpl) return fail('VMPL_NOT_ACCEPTED', `VMPL ${report.vmpl}`);
  if (requirements.idKeyDigests.length > 0 && !requirements.idKeyDigests.includes(toHex(report.idKeyDigest))) {
    return fail('ID_KEY_NOT_ACCEPTED');
  }
  return ok(componentBelow(tcb.reported, levels.upToDateTcb) === undefined ? 'UpToDate' : 'OutOfDate');
}
