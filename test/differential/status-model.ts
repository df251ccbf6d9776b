/**
 * The TCB status with some of Intel's rules left out. With all of them left out it is what dcap-qvl says, so that each
 * difference in status is explained by the rules that make it.
 */

import type { TrustAnchors } from '@cloister/attestation';
import { parseIntelCollateral, verifyIntelQuote } from '@cloister/attestation';
import { findModuleIdentity } from '../../packages/attestation/src/formats/intel/evaluate-tcb.ts';
import { parseQeIdentity } from '../../packages/attestation/src/formats/intel/qe-identity.ts';
import { parseTcbInfo } from '../../packages/attestation/src/formats/intel/tcb-info.ts';
import {
  convergeStatus,
  INTEL_TCB_STATUSES,
  type IntelTcbStatus,
  type PlatformStatus,
  relaunchStatus,
} from '../../packages/attestation/src/formats/intel/tcb-status.ts';
import { advisoriesOf, type Input, type Opinion, REFUSED_STATUSES } from './both-verifiers.ts';

/** Rules of Intel's that dcap-qvl does not follow. */
export const STATUS_RULES = ['tdx-components', 'tdx-module', 'convergence', 'relaunch'] as const;

export type StatusRule = (typeof STATUS_RULES)[number];

/** The worse of two, as dcap-qvl ranks them. */
function worse(a: PlatformStatus, b: PlatformStatus): PlatformStatus {
  return INTEL_TCB_STATUSES.indexOf(a) > INTEL_TCB_STATUSES.indexOf(b) ? a : b;
}

/** The opinion of a verifier that follows these rules only; undefined for a quote that is not genuine. */
export function opinionUnder(
  rules: ReadonlySet<StatusRule>,
  { quote, text, atMs }: Input,
  trustAnchors: TrustAnchors,
): Opinion | undefined {
  const collateral = parseIntelCollateral(text);
  const verified = verifyIntelQuote({
    quote,
    collateral: collateral.ok ? collateral.value : undefined,
    trustAnchors,
    atMs,
  });
  if (!collateral.ok || !verified.ok) return undefined;
  const none = new Uint8Array();
  const tcbInfo = parseTcbInfo(collateral.value.tcbInfo?.bytes ?? none);
  const identity = parseQeIdentity(collateral.value.qeIdentity?.bytes ?? none);
  if ('refused' in tcbInfo || 'refused' in identity) return undefined;
  const { body, qeReport } = verified.value.quote;
  const { components, pceSvn } = verified.value.pck;
  const join = rules.has('convergence') ? convergeStatus : worse;
  const qeLevel = identity.value.levels.find(({ isvSvn }) => qeReport.isvSvn >= isvSvn);

  const at = (svns: Uint8Array | undefined) => {
    const major = svns?.[1] ?? 0;
    const from = rules.has('tdx-components') && major > 0 ? 2 : 0;
    const platform = tcbInfo.value.levels.find(
      (level) =>
        components.every((svn, index) => svn >= (level.sgxComponents[index] ?? 256)) &&
        pceSvn >= level.pceSvn &&
        (svns === undefined || svns.every((svn, i) => i < from || svn >= (level.tdxComponents?.[i] ?? 256))),
    );
    const hasModule = rules.has('tdx-module') && svns !== undefined && major > 0;
    const levels = hasModule ? findModuleIdentity(tcbInfo.value, svns)?.levels : undefined;
    const module = levels?.find(({ isvSvn }) => (svns?.[0] ?? 0) >= isvSvn);
    let status: PlatformStatus = platform?.status ?? 'TcbNotSupported';
    if (hasModule) status = join(status, module?.status ?? 'TcbNotSupported');
    return { status: join(status, qeLevel?.status ?? 'TcbNotSupported'), platform, module };
  };

  const launch = at(body.tee === 'tdx' ? body.report.teeTcbSvn : undefined);
  const now = body.tee === 'tdx' && rules.has('relaunch') ? body.report.teeTcbSvn2 : undefined;
  const status: IntelTcbStatus = now === undefined ? launch.status : relaunchStatus(launch.status, at(now).status);
  if (REFUSED_STATUSES.includes(status)) return { status: undefined, refusal: status };
  const levels = [launch.platform, launch.module, qeLevel];
  return { status, advisories: advisoriesOf(levels.flatMap((level) => level?.advisories ?? [])) };
}
