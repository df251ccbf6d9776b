/**
 * Single checks on endorsements that come by themselves, and on what they are merged into. Anyone may submit them, so that
 * each case is what a stranger would try. Each fails when its check is left out.
 */
import { fromHex, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  type Endorsements,
  endorsementNeeds,
  endorsementsOfCollateral,
  type IntelCollateral,
  SIMULATED_ANCHORS,
  type SignedText,
  type TrustAnchors,
  verifyEndorsements,
  verifyIntelQuote,
} from '../../src/index.ts';
import { authorityCertificate, authorityExtensions } from '../../src/simulated/development-pki.ts';
import { simulatedCrl } from '../../src/simulated/index.ts';
import { intelAuthorityName } from '../../src/simulated/intel/intel-pki.ts';
import { parseCertificate, spkiPin } from '../../src/x509/x509.ts';
import {
  changedAuthority,
  changedLeaf,
  collateral,
  intelAuthorityCertificate,
  intelAuthorityKey,
  leafFields,
  NEXT_UPDATE_MS,
  pckCa,
  quoteWithChain,
  root,
  SGX_COLLATERAL,
  sgx,
  sgxQuote,
  tdx,
  tdxQuote,
} from '../formats/intel-fixture.ts';
import {
  AT_MS,
  CRL_TIMES,
  changedChain,
  FIELDS,
  flipBit,
  genoa,
  genoaCrl,
  replaceAllBytes,
} from '../formats/snp-fixture.ts';
import { machineBundle, mergedWith } from '../platform-fixture.ts';

const GARBAGE = Uint8Array.of(0x30, 0x03, 1, 2, 3);
/** The algorithms RSASSA-PSS and rsaEncryption, and unknown ones of the same length. */
const [PSS, NO_PSS] = [fromHex('06092a864886f70d01010a'), fromHex('06092a864886f70d01011e')];
const [RSA, NO_RSA] = [fromHex('06092a864886f70d010101'), fromHex('06092a864886f70d01011f')];

const ark = authorityCertificate('Genoa', 'ark');
const milanArk = authorityCertificate('Milan', 'ark');
const milanCrl = simulatedCrl({ product: 'Milan', number: 3n, ...CRL_TIMES });
const [, , weakRoot = GARBAGE] = changedChain({ root: { extensions: authorityExtensions('ask') } });

function amd(certificates: readonly Uint8Array[], crls: readonly Uint8Array[], trustAnchors = SIMULATED_ANCHORS) {
  const endorsements = { certificates, crls };
  return verifyEndorsements({ platform: 'sev-snp', endorsements, trustAnchors, atMs: AT_MS });
}

describe("AMD's lists", () => {
  it('may come with certificates that are none, which vouch for nothing', () => {
    expect(amd([GARBAGE, ark], [genoaCrl])).toMatchObject({ ok: true });
    expect(amd([GARBAGE], [genoaCrl])).toMatchObject({ code: 'ROOT_MISSING' });
  });

  it('need a root whose own signature is of a kind that is verified', () => {
    expect(amd([replaceAllBytes(ark, PSS, NO_PSS)], [genoaCrl])).toMatchObject({ code: 'ROOT_SIGNATURE' });
    const keyless = replaceAllBytes(ark, RSA, NO_RSA);
    const certificate = parseCertificate(keyless) ?? expect.fail();
    expect(certificate.publicKey).toBeUndefined();
    const roots = [{ platform: 'sev-snp', product: 'Genoa', spkiSha256: spkiPin(certificate) }] as const;
    const pinned: TrustAnchors = { simulated: true, roots };
    expect(amd([keyless], [genoaCrl], pinned)).toMatchObject({ code: 'ROOT_SIGNATURE' });
  });

  it('need a root that may sign lists', () => {
    expect(amd([weakRoot], [genoaCrl])).toMatchObject({ code: 'CERTIFICATE_KEY_USAGE' });
  });

  it('are refused for what their own root finds wrong, whichever roots come after it', () => {
    expect(amd([ark, milanArk], [milanCrl, genoaCrl])).toMatchObject({ ok: true });
    const forged = flipBit(genoaCrl, 8 * (genoaCrl.length - 1));
    expect(amd([ark, milanArk], [forged])).toMatchObject({ code: 'CRL_SIGNATURE' });
    expect(amd([ark, milanArk], [GARBAGE])).toMatchObject({ code: 'CRL_MALFORMED' });
  });
});

function endorsementsOf(from: IntelCollateral): Endorsements {
  const endorsements = endorsementsOfCollateral(from);
  return endorsements.ok ? endorsements.value : expect.fail(endorsements.code);
}

describe("Intel's collateral", () => {
  it.each(['tcbInfo', 'qeIdentity', 'rootCrl', 'pckCrl'] as const)('is incomplete without %s', (part) => {
    expect(endorsementsOfCollateral(SGX_COLLATERAL).ok).toBe(true);
    expect(endorsementsOfCollateral({ ...SGX_COLLATERAL, [part]: undefined })).toMatchObject({
      code: 'COLLATERAL_INCOMPLETE',
    });
  });

  it('comes with an issuer of PCK certificates whom the root signed', () => {
    const { certificates, ...rest } = endorsementsOf(SGX_COLLATERAL);
    const by = (issuer: Uint8Array): unknown =>
      verifyEndorsements({
        platform: 'sgx',
        endorsements: { ...rest, certificates: [...certificates, issuer] },
        trustAnchors: SIMULATED_ANCHORS,
        atMs: AT_MS,
      });
    expect(by(pckCa)).toMatchObject({ ok: true });
    const stranger = changedAuthority('platform-ca', { signer: intelAuthorityKey('processor-ca') });
    expect(by(stranger)).toMatchObject({ code: 'PCK_CRL_CHAIN_INTERMEDIATE_SIGNATURE' });
    expect(by(intelAuthorityCertificate('tcb-signing'))).toMatchObject({ code: 'PCK_CRL_CHAIN_CERTIFICATE_NAME' });
  });
});

describe('a quote', () => {
  it('of one TEE is none of the other, whatever else is right about it', () => {
    expect(verifyIntelQuote(sgx({ tee: 'sgx' })).ok).toBe(true);
    expect(verifyIntelQuote(sgx({ tee: 'tdx' }))).toMatchObject({ code: 'QUOTE_OTHER_TEE', detail: 'sgx' });
    expect(verifyIntelQuote(tdx({ tee: 'tdx' })).ok).toBe(true);
    expect(verifyIntelQuote(tdx({ tee: 'sgx' }))).toMatchObject({ code: 'QUOTE_OTHER_TEE', detail: 'tdx' });
  });
});

describe('merging', () => {
  const tdBundle = machineBundle('tdx');
  const held = { ...tdBundle, endorsements: endorsementsOf(collateral('tdx')) };
  const [tcbInfo, qeIdentity] = held.endorsements.statements as readonly [SignedText, SignedText];
  const later = { issuedMs: AT_MS - 1000, nextUpdateMs: NEXT_UPDATE_MS + 1000, crlNumber: 2n };
  const newer = endorsementsOf(collateral('tdx', later));
  const [newTcbInfo, newQeIdentity] = newer.statements as readonly [SignedText, SignedText];
  const broken = { bytes: utf8('{}'), signature: new Uint8Array(64) };
  const withHeld = (change: Partial<Endorsements>) => ({ ...held, endorsements: { ...held.endorsements, ...change } });
  const statementsAfter = (bundle: typeof held, endorsements: Endorsements) =>
    mergedWith(bundle, endorsements)?.endorsements.statements;

  it('takes both statements from a newer set', () => {
    expect(statementsAfter(held, newer)).toEqual([newTcbInfo, newQeIdentity]);
  });

  it('leaves lists alone that cannot be read, on either side', () => {
    const [rootCrl = GARBAGE, pckCrl = GARBAGE] = newer.crls;
    const merged = mergedWith(withHeld({ crls: [GARBAGE, held.endorsements.crls[1] ?? GARBAGE] }), newer);
    expect(merged?.endorsements.crls).toEqual([GARBAGE, pckCrl]);
    const partly = mergedWith(held, { certificates: [], crls: [rootCrl, GARBAGE] });
    expect(partly?.endorsements.crls).toEqual([rootCrl, held.endorsements.crls[1]]);
    expect(mergedWith(held, { certificates: [], crls: [GARBAGE] })).toBeUndefined();
  });

  it('leaves a bundle alone that has no two statements', () => {
    for (const statements of [[], [tcbInfo]]) {
      expect(statementsAfter(withHeld({ statements }), newer)).toEqual(statements);
    }
  });

  it('leaves statements alone that cannot be read, on either side', () => {
    expect(statementsAfter(withHeld({ statements: [broken, broken] }), newer)).toEqual([broken, broken]);
    const unreadable = { ...newer, crls: [], statements: [broken, broken] };
    expect(mergedWith(held, unreadable)).toBeUndefined();
    expect(statementsAfter(withHeld({ statements: [broken, qeIdentity] }), newer)).toEqual([broken, newQeIdentity]);
    const half = { ...newer, statements: [newTcbInfo, broken] };
    expect(statementsAfter(held, half)).toEqual([newTcbInfo, qeIdentity]);
  });

  it('leaves statements alone whose signer cannot be read, on either side', () => {
    const [signer = GARBAGE, root = GARBAGE] = newer.certificates;
    const statementsAlone = { ...newer, crls: [] };
    expect(mergedWith(held, statementsAlone)).toBeDefined();
    for (const certificates of [[], [GARBAGE, root], [signer, GARBAGE], [signer]]) {
      expect(mergedWith(held, { ...statementsAlone, certificates })).toBeUndefined();
      expect(mergedWith(withHeld({ certificates }), statementsAlone)).toBeUndefined();
    }
  });

  it('takes nothing that is earlier by one of the two numbers', () => {
    const back = (members: { readonly [name: string]: string | number }): Endorsements => ({
      ...endorsementsOf(collateral('tdx', { ...later, tcbInfoMembers: members, qeIdentityMembers: members })),
      crls: [],
    });
    expect(mergedWith(held, back({ tcbEvaluationDataNumber: 18 }))).toBeUndefined();
    const earlier = { issueDate: '2026-05-19T23:59:59Z', tcbEvaluationDataNumber: 20 };
    expect(mergedWith(held, back(earlier))).toBeUndefined();
    expect(mergedWith(held, back({ tcbEvaluationDataNumber: 20 }))).toBeDefined();
  });

  it('takes no statement of another TEE or processor, even by the same signer', () => {
    const other = endorsementsOf(collateral('sgx', later));
    expect(mergedWith(held, { ...other, crls: [] })).toBeUndefined();
    const foreign = collateral('tdx', { ...later, fmspc: Uint8Array.of(1, 2, 3, 4, 5, 6) });
    expect(statementsAfter(held, endorsementsOf(foreign))).toEqual([tcbInfo, newQeIdentity]);
  });
});

describe('what endorsements to ask for', () => {
  const report = genoa.report(FIELDS).fill(0, 0x188, 0x1a0).with(0, 2);

  it('is not read off a report that is none', () => {
    expect(endorsementNeeds({ platform: 'sev-snp', report: report.subarray(1) })).toMatchObject({
      code: 'REPORT_SIZE',
    });
  });

  it('is found past certificates that cannot be read', () => {
    const needs = endorsementNeeds({ platform: 'sev-snp', report }, [GARBAGE, ...genoa.certificates]);
    expect(needs).toMatchObject({ ok: true, value: { product: 'Genoa' } });
  });

  const withoutExtension = changedLeaf({ extensions: leafFields.extensions.slice(0, 2) });
  const text = (body: string): Uint8Array => utf8(`-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`);
  it.each([
    ['that is no text', sgxQuote({}, { certificationData: Uint8Array.of(0xff, 0xfe) }), 'PCK_CHAIN_MALFORMED'],
    ['without certificates', sgxQuote({}, { certificationData: utf8('none') }), 'PCK_CHAIN_MALFORMED'],
    ['of what is no certificate', sgxQuote({}, { certificationData: text('MAMBAgM=') }), 'PCK_CHAIN_MALFORMED'],
    ['of a leaf that names no processor', quoteWithChain([withoutExtension, pckCa, root]), 'PCK_CHAIN_MALFORMED'],
    [
      'by an issuer that Intel does not have',
      quoteWithChain([changedLeaf({ issuer: intelAuthorityName('root') }), pckCa, root]),
      'PCK_ISSUER_UNKNOWN',
    ],
  ] as const)('is not read off a chain %s', (_, quote, code) => {
    expect(endorsementNeeds({ platform: 'sgx', report: quote })).toMatchObject({ ok: false, code });
    expect(endorsementNeeds({ platform: 'sgx', report: tdxQuote() })).toMatchObject({ code: 'QUOTE_OTHER_TEE' });
  });
});
