/**
 * Where one policy lets in what another keeps out. Tightening never waits; what loosens does.
 *
 * Each table names every member of its type, so that a member that is added cannot be forgotten here.
 */

import type { SgxRequirements, TdRequirements } from '../formats/intel/requirements.ts';
import type { NitroRequirements } from '../formats/nitro/requirements.ts';
import { isSnpProduct } from '../formats/sev-snp/product.ts';
import type { SnpRequirements } from '../formats/sev-snp/requirements.ts';
import { componentBelow } from '../formats/sev-snp/tcb.ts';
import type { AppraisalPolicy } from './appraisal-policy.ts';

type IsLooser<T> = (current: T, next: T) => boolean;
type Table<T> = { readonly [K in keyof T]-?: IsLooser<T[K]> };

const never = (): boolean => false;
const more: IsLooser<number> = (current, next) => next > current;
const less: IsLooser<number> = (current, next) => next < current;
const someLess: IsLooser<readonly number[]> = (current, next) => next.some((svn, index) => svn < (current[index] ?? 0));
const switchedOn: IsLooser<boolean> = (current, next) => next && !current;
const switchedOff: IsLooser<boolean> = (current, next) => current && !next;
const gained: IsLooser<readonly string[]> = (current, next) => next.some((element) => !current.includes(element));
const lost: IsLooser<readonly string[]> = (current, next) => gained(next, current);
/** For lists where an empty list accepts anything. */
const gainedOrEmptied: IsLooser<readonly string[]> = (current, next) =>
  current.length > 0 && (next.length === 0 || gained(current, next));

const SEV_SNP: Table<SnpRequirements> = {
  products: (current, next) =>
    Object.keys(next).some((name) => {
      if (!isSnpProduct(name)) return false;
      const [before, after] = [current[name], next[name]];
      if (after === undefined) return false;
      if (before === undefined) return true;
      return (
        componentBelow(after.minimumTcb, before.minimumTcb) !== undefined ||
        componentBelow(after.upToDateTcb, before.upToDateTcb) !== undefined
      );
    }),
  requireCrl: switchedOff,
  allowVlek: switchedOn,
  allowMaskedChipId: switchedOn,
  allowMigrationAgent: switchedOn,
  maximumVmpl: more,
  requireAliasCheck: switchedOff,
  requireCiphertextHiding: switchedOff,
  refuseSmt: switchedOff,
  idKeyDigests: gainedOrEmptied,
};

const SGX: Table<SgxRequirements> = {
  barredFmspcs: lost,
  minimumTcbEvaluationDataNumber: less,
  minimumComponents: someLess,
  minimumPceSvn: less,
  minimumQeIsvSvn: less,
};

const TDX: Table<SgxRequirements & TdRequirements> = {
  ...SGX,
  minimumTeeTcbSvn: someLess,
  allowMigration: switchedOn,
  allowServiceTd: switchedOn,
  requireSeptVeDisable: switchedOff,
  allowPerformanceMonitoring: switchedOn,
};

const NITRO: Table<NitroRequirements> = { imageSigners: gainedOrEmptied };

/** A platform that was not accepted and is now is looser as a whole. */
function platform<T>(table: Table<T>): IsLooser<T | null> {
  return (current, next) => {
    if (next === null) return false;
    return current === null || looserMembers(table, current, next).length > 0;
  };
}

const POLICY: Table<AppraisalPolicy> = {
  schema: never,
  acceptedStatuses: gained,
  acceptedAdvisories: (current, next) => current !== null && (next === null || gained(current, next)),
  barredHardwareIds: lost,
  allowedHardwareIds: gainedOrEmptied,
  maxAgeBlocks: more,
  refreshWindowBlocks: more,
  nonceWindowBlocks: more,
  minimumDistinctPlatforms: less,
  sevSnp: platform(SEV_SNP),
  sgx: platform(SGX),
  tdx: platform(TDX),
  nitro: platform(NITRO),
};

function looserMembers<T>(table: Table<T>, current: T, next: T): readonly (keyof T & string)[] {
  const names = Object.keys(table) as (keyof T & string)[];
  return names.filter((name) => table[name](current[name], next[name]));
}

/** The members by which `next` lets in what `current` keeps out; empty when `next` is nowhere looser. */
export function loosenings(current: AppraisalPolicy, next: AppraisalPolicy): readonly (keyof AppraisalPolicy)[] {
  return looserMembers(POLICY, current, next);
}
