/**
 * Which SVNs of genuine evidence are short: of the newest level that the vendor (Intel) or the policy (for AMD, who
 * publishes no levels) knows, and of the minimum that the policy asks for.
 */
import type { EvidenceEndorsements } from '../endorsements/endorsement-files.ts';
import type { VerifiedEvidence } from '../evidence/verified-evidence.ts';
import { type ComponentTypes, readComponentTypes } from '../formats/intel/component-types.ts';
import {
  componentLevel,
  findModuleIdentity,
  findPlatformLevel,
  firstPlatformPart,
} from '../formats/intel/evaluate-tcb.ts';
import { parseQeIdentity } from '../formats/intel/qe-identity.ts';
import type { SgxRequirements, TdxRequirements } from '../formats/intel/requirements.ts';
import { type ComponentLevel, type PlatformLevel, parseTcbInfo, type TcbInfo } from '../formats/intel/tcb-info.ts';
import type { IntelTcbStatus } from '../formats/intel/tcb-status.ts';
import type { VerifiedIntel } from '../formats/intel/verify.ts';
import { SNP_TCB_COMPONENTS, type SnpTcb } from '../formats/sev-snp/tcb.ts';
import type { VerifiedSnp } from '../formats/sev-snp/verify.ts';
import type { EvidenceRequirements } from './requirements.ts';

/** An SVN that is below another. */
export interface ShortSvn {
  /**
   * 'SGX TCB component 1' to '16', 'PCESVN', 'TEE_TCB_SVN part 0' to '15' (of launch), 'TEE_TCB_SVN2 part …' (of now),
   * 'TDX module SVN', 'TDX module SVN now', 'ISVSVN of the quoting enclave', 'tcbEvaluationDataNumber'; for SEV-SNP the
   * names of `SnpTcb`, with ' at launch' for the launch TCB.
   */
  readonly component: string;
  /** Intel's words for the component, such as 'BIOS: Early Microcode Update'. */
  readonly type?: string;
  readonly have: number;
  readonly need: number;
}

/** A part of the platform whose levels are counted by themselves. */
export interface ComponentTcb {
  readonly part: 'platform' | 'tdx-module' | 'quoting-enclave';
  /** Status of the level that it reaches. */
  readonly status: IntelTcbStatus;
  /** Date of that level, in milliseconds of the Unix epoch; undefined for AMD, and where no level is reached. */
  readonly levelDateMs: number | undefined;
  readonly newestStatus: IntelTcbStatus;
  readonly newestDateMs: number | undefined;
  /** Short of the newest level. */
  readonly short: readonly ShortSvn[];
}

/** How each part stands. `endorsements` are those with which the evidence was verified. Empty for Nitro. */
export function componentTcbs(
  verified: VerifiedEvidence,
  endorsements: EvidenceEndorsements,
  requirements: EvidenceRequirements,
): readonly ComponentTcb[] {
  switch (verified.format) {
    case 'sev-snp':
      return snpComponents(verified.value, requirements);
    case 'sgx':
    case 'tdx':
      return intelComponents(verified.value, endorsements);
    case 'nitro':
      return [];
  }
}

/** Every SVN below the policy's minimum; empty for a platform that the policy does not accept at all. */
export function shortOfMinimum(verified: VerifiedEvidence, requirements: EvidenceRequirements): readonly ShortSvn[] {
  switch (verified.format) {
    case 'sev-snp': {
      const { product, tcb } = verified.value;
      const levels = requirements.sevSnp?.products[product];
      if (levels === undefined) return [];
      return [...snpShort(tcb.reported, levels.minimumTcb), ...snpShort(tcb.launch, levels.minimumTcb, ' at launch')];
    }
    case 'sgx':
      return requirements.sgx === null ? [] : intelShortOfMinimum(verified.value, requirements.sgx);
    case 'tdx':
      return requirements.tdx === null ? [] : tdxShortOfMinimum(verified.value, requirements.tdx);
    case 'nitro':
      return [];
  }
}

function snpComponents({ product, tcb }: VerifiedSnp, { sevSnp }: EvidenceRequirements): readonly ComponentTcb[] {
  const levels = sevSnp?.products[product];
  if (levels === undefined) return [];
  const short = snpShort(tcb.reported, levels.upToDateTcb);
  const status = short.length === 0 ? 'UpToDate' : 'OutOfDate';
  return [
    { part: 'platform', status, levelDateMs: undefined, newestStatus: 'UpToDate', newestDateMs: undefined, short },
  ];
}

function snpShort(tcb: SnpTcb, floor: SnpTcb, suffix = ''): readonly ShortSvn[] {
  return SNP_TCB_COMPONENTS.filter((name) => tcb[name] < floor[name]).map((name) => ({
    component: `${name}${suffix}`,
    have: tcb[name],
    need: floor[name],
  }));
}

function intelComponents(verified: VerifiedIntel, { collateral }: EvidenceEndorsements): readonly ComponentTcb[] {
  const tcbInfoBytes = collateral?.tcbInfo?.bytes ?? new Uint8Array();
  const tcbInfo = parseTcbInfo(tcbInfoBytes);
  const identity = parseQeIdentity(collateral?.qeIdentity?.bytes ?? new Uint8Array());
  if (!('value' in tcbInfo) || !('value' in identity)) return [];
  const { quote, tcb } = verified;
  const { isvSvn } = quote.qeReport;
  const platform = platformTcb(verified, tcbInfo.value, readComponentTypes(tcbInfoBytes));
  const quotingEnclave = componentTcb('quoting-enclave', tcb.qeStatus, identity.value.levels, [
    ['ISVSVN of the quoting enclave', isvSvn],
  ]);
  return [platform, ...moduleTcb(verified, tcbInfo.value), quotingEnclave].filter((part) => part !== undefined);
}

function platformTcb(
  { quote: { body }, pck, tcb }: VerifiedIntel,
  tcbInfo: TcbInfo,
  types: ComponentTypes,
): ComponentTcb | undefined {
  const [newest] = tcbInfo.levels;
  if (newest === undefined) return undefined;
  const td = body.tee === 'tdx' ? body.report : undefined;
  const short: ShortSvn[] = [
    ...shortOf('SGX TCB component', 1, pck.components, newest.sgxComponents, types.sgx),
    ...below('PCESVN', pck.pceSvn, newest.pceSvn),
    ...tdxShort('TEE_TCB_SVN part', td?.teeTcbSvn, newest, types),
    ...tdxShort('TEE_TCB_SVN2 part', td?.teeTcbSvn2, newest, types),
  ];
  return {
    part: 'platform',
    status: tcb.platformStatus,
    levelDateMs: findPlatformLevel(pck, tcbInfo, td?.teeTcbSvn)?.tcbDateMs,
    newestStatus: newest.status,
    newestDateMs: newest.tcbDateMs,
    short,
  };
}

function tdxShort(
  component: string,
  svns: Uint8Array | undefined,
  { tdxComponents = [] }: PlatformLevel,
  types: ComponentTypes,
): readonly ShortSvn[] {
  if (svns === undefined) return [];
  const from = firstPlatformPart(svns);
  return shortOf(component, 0, [...svns], tdxComponents, types.tdx, from);
}

/** The TDX module by its own levels; nothing for SGX, and for a module of major version 0, which the platform's judge. */
function moduleTcb({ quote: { body }, tcb }: VerifiedIntel, tcbInfo: TcbInfo): readonly ComponentTcb[] {
  if (body.tee === 'sgx' || tcb.tdxModuleStatus === undefined) return [];
  const { teeTcbSvn, teeTcbSvn2 } = body.report;
  const identity = findModuleIdentity(tcbInfo, teeTcbSvn);
  if (identity === undefined) return [];
  const isSameModule = teeTcbSvn2 !== undefined && teeTcbSvn2[1] === teeTcbSvn[1];
  const module = componentTcb('tdx-module', tcb.tdxModuleStatus, identity.levels, [
    ['TDX module SVN', teeTcbSvn[0] ?? 0],
    ...(isSameModule ? [['TDX module SVN now', teeTcbSvn2[0] ?? 0] as const] : []),
  ]);
  return module === undefined ? [] : [module];
}

/** The first SVN is the one that is judged. */
function componentTcb(
  part: 'tdx-module' | 'quoting-enclave',
  status: IntelTcbStatus,
  levels: readonly ComponentLevel[],
  svns: readonly (readonly [component: string, have: number])[],
): ComponentTcb | undefined {
  const [newest] = levels;
  if (newest === undefined) return undefined;
  return {
    part,
    status,
    levelDateMs: componentLevel(levels, svns[0]?.[1] ?? 0)?.tcbDateMs,
    newestStatus: newest.status,
    newestDateMs: newest.tcbDateMs,
    short: svns.flatMap(([component, have]) => below(component, have, newest.isvSvn)),
  };
}

function intelShortOfMinimum(
  { pck, quote, tcbEvaluationDataNumbers: { tcbInfo, qeIdentity } }: VerifiedIntel,
  requirements: SgxRequirements,
): readonly ShortSvn[] {
  const number = Math.min(tcbInfo, qeIdentity);
  return [
    ...below('tcbEvaluationDataNumber', number, requirements.minimumTcbEvaluationDataNumber),
    ...shortOf('SGX TCB component', 1, pck.components, requirements.minimumComponents, []),
    ...below('PCESVN', pck.pceSvn, requirements.minimumPceSvn),
    ...below('ISVSVN of the quoting enclave', quote.qeReport.isvSvn, requirements.minimumQeIsvSvn),
  ];
}

function tdxShortOfMinimum(verified: VerifiedIntel, requirements: TdxRequirements): readonly ShortSvn[] {
  const { body } = verified.quote;
  const { minimumTeeTcbSvn: minimum } = requirements;
  const { teeTcbSvn = [], teeTcbSvn2 = [] } = body.tee === 'tdx' ? body.report : {};
  return [
    ...intelShortOfMinimum(verified, requirements),
    ...shortOf('TEE_TCB_SVN part', 0, [...teeTcbSvn], minimum, []),
    ...shortOf('TEE_TCB_SVN2 part', 0, [...teeTcbSvn2], minimum, []),
  ];
}

/** `first`: number of the first component; `from`: index of the first that is compared. */
function shortOf(
  component: string,
  first: number,
  have: readonly number[],
  need: readonly number[],
  types: readonly (string | undefined)[],
  from = 0,
): readonly ShortSvn[] {
  return have.flatMap((svn, index) =>
    index < from ? [] : below(`${component} ${index + first}`, svn, need[index] ?? 0, types[index]),
  );
}

function below(component: string, have: number, need: number, type?: string): readonly ShortSvn[] {
  if (have >= need) return [];
  return [type === undefined ? { component, have, need } : { component, type, have, need }];
}
