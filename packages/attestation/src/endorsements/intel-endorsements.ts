/**
 * Intel's collateral as endorsements, and back: statements share one signer's chain, which then travels once.
 */
import { equalBytes, fail, ok, type Result } from '@cloister/encoding';
import type { Endorsements } from '../evidence/evidence.ts';
import type { IntelCollateral } from '../formats/intel/collateral.ts';
import type { EvidenceEndorsements } from './endorsement-files.ts';

/** Certificates of the signer of statements: itself and the root. */
const SIGNER_CHAIN_LENGTH = 2;

export type CollateralCode = 'COLLATERAL_INCOMPLETE' | 'COLLATERAL_CHAINS_DIFFER';

/** Collateral in the form that travels with evidence: no issuer of PCK certificates, whom the quote names itself. */
export function endorsementsOfCollateral(collateral: IntelCollateral): Result<Endorsements, CollateralCode> {
  const { tcbInfo, qeIdentity, rootCrl, pckCrl } = collateral;
  if (tcbInfo === undefined || qeIdentity === undefined || rootCrl === undefined || pckCrl === undefined) {
    return fail('COLLATERAL_INCOMPLETE');
  }
  const certificates = tcbInfo.issuerChain;
  const isShared =
    certificates.length === qeIdentity.issuerChain.length &&
    certificates.every((der, index) => equalBytes(der, qeIdentity.issuerChain[index] ?? new Uint8Array()));
  if (!isShared) return fail('COLLATERAL_CHAINS_DIFFER');
  const statements = [tcbInfo, qeIdentity].map(({ bytes, signature }) => ({ bytes, signature }));
  return ok({ certificates, crls: [rootCrl, pckCrl], statements });
}

/** Whatever of the collateral the endorsements hold; the check that needs what is missing refuses it. */
export function intelCollateralOf({ certificates, crls, statements = [] }: Endorsements): IntelCollateral {
  const issuerChain = certificates.slice(0, SIGNER_CHAIN_LENGTH);
  const [tcbInfo, qeIdentity] = statements;
  const [rootCrl, pckCrl] = crls;
  return {
    tcbInfo: tcbInfo === undefined ? undefined : { ...tcbInfo, issuerChain },
    qeIdentity: qeIdentity === undefined ? undefined : { ...qeIdentity, issuerChain },
    rootCrl,
    pckCrl,
  };
}

/** A bundle's endorsements as verifiers take them. Without statements there is no collateral at all, rather than some that lacks them. */
export function evidenceEndorsementsOf(endorsements: Endorsements): EvidenceEndorsements {
  const { certificates, crls, statements } = endorsements;
  return { certificates, crls, collateral: statements === undefined ? undefined : intelCollateralOf(endorsements) };
}

/** Issuer of PCK certificates and root, where endorsements that stand alone name them. */
export function pckIssuerChainOf({ certificates }: Endorsements): readonly Uint8Array[] | undefined {
  const [, root, issuer] = certificates;
  return root === undefined || issuer === undefined ? undefined : [issuer, root];
}
