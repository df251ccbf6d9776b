/**
 * What a relying party asks of an SGX or TDX platform beyond a genuine quote.
 */
import { fail, type JsonValue, ok, parseHex, type Result } from '@cloister/encoding';
import { distinctList, exactKeys } from '../../policy/json-fields.ts';

/** Requirements on the processor and what signs for it, the same for SGX and TDX. */
export interface SgxRequirements {
  /** Product lines that are refused, by FMSPC: 6 bytes of hex. */
  readonly barredFmspcs: readonly string[];
  /** Smallest tcbEvaluationDataNumber of TCB info and QE identity. */
  readonly minimumTcbEvaluationDataNumber: number;
  /** Smallest SVN of each of the 16 SGX TCB components, as the PCK certificate states them. */
  readonly minimumComponents: readonly number[];
  readonly minimumPceSvn: number;
  readonly minimumQeIsvSvn: number;
}

/** Requirements on a TD. */
export interface TdRequirements {
  /** Smallest value of each of the 16 parts of TEE_TCB_SVN, at launch and now. */
  readonly minimumTeeTcbSvn: readonly number[];
  /** Accept TDs that a migration TD may move. */
  readonly allowMigration: boolean;
  /** Accept TDs with bound service TDs (non-zero MRSERVICETD). */
  readonly allowServiceTd: boolean;
  /** Refuse TDs that get exceptions for pages which the host took away (SEPT_VE_DISABLE clear). */
  readonly requireSeptVeDisable: boolean;
  /** Accept TDs in which performance counters run. */
  readonly allowPerformanceMonitoring: boolean;
}

export interface TdxRequirements extends SgxRequirements, TdRequirements {}

/** Of either TEE. */
export type IntelRequirements = SgxRequirements | TdxRequirements;

/** Minimum SVNs that every platform meets. */
export const ANY_SVNS: readonly number[] = Array.from({ length: 16 }, () => 0);

const SGX_KEYS: readonly (keyof SgxRequirements)[] = [
  'barredFmspcs',
  'minimumTcbEvaluationDataNumber',
  'minimumComponents',
  'minimumPceSvn',
  'minimumQeIsvSvn',
];
const TDX_KEYS: readonly (keyof TdxRequirements)[] = [
  ...SGX_KEYS,
  'minimumTeeTcbSvn',
  'allowMigration',
  'allowServiceTd',
  'requireSeptVeDisable',
  'allowPerformanceMonitoring',
];
const MAX_BARRED_FMSPCS = 256;

/** JSON form of requirements: the same members. */
export function intelRequirementsToJson(requirements: IntelRequirements): JsonValue {
  const { barredFmspcs, minimumComponents, ...rest } = requirements;
  const lists = { barredFmspcs: [...barredFmspcs], minimumComponents: [...minimumComponents] };
  if (!('minimumTeeTcbSvn' in rest)) return { ...rest, ...lists };
  return { ...rest, ...lists, minimumTeeTcbSvn: [...rest.minimumTeeTcbSvn] };
}

/** Exactly the known members, each in range. */
export function sgxRequirementsFromJson(value: JsonValue): Result<SgxRequirements, 'POLICY_MALFORMED'> {
  const fields = exactKeys(value, SGX_KEYS);
  return fields === undefined ? fail('POLICY_MALFORMED', 'sgx: members') : readPlatform('sgx', fields);
}

/** Exactly the known members, each in range. */
export function tdxRequirementsFromJson(value: JsonValue): Result<TdxRequirements, 'POLICY_MALFORMED'> {
  const fields = exactKeys(value, TDX_KEYS);
  if (fields === undefined) return fail('POLICY_MALFORMED', 'tdx: members');
  const platform = readPlatform('tdx', fields);
  if (!platform.ok) return platform;
  const minimumTeeTcbSvn = sixteenSvns(fields.minimumTeeTcbSvn);
  if (minimumTeeTcbSvn === undefined) return fail('POLICY_MALFORMED', 'tdx.minimumTeeTcbSvn');
  const { allowMigration, allowServiceTd, requireSeptVeDisable, allowPerformanceMonitoring } = fields;
  if (typeof allowMigration !== 'boolean') return fail('POLICY_MALFORMED', 'tdx.allowMigration');
  if (typeof allowServiceTd !== 'boolean') return fail('POLICY_MALFORMED', 'tdx.allowServiceTd');
  if (typeof requireSeptVeDisable !== 'boolean') return fail('POLICY_MALFORMED', 'tdx.requireSeptVeDisable');
  if (typeof allowPerformanceMonitoring !== 'boolean') {
    return fail('POLICY_MALFORMED', 'tdx.allowPerformanceMonitoring');
  }
  const td = { minimumTeeTcbSvn, allowMigration, allowServiceTd, requireSeptVeDisable, allowPerformanceMonitoring };
  return ok({ ...platform.value, ...td });
}

function readPlatform(
  name: 'sgx' | 'tdx',
  fields: Readonly<Record<keyof SgxRequirements, JsonValue>>,
): Result<SgxRequirements, 'POLICY_MALFORMED'> {
  const { minimumTcbEvaluationDataNumber, minimumPceSvn, minimumQeIsvSvn } = fields;
  const barredFmspcs = distinctList(fields.barredFmspcs, isFmspc, MAX_BARRED_FMSPCS);
  if (barredFmspcs === undefined) return fail('POLICY_MALFORMED', `${name}.barredFmspcs`);
  const minimumComponents = sixteenSvns(fields.minimumComponents);
  if (minimumComponents === undefined) return fail('POLICY_MALFORMED', `${name}.minimumComponents`);
  if (!isCount(minimumTcbEvaluationDataNumber, 0xffff_ffff)) {
    return fail('POLICY_MALFORMED', `${name}.minimumTcbEvaluationDataNumber`);
  }
  if (!isCount(minimumPceSvn, 0xffff)) return fail('POLICY_MALFORMED', `${name}.minimumPceSvn`);
  if (!isCount(minimumQeIsvSvn, 0xffff)) return fail('POLICY_MALFORMED', `${name}.minimumQeIsvSvn`);
  return ok({ barredFmspcs, minimumTcbEvaluationDataNumber, minimumComponents, minimumPceSvn, minimumQeIsvSvn });
}

function isFmspc(value: JsonValue): value is string {
  return parseHex(value, 6) !== undefined;
}

function isCount(value: JsonValue | undefined, maximum: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maximum;
}

function sixteenSvns(value: JsonValue): readonly number[] | undefined {
  if (!Array.isArray(value) || value.length !== 16) return undefined;
  const svns: number[] = [];
  for (const svn of value as readonly JsonValue[]) {
    if (!isCount(svn, 255)) return undefined;
    svns.push(svn);
  }
  return svns;
}
