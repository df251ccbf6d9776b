/** Endorsements that come by themselves: who signed them, when they count, and which bundles they touch. */
import { digestToBytes, toHex, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  type AppraisalPolicy,
  appraise,
  type Endorsements,
  endorsementsOfCollateral,
  type IntelCollateral,
  SIMULATED_ANCHORS,
  type SignedText,
  VENDOR_ANCHORS,
  verifyEndorsements,
  withNewerEndorsements,
} from '../../src/index.ts';
import { authorityCertificate } from '../../src/simulated/development-pki.ts';
import {
  type SimulatedCollateral,
  simulatedCollateral,
  simulatedCrl,
  simulatedIntelDevice,
  simulatedSnpDevice,
} from '../../src/simulated/index.ts';
import { signStatement } from '../../src/simulated/intel/collateral-writer.ts';
import {
  deriveP256Key,
  intelAuthorityCertificate,
  intelAuthorityKey,
  spkiOf,
} from '../../src/simulated/intel/intel-pki.ts';
import { DER_TAGS, decodeDer } from '../../src/x509/der.ts';
import { derBitString, derInteger, derOid, derSequence } from '../../src/x509/der-writer.ts';
import { parseCertificate } from '../../src/x509/x509.ts';
import { changedAuthority } from '../formats/intel-fixture.ts';
import { AT_MS, policy, seedOf } from '../formats/snp-fixture.ts';
import { MACHINES, machineAppraisal, machineBundle, mergedWith } from '../platform-fixture.ts';

const DAY_MS = 86_400_000;
const VALIDITY = { notBeforeMs: Date.UTC(2025, 0, 1), notAfterMs: Date.UTC(2045, 0, 1) };
const intel = simulatedIntelDevice({ seed: seedOf(84), validity: VALIDITY });
const snp = simulatedSnpDevice({ seed: seedOf(82), product: 'Genoa', validity: VALIDITY });
const tdx = machineBundle('tdx');
const sevSnp = machineBundle('sev-snp');

function collateral(change: Partial<SimulatedCollateral> = {}): IntelCollateral {
  const { fmspc, pceId, components: sgx, pceSvn } = intel.statement;
  return simulatedCollateral({
    tee: 'tdx',
    issuedMs: AT_MS - 1000,
    nextUpdateMs: AT_MS + 30 * DAY_MS,
    crlNumber: 1_000_000n,
    fmspc,
    pceId,
    tcbEvaluationDataNumber: 20,
    platformLevels: [{ sgx, tdx: [6, 1, 3], pceSvn, status: 'UpToDate' }],
    moduleLevels: new Map([[1, [{ isvSvn: 6, status: 'UpToDate' }]]]),
    qeLevels: [{ isvSvn: 4, status: 'UpToDate' }],
    pckIssuer: 'platform-ca',
    ...change,
  });
}

/** As one would submit them: with the issuer of PCK certificates. */
function alone(from: IntelCollateral): Endorsements {
  const endorsements = endorsementsOfCollateral(from);
  if (!endorsements.ok) expect.fail(endorsements.code);
  const { certificates } = endorsements.value;
  return { ...endorsements.value, certificates: [...certificates, intelAuthorityCertificate('platform-ca')] };
}

function verifyIntel(endorsements: Endorsements, change: Partial<Parameters<typeof verifyEndorsements>[0]> = {}) {
  return verifyEndorsements({
    platform: 'tdx',
    endorsements,
    trustAnchors: SIMULATED_ANCHORS,
    atMs: AT_MS,
    ...change,
  });
}

describe("Intel's endorsements alone", () => {
  const good = alone(collateral());

  it('are what their vendor signed, at their numbers', () => {
    const verified = verifyIntel(good);
    expect(verified).toMatchObject({ ok: true, value: { crls: [{}, {}] } });
    if (!verified.ok) return;
    expect(verified.value.statements).toMatchObject([
      { name: 'tcb-info/TDX/90c06f000000', tcbEvaluationDataNumber: 20, issueDateMs: AT_MS - 1000 },
      { name: 'qe-identity/TD_QE', tcbEvaluationDataNumber: 20 },
    ]);
    const [root] = good.crls;
    const rootOnly = { certificates: good.certificates.slice(0, 2), crls: root === undefined ? [] : [root] };
    expect(verifyIntel(rootOnly)).toMatchObject({ ok: true, value: { statements: [] } });
  });

  it('are refused when anything in them is not genuine', () => {
    const [tcbInfo, qeIdentity] = good.statements ?? [];
    const [rootCrl, pckCrl] = good.crls;
    if (tcbInfo === undefined || qeIdentity === undefined || rootCrl === undefined || pckCrl === undefined) {
      expect.fail();
    }
    const forged = signStatement(new TextDecoder().decode(tcbInfo.bytes), intelAuthorityKey('platform-ca'));
    const leafCa = changedAuthority('tcb-signing', { signer: intelAuthorityKey('platform-ca') });
    const cases: readonly (readonly [string, Endorsements])[] = [
      ['ENDORSEMENTS_EMPTY', { ...good, crls: [] }],
      ['ENDORSEMENTS_TOO_MANY', { ...good, crls: Array.from({ length: 9 }, () => rootCrl) }],
      ['ROOT_CRL_CHAIN_CHAIN_LENGTH', { ...good, certificates: [] }],
      ['ROOT_CRL_CHAIN_LEAF_SIGNATURE', { ...good, certificates: good.certificates.with(0, leafCa) }],
      ['ROOT_CRL_ISSUER', { ...good, crls: [pckCrl, rootCrl] }],
      ['PCK_CRL_CHAIN_ABSENT', { ...good, certificates: good.certificates.slice(0, 2) }],
      [
        'PCK_CRL_ISSUER',
        { ...good, certificates: good.certificates.with(2, intelAuthorityCertificate('processor-ca')) },
      ],
      ['TCB_INFO_SIGNATURE', { ...good, statements: [forged, qeIdentity] }],
      ['TCB_INFO_MALFORMED', { ...good, statements: [qeIdentity, tcbInfo] }],
      ['QE_IDENTITY_SIGNATURE', { ...good, statements: [tcbInfo, { ...qeIdentity, bytes: utf8('{}') }] }],
    ];
    for (const [code, endorsements] of cases) expect(verifyIntel(endorsements), code).toMatchObject({ code });
    expect(verifyIntel(good, { trustAnchors: VENDOR_ANCHORS })).toMatchObject({
      code: 'ROOT_CRL_CHAIN_ROOT_NOT_PINNED',
    });
  });

  it('are refused when revoked, out of their time, or about the other TEE', () => {
    expect(verifyIntel(alone(collateral({ revokedByRoot: [2n] })))).toMatchObject({ code: 'PCK_CA_REVOKED' });
    expect(verifyIntel(alone(collateral({ revokedByRoot: [4n] })))).toMatchObject({ code: 'TCB_INFO_SIGNER_REVOKED' });
    expect(verifyIntel(good, { atMs: AT_MS - 2000 })).toMatchObject({ code: 'ROOT_CRL_NOT_YET_VALID' });
    expect(verifyIntel(good, { atMs: AT_MS + 31 * DAY_MS })).toMatchObject({ code: 'ROOT_CRL_EXPIRED' });
    expect(verifyIntel(good, { platform: 'sgx' })).toMatchObject({ code: 'TCB_INFO_ID' });
    const [tcbInfo] = alone(collateral({ tee: 'sgx' })).statements ?? [];
    const [, qeIdentity] = good.statements ?? [];
    if (tcbInfo === undefined || qeIdentity === undefined) expect.fail();
    const mixed = { ...good, statements: [tcbInfo, qeIdentity] };
    expect(verifyIntel(mixed, { platform: 'sgx' })).toMatchObject({ code: 'QE_IDENTITY_ID' });
  });

  it('are refused when older than what was seen, by either number', () => {
    const verified = verifyIntel(good);
    if (!verified.ok) expect.fail(verified.code);
    const floors = (name: string, issueDateMs: number, tcbEvaluationDataNumber: number) => ({
      statementFloors: new Map([[name, { issueDateMs, tcbEvaluationDataNumber }]]),
    });
    for (const [name, code] of [
      ['tcb-info/TDX/90c06f000000', 'TCB_INFO_OLDER_THAN_SEEN'],
      ['qe-identity/TD_QE', 'QE_IDENTITY_OLDER_THAN_SEEN'],
    ] as const) {
      expect(verifyIntel(good, floors(name, AT_MS - 1000, 20)).ok).toBe(true);
      expect(verifyIntel(good, floors(name, AT_MS - 999, 20))).toMatchObject({ code });
      expect(verifyIntel(good, floors(name, AT_MS - 1000, 21))).toMatchObject({ code });
    }
    const [root] = verified.value.crls;
    if (root === undefined) expect.fail();
    const newer = { number: root.number.replace(/.$/, 'f'), thisUpdateMs: root.thisUpdateMs };
    expect(verifyIntel(good, { crlFloors: new Map([[root.issuer, newer]]) })).toMatchObject({
      code: 'ROOT_CRL_OLDER_THAN_SEEN',
    });
  });

  it('hold evidence to the same floors', () => {
    const seen = appraise(machineAppraisal('tdx'));
    if (!seen.ok) expect.fail(seen.code);
    const [tcbInfo, qeIdentity] = seen.value.statements;
    if (tcbInfo === undefined || qeIdentity === undefined) expect.fail();
    for (const { name, issueDateMs, tcbEvaluationDataNumber } of [tcbInfo, qeIdentity]) {
      const floor = { issueDateMs, tcbEvaluationDataNumber };
      expect(appraise(machineAppraisal('tdx', { statementFloors: new Map([[name, floor]]) })).ok).toBe(true);
      const newer = { ...floor, tcbEvaluationDataNumber: tcbEvaluationDataNumber + 1 };
      const code = name.startsWith('tcb-info') ? 'TCB_INFO_OLDER_THAN_SEEN' : 'QE_IDENTITY_OLDER_THAN_SEEN';
      expect(appraise(machineAppraisal('tdx', { statementFloors: new Map([[name, newer]]) }))).toMatchObject({ code });
    }
  });
});

describe("AMD's lists alone", () => {
  const ark = authorityCertificate('Genoa', 'ark');
  const times = { thisUpdateMs: AT_MS - 1000, nextUpdateMs: AT_MS + DAY_MS };
  const crl = simulatedCrl({ product: 'Genoa', number: 9n, ...times });
  const verify = (endorsements: Endorsements, change: Partial<Parameters<typeof verifyEndorsements>[0]> = {}) =>
    verifyIntel(endorsements, { platform: 'sev-snp', ...change });

  it('are what a pinned root signed, of whichever lines come', () => {
    const milan = simulatedCrl({ product: 'Milan', number: 3n, ...times });
    const both = { certificates: [ark, authorityCertificate('Milan', 'ark')], crls: [milan, crl] };
    expect(verify(both)).toMatchObject({ ok: true, value: { crls: [{ number: '3'.padStart(40, '0') }, {}] } });
  });

  it('are refused without their root, out of their time, or older than seen', () => {
    expect(verify({ certificates: [], crls: [crl] })).toMatchObject({ code: 'ROOT_MISSING' });
    const stranger = { certificates: [authorityCertificate('Genoa', 'ask')], crls: [crl] };
    expect(verify(stranger)).toMatchObject({ code: 'ROOT_MISSING' });
    const other = { certificates: [authorityCertificate('Milan', 'ark')], crls: [crl] };
    expect(verify(other)).toMatchObject({ code: 'CRL_ISSUER' });
    const good = { certificates: [ark], crls: [crl] };
    expect(verify(good, { atMs: AT_MS - 2000 })).toMatchObject({ code: 'CRL_NOT_YET_VALID' });
    expect(verify(good, { atMs: AT_MS + 2 * DAY_MS })).toMatchObject({ code: 'CRL_EXPIRED' });
    expect(verify(good, { atMs: Date.UTC(2051, 0, 1) })).toMatchObject({ code: 'CERTIFICATE_EXPIRED' });
    expect(verify(good, { atMs: Date.UTC(2019, 0, 1) })).toMatchObject({ code: 'CERTIFICATE_NOT_YET_VALID' });
    const spoilt = ark.slice();
    spoilt[spoilt.length - 1] = (spoilt[spoilt.length - 1] ?? 0) ^ 1;
    expect(verify({ certificates: [spoilt], crls: [crl] })).toMatchObject({ code: 'ROOT_SIGNATURE' });
    const seen = verify(good);
    const [list] = seen.ok ? seen.value.crls : [];
    if (list === undefined) expect.fail();
    const crlFloors = new Map([[list.issuer, { ...list, thisUpdateMs: list.thisUpdateMs + 1 }]]);
    expect(verify(good, { crlFloors })).toMatchObject({ code: 'CRL_OLDER_THAN_SEEN' });
    expect(digestToBytes(list.issuer)).toHaveLength(32);
  });

  it('are refused when each of two is older than the other', () => {
    const list = (number: bigint, thisUpdateMs: number) =>
      simulatedCrl({ product: 'Genoa', number, thisUpdateMs, nextUpdateMs: AT_MS + DAY_MS });
    const [low, high] = [list(11n, AT_MS - 1000), list(12n, AT_MS - 2000)];
    const code = 'CRL_OLDER_THAN_SEEN';
    expect(verify({ certificates: [ark], crls: [low, high] })).toMatchObject({ code });
    expect(verify({ certificates: [ark], crls: [high, low] })).toMatchObject({ code });
    expect(verify({ certificates: [ark], crls: [list(11n, AT_MS - 2000), list(12n, AT_MS - 2000)] }).ok).toBe(true);
    const bundle = { ...sevSnp, endorsements: { ...sevSnp.endorsements, crls: [low, high] } };
    expect(appraise(machineAppraisal('sev-snp', { bundle }))).toMatchObject({ code });
  });

  it('reach the bundles of their line, and revoke', () => {
    const revoking = simulatedCrl({ product: 'Genoa', number: 1_000_000n, ...times, revokedDevices: [snp.serial] });
    const merged = mergedWith(sevSnp, { certificates: [ark], crls: [revoking] });
    if (merged === undefined) expect.fail();
    expect(merged.endorsements.certificates).toEqual(sevSnp.endorsements.certificates);
    expect(appraise(machineAppraisal('sev-snp', { bundle: merged }))).toMatchObject({ code: 'LEAF_REVOKED' });
    const milan = simulatedCrl({ product: 'Milan', number: 1_000_000n, ...times });
    expect(mergedWith(sevSnp, { certificates: [], crls: [milan] })).toBeUndefined();
    expect(mergedWith(sevSnp, { certificates: [ark], crls: [crl] })).toBeUndefined();
  });
});

describe("Intel's endorsements in bundles", () => {
  function after(change: Partial<SimulatedCollateral>, asks: Partial<AppraisalPolicy> = {}) {
    const bundle = mergedWith(tdx, alone(collateral(change)));
    if (bundle === undefined) expect.fail('touched nothing');
    return appraise(machineAppraisal('tdx', { bundle, policy: { ...policy, ...asks } }));
  }

  it('replace what they supersede, and the result follows', () => {
    const before = appraise(machineAppraisal('tdx'));
    const renewed = after({});
    expect(renewed).toMatchObject({ ok: true, value: { status: 'UpToDate', hardwareId: MACHINES.tdx.hardwareId } });
    expect(renewed.ok && before.ok && renewed.value.evidenceDigest === before.value.evidenceDigest).toBe(true);
    expect(renewed.ok && renewed.value.validUntilMs).toBe(AT_MS + 30 * DAY_MS);
    const { components: sgx, pceSvn } = intel.statement;
    const outOfDate = [{ sgx, tdx: [6, 1, 3], pceSvn, status: 'OutOfDate' as const, advisories: ['INTEL-SA-1'] }];
    expect(after({ platformLevels: outOfDate })).toMatchObject({ code: 'TCB_STATUS_NOT_ACCEPTED' });
    const accepting = { acceptedStatuses: ['OutOfDate'] as const, acceptedAdvisories: null };
    expect(after({ platformLevels: outOfDate }, accepting)).toMatchObject({
      ok: true,
      value: { status: 'OutOfDate', advisories: ['INTEL-SA-1'] },
    });
    const open = { acceptedStatuses: ['OutOfDate'] as const };
    expect(after({ platformLevels: outOfDate }, open)).toMatchObject({ code: 'ADVISORY_NOT_ACCEPTED' });
    expect(after({ revokedPcks: [intel.serial] })).toMatchObject({ code: 'PCK_REVOKED' });
    expect(after({ revokedByRoot: [2n] })).toMatchObject({ code: 'PCK_CA_REVOKED' });
    expect(
      after({
        qeLevels: [
          { isvSvn: 5, status: 'UpToDate' },
          { isvSvn: 4, status: 'Revoked' },
        ],
      }),
    ).toMatchObject({
      code: 'TCB_STATUS_NOT_ACCEPTED',
      detail: 'Revoked',
    });
  });

  it('touch nothing that is about other platforms, other TEEs, or not older', () => {
    const old = { crlNumber: 1n, issuedMs: AT_MS - 60 * DAY_MS };
    const elsewhere = { ...old, issuedMs: AT_MS - 1000, crlNumber: 1n };
    expect(mergedWith(tdx, alone(collateral(old)))).toBeUndefined();
    const sgx = alone(collateral({ ...elsewhere, tee: 'sgx' }));
    expect(mergedWith(tdx, sgx)).toBeUndefined();
    expect(mergedWith(sevSnp, alone(collateral()))).toBeUndefined();
    const other = alone(collateral({ ...elsewhere, fmspc: Uint8Array.of(1, 2, 3, 4, 5, 6) }));
    const merged = mergedWith(tdx, other);
    expect(merged?.endorsements.statements?.[0]).toEqual(tdx.endorsements.statements?.[0]);
    const { statements: _, ...bare } = tdx.endorsements;
    const nothing = mergedWith({ ...tdx, endorsements: bare }, { ...sgx, crls: [] });
    expect(nothing).toBeUndefined();
  });

  it('keep their signer under any certificate of the same key, and of two chains the one that lasts longer', () => {
    const newer = alone(collateral());
    const [tcbInfo, qeIdentity] = newer.statements ?? [];
    const [heldSigner] = tdx.endorsements.certificates;
    if (tcbInfo === undefined || qeIdentity === undefined || heldSigner === undefined) expect.fail();
    const signerUntil = (notAfterMs: number): Uint8Array =>
      changedAuthority('tcb-signing', { serial: 77n, validity: { notBeforeMs: VALIDITY.notBeforeMs, notAfterMs } });
    const ending = signerUntil(AT_MS + DAY_MS);
    const lasting = signerUntil(Date.UTC(2049, 11, 31, 23, 59, 59) + 1000);
    for (const [signer, kept] of [
      [ending, heldSigner],
      [malleated(heldSigner), heldSigner],
      [lasting, heldSigner],
    ] as const) {
      for (const statements of [[tcbInfo], [tcbInfo, qeIdentity]]) {
        const brought = { ...newer, certificates: newer.certificates.with(0, signer), statements };
        expect(verifyIntel(brought)).toMatchObject({ ok: true });
        const merged = mergedWith(tdx, brought);
        expect(merged?.endorsements.statements?.[0]).toEqual(tcbInfo);
        expect(merged?.endorsements.certificates[0]).toEqual(kept);
        expect(appraise(machineAppraisal('tdx', { bundle: merged ?? expect.fail() })).ok).toBe(true);
      }
    }
    // The root ends with the chain: only the held signer's own end can be outlasted.
    const short = {
      ...tdx,
      endorsements: { ...tdx.endorsements, certificates: tdx.endorsements.certificates.with(0, ending) },
    };
    expect(mergedWith(short, newer)?.endorsements.certificates[0]).toEqual(heldSigner);
  });

  it('bring a better chain of the same key to statements that stay, of either TEE', () => {
    const signerUntil = (notAfterMs: number): Uint8Array =>
      changedAuthority('tcb-signing', { serial: 77n, validity: { notBeforeMs: VALIDITY.notBeforeMs, notAfterMs } });
    const ending = signerUntil(AT_MS + DAY_MS);
    const [heldSigner] = tdx.endorsements.certificates;
    for (const platform of ['sgx', 'tdx'] as const) {
      const held = machineBundle(platform);
      const endorsements = { ...held.endorsements, certificates: held.endorsements.certificates.with(0, ending) };
      const longer = mergedWith({ ...held, endorsements }, { ...tdx.endorsements, crls: [] });
      expect(longer?.endorsements).toEqual({ ...endorsements, certificates: held.endorsements.certificates });
      expect(mergedWith(held, { ...endorsements, crls: [] })).toBeUndefined();
      const listless = mergedWith(
        { ...held, endorsements: { ...endorsements, crls: [] } },
        { ...tdx.endorsements, crls: [] },
      );
      expect(listless?.endorsements.certificates).toEqual(held.endorsements.certificates);
      // Serial number 4 is the signer's: the list revokes that certificate, and the other one takes its place.
      const revoking = alone(collateral({ revokedByRoot: [4n] }));
      const replaced = { ...revoking, certificates: revoking.certificates.with(0, ending) };
      const saved = mergedWith(held, replaced);
      expect(saved?.endorsements.certificates[0]).toEqual(ending);
      expect(appraise(machineAppraisal(platform, { bundle: saved ?? expect.fail() })).ok).toBe(true);
      // And not the other way round, however long the revoked one would last.
      const back = { ...revoking, certificates: revoking.certificates.with(0, heldSigner ?? ending), statements: [] };
      expect(mergedWith(saved ?? expect.fail(), back)).toBeUndefined();
    }
  });

  it('change the signing key for both statements at once, or not at all', () => {
    const key = deriveP256Key(utf8('another signer of Intel, SIMULATED'), 'tcb-signing');
    const signer = changedAuthority('tcb-signing', { serial: 78n, spki: spkiOf(key) });
    const newer = alone(collateral());
    const texts = (newer.statements ?? []).map(({ bytes }) => new TextDecoder().decode(bytes));
    const [tcbInfo, qeIdentity] = texts.map((text) => signStatement(text, key));
    if (tcbInfo === undefined || qeIdentity === undefined) expect.fail();
    const by = (statements: readonly SignedText[]) => ({
      ...newer,
      certificates: newer.certificates.with(0, signer),
      statements: statements.map(({ bytes, signature }) => ({ bytes, signature })),
    });
    expect(verifyIntel(by([tcbInfo]))).toMatchObject({ ok: true });
    expect(withNewerEndorsements(tdx, by([tcbInfo]))).toEqual({ outcome: 'SIGNER_CHANGED' });
    const both = mergedWith(tdx, by([tcbInfo, qeIdentity]));
    expect(both?.endorsements.certificates[0]).toEqual(signer);
    expect(appraise(machineAppraisal('tdx', { bundle: both ?? expect.fail() })).ok).toBe(true);
    // The same identity again, by the other key, may come along; an older one may not.
    const identity = new TextDecoder().decode(tdx.endorsements.statements?.[1]?.bytes ?? new Uint8Array());
    const again = by([tcbInfo, signStatement(identity, key)]);
    expect(mergedWith(tdx, again)?.endorsements.statements).toEqual(again.statements);
    const [, olderIdentity] = alone(collateral({ issuedMs: AT_MS - 60 * DAY_MS })).statements ?? [];
    const older = signStatement(new TextDecoder().decode(olderIdentity?.bytes), key);
    expect(withNewerEndorsements(tdx, by([tcbInfo, older]))).toEqual({ outcome: 'SIGNER_CHANGED' });
    expect(mergedWith(tdx, { ...by([older, older]), crls: [] })).toBeUndefined();
  });
});

/** The same certificate with the other of the two ECDSA signatures that every one has: (r, n - s). */
function malleated(der: Uint8Array): Uint8Array {
  const certificate = parseCertificate(der) ?? expect.fail();
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const [r, s] =
    decodeDer(certificate.signature, (document) =>
      document.within(DER_TAGS.sequence, (inner) => [inner.integer(), inner.integer()] as const),
    ) ?? expect.fail();
  const algorithm = derSequence(derOid('1.2.840.10045.4.3.2'));
  const signature = derSequence(derInteger(toInteger(r)), derInteger(order - toInteger(s)));
  return derSequence(certificate.tbs, algorithm, derBitString(signature));
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}
