/**
 * The appraisal policy: canonical JSON in the genesis, changed by events, the same for every replica.
 */
import {
  canonicalJson,
  type Digest,
  fail,
  hash,
  type JsonValue,
  ok,
  parseHex,
  type Result,
  utf8,
} from '@cloister/crypto';
import {
  type SnpRequirements,
  snpRequirementsFromJson,
  snpRequirementsToJson,
} from './formats/sev-snp/requirements.ts';
import { distinctList, exactKeys } from './json-fields.ts';

/** How a platform's TCB stands against the policy's levels. A level that the policy refuses outright has no status. */
export type TcbStatus = 'UpToDate' | 'OutOfDate';

/** What the ledger accepts. Ages are counted in blocks. */
export interface AppraisalPolicy {
  readonly schema: typeof APPRAISAL_POLICY_SCHEMA;
  readonly acceptedStatuses: readonly TcbStatus[];
  /** Hardware ids (hex) that are refused, whatever they prove. */
  readonly barredHardwareIds: readonly string[];
  /** A result lapses this many blocks after it was accepted. */
  readonly maxAgeBlocks: number;
  /** A result lapses when its last refresh is older than this. */
  readonly refreshWindowBlocks: number;
  /** The block whose hash is the nonce may be this far behind the block that admits the evidence. */
  readonly nonceWindowBlocks: number;
  readonly sevSnp: SnpRequirements;
}

export const APPRAISAL_POLICY_SCHEMA = 'cloister/appraisal-policy/v1';

/** Why a policy is refused. POLICY_UNSAFE: well-formed, but switches off what the ledger may never do without. */
export type AppraisalPolicyCode = 'POLICY_MALFORMED' | 'POLICY_UNSAFE';

const KEYS: readonly (keyof AppraisalPolicy)[] = [
  'schema',
  'acceptedStatuses',
  'barredHardwareIds',
  'maxAgeBlocks',
  'refreshWindowBlocks',
  'nonceWindowBlocks',
  'sevSnp',
];
const MAX_BARRED_HARDWARE_IDS = 4096;
const HARDWARE_ID_BYTES_MAX = 64;

/** JSON form; its canonical text is what stands in the genesis and what `policyDigest` covers. */
export function appraisalPolicyToJson(policy: AppraisalPolicy): JsonValue {
  return {
    schema: policy.schema,
    acceptedStatuses: [...policy.acceptedStatuses],
    barredHardwareIds: [...policy.barredHardwareIds],
    maxAgeBlocks: policy.maxAgeBlocks,
    refreshWindowBlocks: policy.refreshWindowBlocks,
    nonceWindowBlocks: policy.nonceWindowBlocks,
    sevSnp: snpRequirementsToJson(policy.sevSnp),
  };
}

/** Names a policy: hash over its canonical JSON. */
export function policyDigest(policy: AppraisalPolicy): Digest {
  return hash('cloister/appraisal-policy/v1', utf8(canonicalJson(appraisalPolicyToJson(policy))));
}

/** Inverse of `appraisalPolicyToJson`: exactly the known members, each in range. Never throws. */
export function appraisalPolicyFromJson(value: JsonValue): Result<AppraisalPolicy, AppraisalPolicyCode> {
  const fields = exactKeys(value, KEYS);
  if (fields === undefined) return fail('POLICY_MALFORMED', 'members');
  const { schema, maxAgeBlocks, refreshWindowBlocks, nonceWindowBlocks } = fields;
  if (schema !== APPRAISAL_POLICY_SCHEMA) return fail('POLICY_MALFORMED', 'schema');
  const acceptedStatuses = distinctList(fields.acceptedStatuses, isTcbStatus, 8);
  if (acceptedStatuses === undefined) return fail('POLICY_MALFORMED', 'acceptedStatuses');
  const barredHardwareIds = distinctList(fields.barredHardwareIds, isHardwareId, MAX_BARRED_HARDWARE_IDS);
  if (barredHardwareIds === undefined) return fail('POLICY_MALFORMED', 'barredHardwareIds');
  if (!isBlockCount(maxAgeBlocks)) return fail('POLICY_MALFORMED', 'maxAgeBlocks');
  if (!isBlockCount(refreshWindowBlocks)) return fail('POLICY_MALFORMED', 'refreshWindowBlocks');
  if (!isBlockCount(nonceWindowBlocks)) return fail('POLICY_MALFORMED', 'nonceWindowBlocks');
  const sevSnp = snpRequirementsFromJson(fields.sevSnp);
  if (!sevSnp.ok) return sevSnp;
  return ok({
    schema,
    acceptedStatuses,
    barredHardwareIds,
    maxAgeBlocks,
    refreshWindowBlocks,
    nonceWindowBlocks,
    sevSnp: sevSnp.value,
  });
}

function isTcbStatus(value: JsonValue): value is TcbStatus {
  return value === 'UpToDate' || value === 'OutOfDate';
}

function isHardwareId(value: JsonValue): value is string {
  const bytes = parseHex(value);
  return bytes !== undefined && bytes.length > 0 && bytes.length <= HARDWARE_ID_BYTES_MAX;
}

function isBlockCount(value: JsonValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}
