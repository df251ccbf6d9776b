/**
 * The appraisal policy: canonical JSON in the genesis, changed by events, the same for every replica.
 */

import { hash } from '@cloister/crypto';
import { canonicalJson, type Digest, fail, type JsonValue, ok, parseHex, type Result, utf8 } from '@cloister/encoding';
import type { EvidenceRequirements } from '../appraisal/requirements.ts';
import {
  intelRequirementsToJson,
  sgxRequirementsFromJson,
  tdxRequirementsFromJson,
} from '../formats/intel/requirements.ts';
import { type IntelTcbStatus, isIntelTcbStatus } from '../formats/intel/tcb-status.ts';
import { nitroRequirementsFromJson, nitroRequirementsToJson } from '../formats/nitro/requirements.ts';
import { snpRequirementsFromJson, snpRequirementsToJson } from '../formats/sev-snp/requirements.ts';
import { distinctList, exactKeys } from './json-fields.ts';

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

const KEYS: readonly (keyof AppraisalPolicy)[] = [
  'schema',
  'acceptedStatuses',
  'acceptedAdvisories',
  'barredHardwareIds',
  'allowedHardwareIds',
  'maxAgeBlocks',
  'refreshWindowBlocks',
  'nonceWindowBlocks',
  'minimumDistinctPlatforms',
  'sevSnp',
  'sgx',
  'tdx',
  'nitro',
];
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

/** Inverse of `appraisalPolicyToJson`: exactly the known members, each in range. Never throws. */
export function appraisalPolicyFromJson(value: JsonValue): Result<AppraisalPolicy, AppraisalPolicyCode> {
  const fields = exactKeys(value, KEYS);
  if (fields === undefined) return fail('POLICY_MALFORMED', 'members');
  const { schema, maxAgeBlocks, refreshWindowBlocks, nonceWindowBlocks, minimumDistinctPlatforms } = fields;
  if (schema !== APPRAISAL_POLICY_SCHEMA) return fail('POLICY_MALFORMED', 'schema');
  const acceptedStatuses = distinctList(fields.acceptedStatuses, isStatus, MAX_STATUSES);
  if (acceptedStatuses === undefined) return fail('POLICY_MALFORMED', 'acceptedStatuses');
  const unsafe = acceptedStatuses.find((status) => status === 'Revoked' || status === 'TcbNotSupported');
  if (unsafe !== undefined) return fail('POLICY_UNSAFE', `acceptedStatuses: ${unsafe}`);
  const acceptedAdvisories = orNull(fields.acceptedAdvisories, (list) =>
    distinctList(list, isAdvisory, MAX_ADVISORIES),
  );
  if (acceptedAdvisories === undefined) return fail('POLICY_MALFORMED', 'acceptedAdvisories');
  const barredHardwareIds = distinctList(fields.barredHardwareIds, isHardwareId, MAX_HARDWARE_IDS);
  if (barredHardwareIds === undefined) return fail('POLICY_MALFORMED', 'barredHardwareIds');
  const allowedHardwareIds = distinctList(fields.allowedHardwareIds, isHardwareId, MAX_HARDWARE_IDS);
  if (allowedHardwareIds === undefined) return fail('POLICY_MALFORMED', 'allowedHardwareIds');
  if (!isBlockCount(maxAgeBlocks)) return fail('POLICY_MALFORMED', 'maxAgeBlocks');
  if (!isBlockCount(refreshWindowBlocks)) return fail('POLICY_MALFORMED', 'refreshWindowBlocks');
  if (!isBlockCount(nonceWindowBlocks) || nonceWindowBlocks > MAX_NONCE_WINDOW_BLOCKS)
    return fail('POLICY_MALFORMED', 'nonceWindowBlocks');
  if (!isBlockCount(minimumDistinctPlatforms) || minimumDistinctPlatforms > MAX_DISTINCT_PLATFORMS) {
    return fail('POLICY_MALFORMED', 'minimumDistinctPlatforms');
  }
  const sevSnp = fields.sevSnp === null ? ok(null) : snpRequirementsFromJson(fields.sevSnp);
  if (!sevSnp.ok) return sevSnp;
  const sgx = fields.sgx === null ? ok(null) : sgxRequirementsFromJson(fields.sgx);
  if (!sgx.ok) return sgx;
  const tdx = fields.tdx === null ? ok(null) : tdxRequirementsFromJson(fields.tdx);
  if (!tdx.ok) return tdx;
  const nitro = fields.nitro === null ? ok(null) : nitroRequirementsFromJson(fields.nitro);
  if (!nitro.ok) return nitro;
  return ok({
    schema,
    acceptedStatuses,
    acceptedAdvisories,
    barredHardwareIds,
    allowedHardwareIds,
    maxAgeBlocks,
    refreshWindowBlocks,
    nonceWindowBlocks,
    minimumDistinctPlatforms,
    sevSnp: sevSnp.value,
    sgx: sgx.value,
    tdx: tdx.value,
    nitro: nitro.value,
  });
}

function orNull<T>(value: JsonValue, read: (value: JsonValue) => T | undefined): T | null | undefined {
  return value === null ? null : read(value);
}

function isStatus(value: JsonValue): value is IntelTcbStatus {
  return isIntelTcbStatus(value);
}

function isAdvisory(value: JsonValue): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(value);
}

function isHardwareId(value: JsonValue): value is string {
  const bytes = parseHex(value);
  return bytes !== undefined && bytes.length > 0 && bytes.length <= HARDWARE_ID_BYTES_MAX;
}

function isBlockCount(value: JsonValue): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_BLOCKS;
}
