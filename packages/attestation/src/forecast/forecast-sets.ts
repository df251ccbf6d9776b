/**
 * Sets of endorsements to forecast against: which of those at hand are about a platform, and what they leave as it is.
 */
import { toHex } from '@cloister/encoding';
import type { EvidenceEndorsements } from '../endorsements/endorsement-files.ts';
import { endorsementNeeds } from '../endorsements/endorsement-needs.ts';
import { detectEvidenceFormat } from '../evidence/evidence-format.ts';
import type { IntelCollateral } from '../formats/intel/collateral.ts';
import { parseTcbInfo } from '../formats/intel/tcb-info.ts';

/** The first of several endorsements whose TCB info is about the processor of an Intel quote; undefined for other evidence. */
export function endorsementsAbout(
  evidence: Uint8Array,
  offered: readonly EvidenceEndorsements[],
): EvidenceEndorsements | undefined {
  const platform = detectEvidenceFormat(evidence);
  if (platform !== 'sgx' && platform !== 'tdx') return undefined;
  const needs = endorsementNeeds({ platform, report: evidence });
  if (!needs.ok || !('fmspc' in needs.value)) return undefined;
  const { fmspc } = needs.value;
  return offered.find(({ collateral }) => {
    const info = collateral?.tcbInfo === undefined ? undefined : parseTcbInfo(collateral.tcbInfo.bytes);
    if (info === undefined || !('value' in info)) return false;
    return toHex(info.value.fmspc) === fmspc && info.value.id === platform.toUpperCase();
  });
}

/** Another set in place of the held one; what it does not bring (CRLs, mostly) stays as held. */
export function inPlaceOf(held: EvidenceEndorsements, other: EvidenceEndorsements): EvidenceEndorsements {
  return {
    certificates: other.certificates.length === 0 ? held.certificates : other.certificates,
    crls: other.crls.length === 0 ? held.crls : other.crls,
    collateral: collateralInPlaceOf(held.collateral, other.collateral),
  };
}

function collateralInPlaceOf(
  held: IntelCollateral | undefined,
  other: IntelCollateral | undefined,
): IntelCollateral | undefined {
  if (held === undefined || other === undefined) return other ?? held;
  return {
    tcbInfo: other.tcbInfo ?? held.tcbInfo,
    qeIdentity: other.qeIdentity ?? held.qeIdentity,
    rootCrl: other.rootCrl ?? held.rootCrl,
    pckCrl: other.pckCrl ?? held.pckCrl,
    pckCrlIssuerChain: other.pckCrl === undefined ? held.pckCrlIssuerChain : other.pckCrlIssuerChain,
  };
}
