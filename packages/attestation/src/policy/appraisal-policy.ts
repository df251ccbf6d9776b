/**
 * The appraisal policy: canonical JSON in the genesis, changed by events, the same for every replica.
 */

import { hash } from '@cloister/crypto';
import { canonicalJson, type Digest, fail, type JsonValue, ok, type Result, utf8 } from '@cloister/encoding';
import { count, distinct, literal, matching, nullable, object, oneOf, parseShape } from '@cloister/encoding/shape';
import type { EvidenceRequirements } from '../appraisal/requirements.ts';
import { intelRequirementsToJson, sgxRequirements, tdxRequirements } from '../formats/intel/requirements.ts';
import { INTEL_TCB_STATUSES } from '../formats/intel/tcb-status.ts';
import { nitroRequirements, nitroRequirementsToJson } from '../formats/nitro/requirements.ts';
import { checkLedgerSafety, snpRequirements, snpRequirementsToJson } from '../formats/sev-snp/requirements.ts';

/** What the ledger accepts. Ages are counted in blocks. */
export interface AppraisalPolicy extends EvidenceRequirements {
  readonly schema: typeof APPRAISAL_POLICY_SCHEMA;
  /** A result lapses this many blocks after it was accepted. */
  readonly maxAgeBlocks: number;
  /** A result lapses when its last refresh is older than this. */
  readonly refreshWindowBlocks: number;
  /** The block whose hash is the nonce may be this far behind the block that admits the evidence. */
  readonly nonceWindowBlocks: number;
  /** A request names executors on at least so many distinct platforms; 1 asks for nothing. */
  readonly minimumDistinctPlatforms: number;
}

export const APPRAISAL_POLICY_SCHEMA = 'cloister/appraisal-policy/v2';

/** Why a policy is refused. POLICY_UNSAFE: well-formed, but switches off what the ledger may never do without. */
export type AppraisalPolicyCode = 'POLICY_MALFORMED' | 'POLICY_UNSAFE';

const MAX_STATUSES = 16;
const MAX_ADVISORIES = 1024;
const MAX_HARDWARE_IDS = 4096;
const HARDWARE_ID_BYTES_MAX = 64;
const MAX_DISTINCT_PLATFORMS = 4;
/** Heights stay far from where numbers lose their exactness. */
const MAX_BLOCKS = 1_000_000_000;
/** The state holds the hash of every block in this window. */
const MAX_NONCE_WINDOW_BLOCKS = 100_000;

/** JSON form; its canonical text is what stands in the genesis and what `policyDigest` covers. */
export function appraisalPolicyToJson(policy: AppraisalPolicy): JsonValue {
  const { acceptedAdvisories, sevSnp, sgx, tdx, nitro } = policy;
  return {
    schema: policy.schema,
    acceptedStatuses: [...policy.acceptedStatuses],
    acceptedAdvisories: acceptedAdvisories === null ? null : [...acceptedAdvisories],
    barredHardwareIds: [...policy.barredHardwareIds],
    allowedHardwareIds: [...policy.allowedHardwareIds],
    maxAgeBlocks: policy.maxAgeBlocks,
    refreshWindowBlocks: policy.refreshWindowBlocks,
    nonceWindowBlocks: policy.nonceWindowBlocks,
    minimumDistinctPlatforms: policy.minimumDistinctPlatforms,
    sevSnp: sevSnp === null ? null : snpRequirementsToJson(sevSnp),
    sgx: sgx === null ? null : intelRequirementsToJson(sgx),
    tdx: tdx === null ? null : intelRequirementsToJson(tdx),
    nitro: nitro === null ? null : nitroRequirementsToJson(nitro),
  };
}

/** Names a policy: hash over its canonical JSON. */
export function policyDigest(policy: AppraisalPolicy): Digest {
  return hash('cloister/appraisal-policy/v2', utf8(canonicalJson(appraisalPolicyToJson(policy))));
}

const itself = (text: string): string => text;
const blocks = count({ min: 1, max: MAX_BLOCKS });
const hardwareIds = distinct(
  matching(
    /^(?:[0-9a-f]{2}){1,64}$/,
    2 * HARDWARE_ID_BYTES_MAX,
    `1 to ${HARDWARE_ID_BYTES_MAX} bytes of lowercase hex`,
  ),
  itself,
  { max: MAX_HARDWARE_IDS },
);
const advisory = matching(/^[A-Za-z0-9-]{1,64}$/, 64, 'the name of an advisory');

const policyShape = object<AppraisalPolicy>({
  schema: literal(APPRAISAL_POLICY_SCHEMA),
  acceptedStatuses: distinct(oneOf(INTEL_TCB_STATUSES), itself, { max: MAX_STATUSES }),
  acceptedAdvisories: nullable(distinct(advisory, itself, { max: MAX_ADVISORIES })),
  barredHardwareIds: hardwareIds,
  allowedHardwareIds: hardwareIds,
  maxAgeBlocks: blocks,
  refreshWindowBlocks: blocks,
  nonceWindowBlocks: count({ min: 1, max: MAX_NONCE_WINDOW_BLOCKS }),
  minimumDistinctPlatforms: count({ min: 1, max: MAX_DISTINCT_PLATFORMS }),
  sevSnp: nullable(snpRequirements),
  sgx: nullable(sgxRequirements),
  tdx: nullable(tdxRequirements),
  nitro: nullable(nitroRequirements),
});

/** Inverse of `appraisalPolicyToJson`: exactly the known members, each in range. Never throws. */
export function appraisalPolicyFromJson(value: JsonValue): Result<AppraisalPolicy, AppraisalPolicyCode> {
  const read = parseShape(policyShape, value, 'policy');
  if (!read.ok) return fail('POLICY_MALFORMED', read.detail);
  const { acceptedStatuses, sevSnp } = read.value;
  const unsafe = acceptedStatuses.find((status) => status === 'Revoked' || status === 'TcbNotSupported');
  if (unsafe !== undefined) return fail('POLICY_UNSAFE', `acceptedStatuses: ${unsafe}`);
  const safe = sevSnp === null ? ok(undefined) : checkLedgerSafety(sevSnp);
  return safe.ok ? read : safe;
}
