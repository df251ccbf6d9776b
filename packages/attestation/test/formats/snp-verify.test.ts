import { AssertionFailure, fromHex, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { splOid, VEK_OIDS } from '../../src/formats/sev-snp/vek-certificate.ts';
import {
  createEndorsementCache,
  type SnpVerification,
  type SnpVerificationCode,
  VENDOR_ANCHORS,
  verifySnp,
} from '../../src/index.ts';
import { type ExtensionToWrite, p384Spki, rsaSpki, writeCrl } from '../../src/simulated/certificate-writer.ts';
import {
  authorityCertificate,
  authorityExtensions,
  authorityKey,
  authorityName,
  simulatedName,
} from '../../src/simulated/development-pki.ts';
import { simulatedCrl } from '../../src/simulated/index.ts';
import { derBoolean, derIa5String, derInteger, derOctetString, derSequence } from '../../src/x509/der-writer.ts';
import { parseCertificate, spkiPin } from '../../src/x509/x509.ts';
import {
  ark,
  CRL_TIMES,
  changedChain,
  FIELDS,
  flipBit,
  genoa,
  genoaCrl,
  genoaVlek,
  leafPoint,
  replaceAllBytes,
  seedOf,
  VALIDITY,
  verification,
} from './snp-fixture.ts';
import {
  intermediate,
  leaf,
  leafExtensions,
  milan,
  milanCrl,
  other,
  plain,
  root,
  turin,
  turinCrl,
  withCertificates,
  withCrls,
  withLeafExtensions,
  withReportByte,
} from './snp-inputs.ts';

const unknownCritical: ExtensionToWrite = { oid: '2.5.29.30', critical: true, value: derSequence() };
const saltOf48 = fromHex('a203020130');
const saltOf32 = fromHex('a203020120');
const tcb = genoa.tcb;

/** An input for every code; the compiler sees to it that none is missing. */
const refused: Readonly<Record<SnpVerificationCode, () => SnpVerification>> = {
  REPORT_SIZE: () => verification({ report: genoa.report(FIELDS).slice(0, 1183) }),
  REPORT_VERSION: () => verification({ report: genoa.report({ ...FIELDS, version: 6 }) }),
  REPORT_SIGNATURE_ALGORITHM: () => withReportByte(0x34, 2),
  REPORT_SIGNATURE_PADDING: () => {
    const report = genoa.report(FIELDS);
    report[0x2a0 + 60] = 1;
    return verification({ report });
  },
  REPORT_RESERVED_FIELD: () => withReportByte(0x4c, 1),
  REPORT_SIGNING_KEY: () => withReportByte(0x48, 7 << 2),
  REPORT_PRODUCT_UNKNOWN: () => withReportByte(0x188, 0x17),

  ENDORSEMENTS_MISSING: () => withCertificates([]),
  CERTIFICATE_MALFORMED: () => withCertificates([leaf, intermediate, root.slice(0, -1)]),
  ROOT_MISSING: () => withCertificates([leaf, intermediate]),
  ROOT_NOT_PINNED: () => verification({ trustAnchors: VENDOR_ANCHORS }),
  LEAF_MISSING: () => withCertificates([intermediate, root]),
  LEAF_AMBIGUOUS: () => withCertificates([leaf, intermediate, root, other.certificates[0] ?? new Uint8Array()]),
  INTERMEDIATE_MISSING: () => withCertificates([leaf, root]),
  CERTIFICATE_NAME: () => withCertificates(changedChain({ leaf: { subject: simulatedName('SEV-VLEK') } })),
  CERTIFICATE_ALGORITHM: () => withCertificates([replaceAllBytes(leaf, saltOf48, saltOf32), intermediate, root]),
  CERTIFICATE_KEY: () => withCertificates(changedChain({ intermediate: { spki: p384Spki(leafPoint) } })),
  CERTIFICATE_CRITICAL_EXTENSION: () => withLeafExtensions(leafExtensions([], [unknownCritical])),
  CERTIFICATE_NOT_CA: () =>
    withCertificates(
      changedChain({
        intermediate: { extensions: authorityExtensions('ask').filter(({ oid }) => oid !== '2.5.29.19') },
      }),
    ),
  CERTIFICATE_KEY_USAGE: () =>
    withCertificates(
      changedChain({
        intermediate: { extensions: authorityExtensions('ask').filter(({ oid }) => oid !== '2.5.29.15') },
      }),
    ),
  CERTIFICATE_PATH_LENGTH: () => {
    const constraints = derSequence(derBoolean(true), derInteger(0n));
    const extensions = authorityExtensions('ark').filter(({ oid }) => oid !== '2.5.29.19');
    const changed = [...extensions, { oid: '2.5.29.19', critical: true, value: constraints }];
    return withCertificates(changedChain({ root: { extensions: changed } }));
  },
  ROOT_SIGNATURE: () => withCertificates(changedChain({ root: { signer: authorityKey('Genoa', 'ask') } })),
  INTERMEDIATE_SIGNATURE: () =>
    withCertificates(changedChain({ intermediate: { signer: authorityKey('Genoa', 'asvk') } })),
  LEAF_SIGNATURE: () => withCertificates(changedChain({ leaf: { signer: ark } })),
  LEAF_IS_CA: () => withLeafExtensions(leafExtensions([], [plain('2.5.29.19', derSequence(derBoolean(true)))])),
  LEAF_KEY_NOT_P384: () => withCertificates(changedChain({ leaf: { spki: rsaSpki(ark) } })),
  VEK_EXTENSION_MISSING: () => withLeafExtensions(leafExtensions([splOid(3)])),
  VEK_EXTENSION_MALFORMED: () => withLeafExtensions(leafExtensions([splOid(3)], [plain(splOid(3), derInteger(256n))])),
  VEK_PRODUCT_MISMATCH: () =>
    withLeafExtensions(leafExtensions([VEK_OIDS.productName], [plain(VEK_OIDS.productName, derIa5String('Turin'))])),
  CERTIFICATE_NOT_YET_VALID: () => verification({ atMs: VALIDITY.notBeforeMs - 1 }),
  CERTIFICATE_EXPIRED: () => verification({ atMs: VALIDITY.notAfterMs + 1 }),

  CRL_MISSING: () => withCrls(),
  CRL_MALFORMED: () => withCrls(new Uint8Array()),
  CRL_ISSUER: () => withCrls(turinCrl),
  CRL_ALGORITHM: () => withCrls(replaceAllBytes(genoaCrl, saltOf48, saltOf32)),
  CRL_SIGNATURE: () =>
    withCrls(
      writeCrl(
        { issuer: authorityName('Genoa', 'ark'), number: 7n, ...CRL_TIMES, revoked: [] },
        authorityKey('Genoa', 'ask'),
      ),
    ),
  CRL_NOT_YET_VALID: () => verification({ atMs: CRL_TIMES.thisUpdateMs - 1 }),
  CRL_EXPIRED: () => verification({ atMs: CRL_TIMES.nextUpdateMs + 1 }),
  CRL_OLDER_THAN_SEEN: () => {
    const issuer = spkiPin(parseCertificate(root) ?? expect.fail());
    const floor = { number: '8'.padStart(40, '0'), thisUpdateMs: 0 };
    return verification({ crlFloors: new Map([[issuer, floor]]) });
  },
  ROOT_REVOKED: () =>
    withCrls(simulatedCrl({ product: 'Genoa', number: 8n, ...CRL_TIMES, revokedAuthorities: ['ark'] })),
  INTERMEDIATE_REVOKED: () =>
    withCrls(genoaCrl, simulatedCrl({ product: 'Genoa', number: 8n, ...CRL_TIMES, revokedAuthorities: ['ask'] })),
  LEAF_REVOKED: () =>
    withCrls(simulatedCrl({ product: 'Genoa', number: 8n, ...CRL_TIMES, revokedDevices: [genoa.serial] })),

  PRODUCT_MISMATCH: () => {
    const report = genoa.report(FIELDS);
    report.set([0x19, 0x01], 0x188);
    return verification({ report: genoa.sign(report) });
  },
  SIGNING_KEY_MISMATCH: () => verification({ report: genoa.report({ ...FIELDS, signingKey: 'VLEK' }) }),
  HARDWARE_ID_MISSING: () => withLeafExtensions(leafExtensions([VEK_OIDS.hardwareId])),
  HARDWARE_ID_LENGTH: () =>
    withLeafExtensions(
      leafExtensions([VEK_OIDS.hardwareId], [plain(VEK_OIDS.hardwareId, derOctetString(fromHex(genoa.hardwareId)))]),
    ),
  HARDWARE_ID_UNEXPECTED: () =>
    vlekWith([plain(VEK_OIDS.cspId, derIa5String('CN=x')), plain(VEK_OIDS.hardwareId, seedOf(9))]),
  CSP_ID_MISSING: () => vlekWith([]),
  REPORT_SIGNATURE: () => verification({ report: flipBit(genoa.report(FIELDS), 8 * 0x90) }),
  REPORTED_TCB_MISMATCH: () =>
    verification({ report: genoa.report({ ...FIELDS, reportedTcb: { ...tcb, snp: tcb.snp - 1 } }) }),
  CHIP_ID_MASKED: () => verification({ report: genoa.report({ ...FIELDS, chipId: new Uint8Array(64) }) }),
  CHIP_ID_MISMATCH: () => verification({ report: genoa.report({ ...FIELDS, chipId: other.chipId }) }),
  TCB_REPORTED_ABOVE_COMMITTED: () =>
    verification({ report: genoa.report({ ...FIELDS, committedTcb: { ...tcb, microcode: tcb.microcode - 1 } }) }),
  TCB_COMMITTED_ABOVE_CURRENT: () =>
    verification({ report: genoa.report({ ...FIELDS, currentTcb: { ...tcb, bootLoader: tcb.bootLoader - 1 } }) }),
};

/** The Genoa key certified as a VLEK, with these extensions in place of hardware and CSP id. */
function vlekWith(add: readonly ExtensionToWrite[]): SnpVerification {
  const [newLeaf = new Uint8Array()] = changedChain({
    leaf: {
      issuer: authorityName('Genoa', 'asvk'),
      subject: simulatedName('SEV-VLEK'),
      signer: authorityKey('Genoa', 'asvk'),
      extensions: leafExtensions([VEK_OIDS.hardwareId], add),
    },
  });
  return verification({
    report: genoa.report({ ...FIELDS, signingKey: 'VLEK' }),
    endorsements: { certificates: [newLeaf, authorityCertificate('Genoa', 'asvk'), root], crls: [genoaCrl] },
  });
}

describe('verifySnp accepts', () => {
  it('a Genoa report of its device', () => {
    const result = verifySnp(verification());
    expect(result).toMatchObject({
      ok: true,
      value: {
        product: 'Genoa',
        signingKey: 'VCEK',
        hardwareId: genoa.hardwareId,
        validUntilMs: CRL_TIMES.nextUpdateMs,
        tcb: { reported: genoa.tcb, launch: genoa.tcb },
      },
    });
  });

  it.each([2, 3, 4, 5])('report version %i', (version) => {
    expect(verifySnp(verification({ report: genoa.report({ ...FIELDS, version }) })).ok).toBe(true);
  });

  it('Milan and Turin devices', () => {
    for (const [device, crl] of [
      [milan, milanCrl],
      [turin, turinCrl],
    ] as const) {
      const endorsements = { certificates: device.certificates, crls: [crl] };
      const result = verifySnp(verification({ report: device.report(FIELDS), endorsements }));
      expect(result).toMatchObject({ ok: true, value: { product: device.product, hardwareId: device.hardwareId } });
    }
    expect(turin.hardwareId).toHaveLength(16);
  });

  it('certificates in any order, and an unrelated intermediate beside them', () => {
    const certificates = [root, authorityCertificate('Genoa', 'asvk'), leaf, intermediate];
    expect(verifySnp(withCertificates(certificates)).ok).toBe(true);
  });

  it('a VLEK with its chip id, and with a masked one where that is allowed', () => {
    const endorsements = { certificates: genoaVlek.certificates, crls: [genoaCrl] };
    const shown = verifySnp(verification({ report: genoaVlek.report(FIELDS), endorsements }));
    expect(shown).toMatchObject({ ok: true, value: { signingKey: 'VLEK', cspId: 'CN=SIMULATED-provider' } });
    const masked = genoaVlek.report({ ...FIELDS, chipId: new Uint8Array(64) });
    expect(verifySnp(verification({ report: masked, endorsements }))).toMatchObject({ code: 'CHIP_ID_MASKED' });
    const allowed = verifySnp(verification({ report: masked, endorsements, allowMaskedChipId: true }));
    expect(allowed).toMatchObject({ ok: true, value: { hardwareId: undefined } });
  });

  it('the very instants at which validity begins and ends', () => {
    expect(verifySnp(verification({ atMs: CRL_TIMES.thisUpdateMs })).ok).toBe(true);
    expect(verifySnp(verification({ atMs: CRL_TIMES.nextUpdateMs })).ok).toBe(true);
  });

  it('no CRL where the caller does not require one, but never a bad one', () => {
    const { certificates } = genoa;
    const none = verification({ requireCrl: false, endorsements: { certificates, crls: [] } });
    expect(verifySnp(none).ok).toBe(true);
    const bad = verification({ requireCrl: false, endorsements: { certificates, crls: [turinCrl] } });
    expect(verifySnp(bad)).toMatchObject({ code: 'CRL_ISSUER' });
  });
});

describe('verifySnp asserts', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, 0.5])('that the instant is not %d', (atMs) => {
    expect(() => verifySnp(verification({ atMs }))).toThrow(AssertionFailure);
  });
});

describe('verifySnp refuses, each with its code', () => {
  it.each(Object.entries(refused))('%s', (code, make) => {
    expect(verifySnp(make())).toMatchObject({ ok: false, code });
  });

  it('names and critical extensions of an authority', () => {
    const name = authorityName('Turin', 'ask');
    const renamed = changedChain({ leaf: { issuer: name }, intermediate: { subject: name } });
    expect(verifySnp(withCertificates(renamed))).toMatchObject({ code: 'CERTIFICATE_NAME', detail: 'intermediate' });
    const critical = changedChain({ intermediate: { extensions: [...authorityExtensions('ask'), unknownCritical] } });
    expect(verifySnp(withCertificates(critical))).toMatchObject({ code: 'CERTIFICATE_CRITICAL_EXTENSION' });
  });

  it('a product name or CSP id in another form than AMD writes', () => {
    const name = plain(VEK_OIDS.productName, derOctetString(utf8('Genoa')));
    expect(verifySnp(withLeafExtensions(leafExtensions([VEK_OIDS.productName], [name])))).toMatchObject({
      code: 'VEK_EXTENSION_MALFORMED',
    });
    expect(verifySnp(vlekWith([plain(VEK_OIDS.cspId, derIa5String(''))]))).toMatchObject({
      code: 'VEK_EXTENSION_MALFORMED',
    });
  });

  it.each([
    [2, [0x4c, 0x4f, 0x188, 0x19f, 0x1eb, 0x1ef, 0x1f8, 0x29f]],
    [3, [0x49, 0x4b, 0x18b, 0x19f, 0x1f8, 0x208]],
    [5, [0x18b, 0x1eb, 0x1ef, 0x208, 0x29f]],
  ])('reserved bytes of version %i that are not zero', (version, offsets) => {
    for (const offset of offsets) {
      const report = genoa.report({ ...FIELDS, version });
      report[offset] = 0x80;
      expect(verifySnp(verification({ report: genoa.sign(report) })), offset.toString(16)).toMatchObject({
        code: 'REPORT_RESERVED_FIELD',
      });
    }
  });

  it('not the mitigation vectors of version 5, which have a meaning there', () => {
    const report = genoa.report({ ...FIELDS, version: 5 });
    report[0x1f8] = 1;
    report[0x200] = 1;
    expect(verifySnp(verification({ report: genoa.sign(report) })).ok).toBe(true);
  });

  it('the same with a warm cache', () => {
    const cache = createEndorsementCache();
    expect(verifySnp(verification({ cache })).ok).toBe(true);
    for (const [code, make] of Object.entries(refused)) {
      expect(verifySnp({ ...make(), cache }), code).toMatchObject({ ok: false, code });
      expect(verifySnp({ ...make(), cache }), code).toMatchObject({ ok: false, code });
    }
    expect(verifySnp(verification({ cache }))).toEqual(verifySnp(verification()));
  });
});
