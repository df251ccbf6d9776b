/**
 * What a relying party asks of an SGX or TDX platform beyond a genuine quote.
 */
import type { JsonValue } from '@cloister/encoding';
import { array, bool, count, distinct, hex, object, type Shape } from '@cloister/encoding/shape';

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

const MAX_BARRED_FMSPCS = 256;

/** JSON form of requirements: the same members. */
export function intelRequirementsToJson(requirements: IntelRequirements): JsonValue {
  const { barredFmspcs, minimumComponents, ...rest } = requirements;
  const lists = { barredFmspcs: [...barredFmspcs], minimumComponents: [...minimumComponents] };
  if (!('minimumTeeTcbSvn' in rest)) return { ...rest, ...lists };
  return { ...rest, ...lists, minimumTeeTcbSvn: [...rest.minimumTeeTcbSvn] };
}

const sixteenSvns = array(count({ max: 255 }), { min: 16, max: 16 });
const platform = {
  barredFmspcs: distinct(hex(6), (fmspc) => fmspc, { max: MAX_BARRED_FMSPCS }),
  minimumTcbEvaluationDataNumber: count({ max: 0xffff_ffff }),
  minimumComponents: sixteenSvns,
  minimumPceSvn: count({ max: 0xffff }),
  minimumQeIsvSvn: count({ max: 0xffff }),
};

/** Exactly the known members, each in range. */
export const sgxRequirements: Shape<SgxRequirements> = object<SgxRequirements>(platform);

/** Exactly the known members, each in range. */
export const tdxRequirements: Shape<TdxRequirements> = object<TdxRequirements>({
  ...platform,
  minimumTeeTcbSvn: sixteenSvns,
  allowMigration: bool,
  allowServiceTd: bool,
  requireSeptVeDisable: bool,
  allowPerformanceMonitoring: bool,
});
