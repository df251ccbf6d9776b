/**
 * Intel's collateral without a quote: whatever is there is signed by Intel, current and no older than what was seen.
 */
import { fail, ok, type Result } from '@cloister/encoding';
import type { CrlFloors, CrlSeen, StatementSeen } from '../../endorsements/endorsement-floors.ts';
import type { PathCode } from '../../x509/certificate-path.ts';
import { isRevoked } from '../../x509/crl.ts';
import type { IntelCollateral } from './collateral.ts';
import { type CrlCode, checkCrl } from './crl-checks.ts';
import { type PckCrlChainCode, verifyPckIssuerChain, verifySignerChain } from './paths.ts';
import { type Prefixed, prefixed } from './prefixed.ts';
import {
  type QeIdentityCode,
  type StatementContext,
  type TcbInfoCode,
  verifyQeIdentity,
  verifyTcbInfo,
} from './statements.ts';

/** Why a list, or the chain of its issuer, is refused. */
export type IntelCrlCode =
  | Prefixed<'ROOT_CRL_CHAIN', PathCode>
  | Prefixed<'ROOT_CRL', CrlCode>
  | Prefixed<'PCK_CRL', CrlCode>
  | Exclude<PckCrlChainCode, 'PCK_CRL_CHAIN_MISMATCH'>
  /** A list by an issuer of PCK certificates, who is not named. */
  | 'PCK_CRL_CHAIN_ABSENT'
  | 'PCK_CA_REVOKED';

interface Context extends StatementContext {
  readonly crlFloors?: CrlFloors | undefined;
}

/** `signerChain`: signer of statements, then root. The root's CRL is required; everything else is checked if it is there. */
export function verifyIntelEndorsements(
  tee: 'sgx' | 'tdx',
  collateral: IntelCollateral,
  signerChain: readonly Uint8Array[],
  context: Context,
): Result<
  { readonly crls: readonly CrlSeen[]; readonly statements: readonly StatementSeen[] },
  IntelCrlCode | TcbInfoCode | QeIdentityCode
> {
  const { atMs, crlFloors, cache } = context;
  const signer = verifySignerChain('ROOT_CRL_CHAIN', signerChain.slice(0, 2), context);
  if (!signer.ok) return signer;
  const root = checkCrl(collateral.rootCrl, signer.value.root, atMs, crlFloors, cache);
  if (!root.ok) return prefixed('ROOT_CRL', root);
  const { crl: rootCrl, seen } = root.value;
  const crls: CrlSeen[] = [seen];
  if (collateral.pckCrl !== undefined) {
    const { pckCrlIssuerChain } = collateral;
    if (pckCrlIssuerChain === undefined) return fail('PCK_CRL_CHAIN_ABSENT');
    const issuer = verifyPckIssuerChain(pckCrlIssuerChain, context);
    if (!issuer.ok) return issuer;
    if (isRevoked(rootCrl, issuer.value.end)) return fail('PCK_CA_REVOKED');
    const leaf = checkCrl(collateral.pckCrl, issuer.value.end, atMs, crlFloors, cache);
    if (!leaf.ok) return prefixed('PCK_CRL', leaf);
    crls.push(leaf.value.seen);
  }
  const statements: StatementSeen[] = [];
  if (collateral.tcbInfo !== undefined) {
    const tcbInfo = verifyTcbInfo(collateral.tcbInfo, undefined, rootCrl, context);
    if (!tcbInfo.ok) return tcbInfo;
    if (tcbInfo.value.value.id !== (tee === 'sgx' ? 'SGX' : 'TDX')) return fail('TCB_INFO_ID', tcbInfo.value.value.id);
    statements.push(tcbInfo.value.seen);
  }
  if (collateral.qeIdentity !== undefined) {
    const identity = verifyQeIdentity(collateral.qeIdentity, tee, rootCrl, context);
    if (!identity.ok) return identity;
    statements.push(identity.value.seen);
  }
  return ok({ crls, statements });
}
