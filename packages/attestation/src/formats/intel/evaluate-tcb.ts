/**
 * The TCB status of a quote by Intel's rules: platform level, TDX module, quoting enclave, convergence, relaunch advice.
 */
import type { PckExtension } from './pck-extension.ts';
import type { ComponentLevel, PlatformLevel, TcbInfo, TdxModuleIdentity } from './tcb-info.ts';
import {
  type ComponentStatus,
  convergeStatus,
  type IntelTcbStatus,
  type PlatformStatus,
  relaunchStatus,
} from './tcb-status.ts';

/** Status of the whole and of its parts. */
export interface TcbEvaluation {
  readonly status: IntelTcbStatus;
  readonly platformStatus: PlatformStatus;
  /** Undefined for SGX. */
  readonly tdxModuleStatus: ComponentStatus | undefined;
  readonly qeStatus: ComponentStatus;
  /** Advisory ids of every matched level, sorted, each once. */
  readonly advisories: readonly string[];
  /** Date of the platform's level, in milliseconds of the Unix epoch; undefined when there is none. */
  readonly tcbDateMs: number | undefined;
}

/** SVNs of the TDX module and microcode: at launch, and for TD 1.5 those of now. */
export interface TdxSvns {
  readonly launch: Uint8Array;
  readonly current: Uint8Array | undefined;
}

/** Index of the minor and of the major version of the TDX module in TEE_TCB_SVN. */
const MODULE_MINOR = 0;
const MODULE_MAJOR = 1;

/** The identity of the TDX module's major version; undefined when TCB info has none, or the major version is 0. */
export function findModuleIdentity(tcbInfo: TcbInfo, teeTcbSvn: Uint8Array): TdxModuleIdentity | undefined {
  const major = teeTcbSvn[MODULE_MAJOR] ?? 0;
  if (major === 0) return undefined;
  const id = `TDX_${major.toString(16).padStart(2, '0').toUpperCase()}`;
  return tcbInfo.tdxModuleIdentities.find((identity) => identity.id === id);
}

/** Evaluates a quote whose signatures and identities stand. `tdx` is undefined for SGX. */
export function evaluateTcb(input: {
  readonly pck: Pick<PckExtension, 'components' | 'pceSvn'>;
  readonly tcbInfo: TcbInfo;
  readonly qeLevels: readonly ComponentLevel[];
  readonly qeIsvSvn: number;
  readonly tdx: TdxSvns | undefined;
}): TcbEvaluation {
  const { pck, tcbInfo, tdx } = input;
  const qeLevel = componentLevel(input.qeLevels, input.qeIsvSvn);
  const qeStatus = statusOf(qeLevel);
  const launch = evaluateAt(pck, tcbInfo, tdx?.launch, qeStatus);
  const current =
    tdx?.current === undefined ? undefined : evaluateAt(pck, tcbInfo, tdx.current, qeStatus).convergedStatus;
  const advisories = [launch.platform, launch.module, qeLevel].flatMap((level) => level?.advisories ?? []);
  return {
    status: current === undefined ? launch.convergedStatus : relaunchStatus(launch.convergedStatus, current),
    platformStatus: launch.platform?.status ?? 'TcbNotSupported',
    tdxModuleStatus: launch.moduleStatus,
    qeStatus,
    advisories: [...new Set(advisories)].sort(),
    tcbDateMs: launch.platform?.tcbDateMs,
  };
}

interface EvaluationAtSvns {
  readonly platform: PlatformLevel | undefined;
  readonly module: ComponentLevel | undefined;
  readonly moduleStatus: ComponentStatus | undefined;
  readonly convergedStatus: PlatformStatus;
}

function evaluateAt(
  pck: Pick<PckExtension, 'components' | 'pceSvn'>,
  tcbInfo: TcbInfo,
  teeTcbSvn: Uint8Array | undefined,
  qeStatus: ComponentStatus,
): EvaluationAtSvns {
  const platform = findPlatformLevel(pck, tcbInfo, teeTcbSvn);
  const module = teeTcbSvn === undefined ? undefined : moduleLevel(tcbInfo, teeTcbSvn);
  const moduleStatus = module?.status;
  const platformStatus = platform?.status ?? 'TcbNotSupported';
  const withModule = moduleStatus === undefined ? platformStatus : convergeStatus(platformStatus, moduleStatus);
  return {
    platform,
    module: module?.level,
    moduleStatus,
    convergedStatus: convergeStatus(withModule, qeStatus),
  };
}

/** The newest level of the platform that its SVNs reach. `teeTcbSvn` is undefined for SGX. */
export function findPlatformLevel(
  pck: Pick<PckExtension, 'components' | 'pceSvn'>,
  tcbInfo: TcbInfo,
  teeTcbSvn: Uint8Array | undefined,
): PlatformLevel | undefined {
  return tcbInfo.levels.find(
    (level) =>
      pck.components.every((svn, index) => svn >= (level.sgxComponents[index] ?? 256)) &&
      pck.pceSvn >= level.pceSvn &&
      (teeTcbSvn === undefined || reachesTdx(teeTcbSvn, level)),
  );
}

function reachesTdx(teeTcbSvn: Uint8Array, level: PlatformLevel): boolean {
  const from = firstPlatformPart(teeTcbSvn);
  return teeTcbSvn.every((svn, index) => index < from || svn >= (level.tdxComponents?.[index] ?? 256));
}

/** Part of TEE_TCB_SVN from which on the platform's levels judge: 2 when the module's own identity judges the first two. */
export function firstPlatformPart(teeTcbSvn: Uint8Array): number {
  return (teeTcbSvn[MODULE_MAJOR] ?? 0) > 0 ? 2 : 0;
}

/** A module of major version 0 has no levels of its own: the platform's judge it. */
function moduleLevel(
  tcbInfo: TcbInfo,
  teeTcbSvn: Uint8Array,
): { readonly status: ComponentStatus; readonly level: ComponentLevel | undefined } {
  if ((teeTcbSvn[MODULE_MAJOR] ?? 0) === 0) return { status: 'UpToDate', level: undefined };
  const identity = findModuleIdentity(tcbInfo, teeTcbSvn);
  const level = identity === undefined ? undefined : componentLevel(identity.levels, teeTcbSvn[MODULE_MINOR] ?? 0);
  return { status: statusOf(level), level };
}

/** The newest level that the SVN reaches. */
export function componentLevel(levels: readonly ComponentLevel[], isvSvn: number): ComponentLevel | undefined {
  return levels.find((level) => isvSvn >= level.isvSvn);
}

function statusOf(level: ComponentLevel | undefined): ComponentStatus {
  return level?.status ?? 'TcbNotSupported';
}
