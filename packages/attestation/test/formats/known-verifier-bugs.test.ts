/** Mistakes that other verifiers are known to have made, as far as they concern SEV-SNP. */
import { toHex, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { createEndorsementCache, VENDOR_ANCHORS, verifySnp } from '../../src/index.ts';
import { p384Spki, rsaSpki, writeName } from '../../src/simulated/certificate-writer.ts';
import {
  authorityCertificate,
  authorityExtensions,
  authorityKey,
  authorityName,
} from '../../src/simulated/development-pki.ts';
import { writeSnpReport } from '../../src/simulated/snp-report-writer.ts';
import { derBitString } from '../../src/x509/der-writer.ts';
import { parseCertificate, spkiPin } from '../../src/x509/x509.ts';
import {
  ark,
  CRL_TIMES,
  changedChain,
  FIELDS,
  genoa,
  genoaCrl,
  genoaVlek,
  leafPoint,
  VALIDITY,
  verification,
} from './snp-fixture.ts';
import { leafExtensions, root, turin, turinCrl, withCertificates, withLeafExtensions } from './snp-inputs.ts';

describe('known verifier bugs', () => {
  it('takes the root from the pin, not from the bundle', () => {
    // A whole chain of somebody else's keys under the right names.
    const forged = authorityKey('Genoa', 'asvk');
    const certificates = changedChain({
      root: { spki: rsaSpki(forged), signer: forged },
      intermediate: { signer: forged },
    });
    expect(verifySnp(withCertificates(certificates))).toMatchObject({ code: 'ROOT_NOT_PINNED' });
  });

  it('does not take the pinned root of one product line for another', () => {
    const turinRoot = changedChain({
      root: { issuer: authorityName('Turin', 'ark'), subject: authorityName('Turin', 'ark') },
    })[2];
    const certificates = [...turin.certificates.slice(0, 2), turinRoot ?? new Uint8Array()];
    const report = turin.report(FIELDS);
    expect(verifySnp(verification({ report, endorsements: { certificates, crls: [turinCrl] } }))).toMatchObject({
      code: 'CERTIFICATE_NAME',
    });
  });

  it('does not take a pinned root under another name, or with a key of another kind', () => {
    const name = authorityName('Turin', 'ark');
    const renamed = changedChain({ root: { issuer: name, subject: name }, intermediate: { issuer: name } });
    expect(verifySnp(withCertificates(renamed))).toMatchObject({ code: 'CERTIFICATE_NAME', detail: 'root' });
    const certificates = changedChain({ root: { spki: p384Spki(leafPoint) } });
    const rootCertificate = parseCertificate(certificates[2] ?? new Uint8Array()) ?? expect.fail();
    const pinned = { platform: 'sev-snp', product: 'Genoa', spkiSha256: spkiPin(rootCertificate) } as const;
    const trustAnchors = { simulated: true, roots: [pinned] };
    expect(verifySnp({ ...withCertificates(certificates), trustAnchors })).toMatchObject({
      code: 'CERTIFICATE_KEY',
      detail: 'root',
    });
  });

  it('does not take a VLEK for a VCEK because the hardware id is missing', () => {
    const report = genoaVlek.report({ ...FIELDS, signingKey: 'VCEK' });
    const endorsements = { certificates: genoaVlek.certificates, crls: [genoaCrl] };
    expect(verifySnp(verification({ report, endorsements }))).toMatchObject({ code: 'SIGNING_KEY_MISMATCH' });
  });

  it('does not let an ASVK certify a VCEK', () => {
    const [newLeaf = new Uint8Array()] = changedChain({
      leaf: { issuer: authorityName('Genoa', 'asvk'), signer: authorityKey('Genoa', 'asvk') },
    });
    const certificates = [newLeaf, authorityCertificate('Genoa', 'asvk'), root];
    expect(verifySnp(withCertificates(certificates))).toMatchObject({ code: 'CERTIFICATE_NAME' });
  });

  it('does not let a leaf certify a leaf', () => {
    const certificates = changedChain({ leaf: { issuer: authorityName('Genoa', 'ark'), signer: ark } });
    expect(verifySnp(withCertificates(certificates)).ok).toBe(false);
  });

  it('compares every byte of the reported TCB, reserved ones included', () => {
    for (let index = 0; index < 8; index++) {
      const report = genoa.report(FIELDS);
      report[0x180 + index] = ((report[0x180 + index] ?? 0) + 1) & 0xff;
      expect(verifySnp(verification({ report: genoa.sign(report) }))).toMatchObject({ code: 'REPORTED_TCB_MISMATCH' });
    }
  });

  it('reads the Turin layout on Turin: a lower SNP version there is seen', () => {
    const reportedTcb = { ...turin.tcb, snp: turin.tcb.snp - 1 };
    const endorsements = { certificates: turin.certificates, crls: [turinCrl] };
    const report = turin.report({ ...FIELDS, reportedTcb });
    expect(verifySnp(verification({ report, endorsements }))).toMatchObject({ code: 'REPORTED_TCB_MISMATCH' });
    const committedTcb = { ...turin.tcb, fmc: 0 };
    const uncommitted = turin.report({ ...FIELDS, committedTcb });
    expect(verifySnp(verification({ report: uncommitted, endorsements }))).toMatchObject({
      code: 'TCB_REPORTED_ABOVE_COMMITTED',
      detail: 'fmc',
    });
  });

  it('compares the whole chip id on Turin: eight bytes, then zeros', () => {
    const chipId = turin.chipId.slice();
    chipId[63] = 1;
    const endorsements = { certificates: turin.certificates, crls: [turinCrl] };
    const report = turin.report({ ...FIELDS, chipId });
    expect(verifySnp(verification({ report, endorsements }))).toMatchObject({ code: 'CHIP_ID_MISMATCH' });
  });

  it('reads r and s little-endian only', () => {
    const report = genoa.report(FIELDS);
    for (const offset of [0x2a0, 0x2e8]) report.set(report.slice(offset, offset + 48).reverse(), offset);
    expect(verifySnp(verification({ report }))).toMatchObject({ code: 'REPORT_SIGNATURE' });
  });

  it('refuses a signature of zeros', () => {
    const report = writeSnpReport({ ...genoa }, FIELDS);
    expect(verifySnp(verification({ report }))).toMatchObject({ code: 'REPORT_SIGNATURE' });
  });

  it('refuses expired collateral even when it is cached', () => {
    const cache = createEndorsementCache();
    expect(verifySnp(verification({ cache })).ok).toBe(true);
    expect(verifySnp(verification({ cache, atMs: CRL_TIMES.nextUpdateMs + 1 }))).toMatchObject({ code: 'CRL_EXPIRED' });
    expect(verifySnp(verification({ cache, atMs: VALIDITY.notAfterMs + 1 }))).toMatchObject({
      code: 'CERTIFICATE_EXPIRED',
    });
  });

  it('does not let the cache forget under which anchors a chain was accepted', () => {
    const cache = createEndorsementCache();
    expect(verifySnp(verification({ cache })).ok).toBe(true);
    expect(verifySnp(verification({ cache, trustAnchors: VENDOR_ANCHORS }))).toMatchObject({ code: 'ROOT_NOT_PINNED' });
  });

  it('is not led by bytes that change after they were cached', () => {
    const cache = createEndorsementCache();
    const certificates = genoa.certificates.map((der) => der.slice());
    const endorsements = { certificates, crls: [genoaCrl] };
    expect(verifySnp(verification({ cache, endorsements })).ok).toBe(true);
    for (const der of certificates) der.fill(0);
    expect(verifySnp(verification({ cache })).ok).toBe(true);
    expect(verifySnp(verification({ cache, endorsements }))).toMatchObject({ code: 'CERTIFICATE_MALFORMED' });
  });

  it('refuses a root without CRL signing and a leaf whose usage is not signing', () => {
    const usage = { oid: '2.5.29.15', critical: true, value: derBitString(Uint8Array.of(0x04), 2) };
    const rootExtensions = [...authorityExtensions('ark').filter(({ oid }) => oid !== '2.5.29.15'), usage];
    expect(verifySnp(withCertificates(changedChain({ root: { extensions: rootExtensions } })))).toMatchObject({
      code: 'CERTIFICATE_KEY_USAGE',
    });
    expect(verifySnp(withLeafExtensions(leafExtensions([], [usage])))).toMatchObject({ code: 'CERTIFICATE_KEY_USAGE' });
  });

  it('refuses names that hold several common names', () => {
    const subject = writeName([
      ['2.5.4.3', 'SEV-VCEK'],
      ['2.5.4.3', 'SEV-VCEK'],
    ]);
    expect(verifySnp(withCertificates(changedChain({ leaf: { subject } })))).toMatchObject({
      code: 'CERTIFICATE_NAME',
    });
  });

  it('says in the names of simulated certificates what they are', () => {
    for (const der of genoa.certificates) {
      expect(toHex(der)).toContain(toHex(utf8('SIMULATED - not AMD')));
    }
  });
});
