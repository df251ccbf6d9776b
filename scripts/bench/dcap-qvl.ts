/** `@phala/dcap-qvl`, the verifier that Intel quotes are compared with: its collateral form, and one verification. */

import { Quote, QuoteVerifier } from '@phala/dcap-qvl';
import type { IntelCollateral } from '../../packages/attestation/src/index.ts';
import { assert, toBase64, toHex } from '../../packages/encoding/src/index.ts';

/** The JSON form of collateral that both verifiers read. */
export type CollateralForm = {
  readonly [M in
    | 'pck_crl_issuer_chain'
    | 'root_ca_crl'
    | 'pck_crl'
    | 'tcb_info_issuer_chain'
    | 'tcb_info'
    | 'tcb_info_signature'
    | 'qe_identity_issuer_chain'
    | 'qe_identity'
    | 'qe_identity_signature']: string;
};

function pemOf(certificates: readonly Uint8Array[]): string {
  return certificates
    .map((der) => {
      const lines = toBase64(der).match(/.{1,64}/g) ?? [];
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
    })
    .join('');
}

/** The JSON form of collateral that has all its members. */
export function collateralForm(collateral: IntelCollateral): CollateralForm {
  const { tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuerChain } = collateral;
  assert(tcbInfo !== undefined && qeIdentity !== undefined, 'TCB info and QE identity are there');
  assert(
    rootCrl !== undefined && pckCrl !== undefined && pckCrlIssuerChain !== undefined,
    'revocation lists are there',
  );
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return {
    pck_crl_issuer_chain: pemOf(pckCrlIssuerChain),
    root_ca_crl: toHex(rootCrl),
    pck_crl: toHex(pckCrl),
    tcb_info_issuer_chain: pemOf(tcbInfo.issuerChain),
    tcb_info: text(tcbInfo.bytes),
    tcb_info_signature: toHex(tcbInfo.signature),
    qe_identity_issuer_chain: pemOf(qeIdentity.issuerChain),
    qe_identity: text(qeIdentity.bytes),
    qe_identity_signature: toHex(qeIdentity.signature),
  };
}

/** Verifies a quote at an instant, under Intel's root or another one (DER). Throws when it is refused. */
export function dcapQvlVerifier(root: Uint8Array | undefined) {
  const verifier = root === undefined ? QuoteVerifier.newProd() : QuoteVerifier.newWithRootCa(Buffer.from(root));
  return (quote: Uint8Array, collateral: CollateralForm, atMs: number): void => {
    const { status } = verifier.verify(quote, collateral, Math.floor(atMs / 1_000));
    assert(status !== 'Revoked' && status !== 'Unknown', `dcap-qvl: ${status}`);
  };
}

export function dcapQvlParse(quote: Uint8Array): void {
  Quote.parse(quote);
}
