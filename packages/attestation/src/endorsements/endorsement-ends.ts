/**
 * When each endorsement of some evidence ends, by name: not only the first of them.
 *
 * Read by parsing alone, from exactly the documents that verification judges, so that for genuine evidence the earliest of
 * these ends is its `validUntilMs`. For evidence that is refused they are what the documents say of themselves.
 */
import { equalBytes, toHex } from '@cloister/encoding';
import { detectEvidenceFormat } from '../evidence/evidence-format.ts';
import type { IntelCollateral } from '../formats/intel/collateral.ts';
import { parseChainText } from '../formats/intel/paths.ts';
import { parseQeIdentity } from '../formats/intel/qe-identity.ts';
import { parseIntelQuote } from '../formats/intel/quote.ts';
import { parseTcbInfo } from '../formats/intel/tcb-info.ts';
import { parseNitroDocument } from '../formats/nitro/document.ts';
import { isVekCertificate } from '../formats/sev-snp/vek-certificate.ts';
import { parseCrl } from '../x509/crl.ts';
import { type ParsedCertificate, parseCertificate } from '../x509/x509.ts';
import { commonNameOf } from '../x509/x509-fields.ts';
import type { EvidenceEndorsements } from './endorsement-files.ts';

export type EndorsementKind = 'certificate' | 'crl' | 'tcb-info' | 'qe-identity';

export interface EndorsementEnd {
  readonly kind: EndorsementKind;
  /** Common name of a certificate's subject or of a CRL's issuer; of statements the name in attestation results. */
  readonly name: string;
  /** notAfter or nextUpdate, in milliseconds of the Unix epoch: the last instant at which it is valid. */
  readonly untilMs: number;
}

/** Every end, the earliest first. Documents that do not parse are left out. Never throws. */
export function endorsementEnds(evidence: Uint8Array, endorsements: EvidenceEndorsements): readonly EndorsementEnd[] {
  return endsOf(evidence, endorsements).sort(
    (a, b) => a.untilMs - b.untilMs || (`${a.kind} ${a.name}` < `${b.kind} ${b.name}` ? -1 : 1),
  );
}

function endsOf(evidence: Uint8Array, endorsements: EvidenceEndorsements): EndorsementEnd[] {
  switch (detectEvidenceFormat(evidence)) {
    case undefined:
      return [];
    case 'sev-snp':
      return [...certificateEnds(snpChain(endorsements.certificates)), ...crlEnds(endorsements.crls)];
    case 'sgx':
    case 'tdx':
      return intelEnds(evidence, endorsements.collateral ?? {});
    case 'nitro': {
      const document = parseNitroDocument(evidence);
      return document.ok ? certificateEnds([...document.value.caBundle, document.value.certificate]) : [];
    }
  }
}

/** The leaf and what is above it; all certificates when there is no leaf. */
function snpChain(certificates: readonly Uint8Array[]): readonly Uint8Array[] {
  const parsed = certificates.flatMap((der) => {
    const certificate = parseCertificate(der);
    return certificate === undefined ? [] : [{ der, certificate }];
  });
  let link = parsed.find(({ certificate }) => isVekCertificate(certificate));
  if (link === undefined) return certificates;
  const chain: Uint8Array[] = [];
  while (link !== undefined && !chain.includes(link.der)) {
    chain.push(link.der);
    const { issuer }: ParsedCertificate = link.certificate;
    link = parsed.find(({ certificate }) => equalBytes(certificate.subject, issuer));
  }
  return chain;
}

function intelEnds(evidence: Uint8Array, collateral: IntelCollateral): EndorsementEnd[] {
  const { tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuerChain = [] } = collateral;
  const quote = parseIntelQuote(evidence);
  const pckChain = quote.ok ? (parseChainText(quote.value.certificationData) ?? []) : [];
  const signers = [...(tcbInfo?.issuerChain ?? []), ...(qeIdentity?.issuerChain ?? [])];
  const ends = [
    ...certificateEnds([...pckChain, ...signers, ...pckCrlIssuerChain]),
    ...crlEnds([rootCrl, pckCrl].filter((der) => der !== undefined)),
  ];
  const info = tcbInfo === undefined ? undefined : parseTcbInfo(tcbInfo.bytes);
  if (info !== undefined && 'value' in info) {
    const { id, fmspc, nextUpdateMs: untilMs } = info.value;
    ends.push({ kind: 'tcb-info', name: `tcb-info/${id}/${toHex(fmspc)}`, untilMs });
  }
  const identity = qeIdentity === undefined ? undefined : parseQeIdentity(qeIdentity.bytes);
  if (identity !== undefined && 'value' in identity) {
    const { id, nextUpdateMs: untilMs } = identity.value;
    ends.push({ kind: 'qe-identity', name: `qe-identity/${id}`, untilMs });
  }
  return ends;
}

/** Each certificate once, however many paths it is on. */
function certificateEnds(certificates: readonly Uint8Array[]): EndorsementEnd[] {
  const distinct = new Map(certificates.map((der) => [toHex(der), der]));
  return [...distinct.values()].flatMap((der) => {
    const certificate = parseCertificate(der);
    if (certificate === undefined) return [];
    const name = commonNameOf(certificate.subject) ?? `serial number ${certificate.serial}`;
    return [{ kind: 'certificate' as const, name, untilMs: certificate.notAfterMs }];
  });
}

function crlEnds(crls: readonly Uint8Array[]): EndorsementEnd[] {
  return crls.flatMap((der) => {
    const crl = parseCrl(der);
    if (crl === undefined) return [];
    return [{ kind: 'crl' as const, name: commonNameOf(crl.issuer) ?? 'unnamed issuer', untilMs: crl.nextUpdateMs }];
  });
}
