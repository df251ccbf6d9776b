import { describe, expect, it } from 'vitest';
import {
  createEndorsementCache,
  type IntelVerification,
  verifyIntelQuote,
  verifyIntelSignatures,
} from '../../src/index.ts';
import { ecSpki, writeCrl, writeX509 } from '../../src/simulated/certificate-writer.ts';
import { intelAuthorityFields, intelAuthorityName, pckExtension, spkiOf } from '../../src/simulated/intel/intel-pki.ts';
import { CASES, CRL_TIMES, changed, foreign, quote3, quote4, quote5 } from './intel-cases.ts';
import {
  AT_MS,
  collateral,
  intelAuthorityCertificate,
  intelAuthorityKey,
  leafFields,
  NEXT_UPDATE_MS,
  platform,
  quoteWithChain,
  root,
  SGX_COLLATERAL,
  sgx,
  sgxQuote,
  tdx,
  tdxQuote,
  withChain,
  withCollateral,
} from './intel-fixture.ts';

describe('verifyIntelQuote refuses, each with its code', () => {
  for (const [code, make] of Object.entries(CASES)) {
    it(code, () => {
      expect(verifyIntelQuote(make())).toMatchObject({ ok: false, code });
    });
  }

  it('the same with a warm cache', () => {
    const cache = createEndorsementCache();
    for (const input of [sgx(), tdx()]) {
      expect(verifyIntelQuote({ ...input, cache }).ok).toBe(true);
      expect(verifyIntelQuote({ ...input, cache })).toEqual(verifyIntelQuote(input));
    }
    for (const [code, make] of Object.entries(CASES)) {
      expect(verifyIntelQuote({ ...make(), cache }), code).toMatchObject({ ok: false, code });
    }
  });
});

describe('verifyIntelQuote', () => {
  it('accepts SGX and TDX quotes of every version', () => {
    const enclave = quote3.slice(48, 432);
    const td = quote4.slice(48, 48 + 584);
    const inputs: readonly IntelVerification[] = [
      sgx(),
      sgx({ quote: platform.quote({ version: 4, tee: 'sgx', body: enclave }) }),
      sgx({ quote: platform.quote({ version: 5, tee: 'sgx', body: enclave }) }),
      tdx(),
      tdx({ quote: platform.quote({ version: 5, tee: 'tdx', body: td }) }),
      tdx({ quote: quote5 }),
      tdx({ quote: Uint8Array.of(...quote4, ...new Uint8Array(3000)) }),
    ];
    for (const input of inputs) {
      const verified = verifyIntelQuote(input);
      if (!verified.ok) expect.fail(`${verified.code} ${verified.detail}`);
      expect(verified.value.tcb.status).toBe('UpToDate');
      expect(verified.value.hardwareId).toBe(platform.hardwareId);
      expect(verified.value.validUntilMs).toBe(NEXT_UPDATE_MS);
      expect(verified.value.crls).toHaveLength(2);
    }
  });

  it('refuses CRLs older than those seen before, of either issuer', () => {
    const verified = verifyIntelQuote(sgx());
    if (!verified.ok) expect.fail(verified.code);
    for (const [index, code] of ['ROOT_CRL_OLDER_THAN_SEEN', 'PCK_CRL_OLDER_THAN_SEEN'].entries()) {
      const seen = verified.value.crls[index] ?? expect.fail();
      const at = (number: string, thisUpdateMs: number): IntelVerification =>
        sgx({ crlFloors: new Map([[seen.issuer, { number, thisUpdateMs }]]) });
      expect(verifyIntelQuote(at(seen.number, seen.thisUpdateMs)).ok).toBe(true);
      expect(verifyIntelQuote(at(seen.number, seen.thisUpdateMs + 1))).toMatchObject({ code });
      expect(verifyIntelQuote(at('f'.repeat(40), seen.thisUpdateMs))).toMatchObject({ code });
    }
  });

  it('refuses CRLs that another key signed, or under another algorithm', () => {
    for (const key of [foreign, { ...intelAuthorityKey('root'), hash: 'sha384' as const }]) {
      const code = key === foreign ? 'ROOT_CRL_SIGNATURE' : 'ROOT_CRL_ALGORITHM';
      const rootCrl = writeCrl({ issuer: intelAuthorityName('root'), ...CRL_TIMES, revoked: [] }, key);
      expect(verifyIntelQuote(withCollateral({ rootCrl }))).toMatchObject({ code });
    }
  });

  it('reads the version 2 of TCB info for SGX, not for TDX', () => {
    const components = Object.fromEntries(
      Array.from({ length: 16 }, (_, i) => [`sgxtcbcomp${String(i + 1).padStart(2, '0')}svn`, i < 4 ? 2 : 0]),
    );
    const tcbLevels = [
      { tcb: { ...components, pcesvn: 5 }, tcbDate: '2025-01-01T00:00:00Z', tcbStatus: 'SWHardeningNeeded' },
    ];
    const old = collateral('sgx', { tcbInfoMembers: { version: 2, tcbLevels } });
    expect(verifyIntelQuote(sgx({ collateral: old }))).toMatchObject({
      ok: true,
      value: { tcb: { status: 'SWHardeningNeeded' } },
    });
    const tdxLevels = [{ ...tcbLevels[0], tcb: { ...tcbLevels[0]?.tcb, tdxtcbcomponents: zeros() } }];
    const oldTdx = collateral('tdx', { tcbInfoMembers: { version: 2, tcbLevels: tdxLevels } });
    expect(verifyIntelQuote(tdx({ collateral: oldTdx }))).toMatchObject({ code: 'TCB_INFO_VERSION' });
  });

  it('takes the platform instance where the PPID is blank, and no hardware id from neither', () => {
    for (const platformInstanceId of [new Uint8Array(16).fill(3), new Uint8Array(16)]) {
      const statement = { ...platform.statement, ppid: new Uint8Array(16), platformInstanceId };
      const extensions = [...leafFields.extensions.slice(0, 2), pckExtension(statement)];
      const verified = verifyIntelQuote(withChain({ leaf: { extensions } }));
      expect(verified.ok && verified.value.hardwareId !== undefined).toBe(platformInstanceId[0] === 3);
    }
  });

  it('knows the PCK certificates of processors too', () => {
    const leaf = writeX509(
      { ...leafFields, issuer: intelAuthorityName('processor-ca') },
      intelAuthorityKey('processor-ca'),
    );
    const quote = quoteWithChain([leaf, intelAuthorityCertificate('processor-ca'), root]);
    expect(verifyIntelQuote(sgx({ quote, collateral: collateral('sgx', { pckIssuer: 'processor-ca' }) })).ok).toBe(
      true,
    );
    expect(verifyIntelQuote(sgx({ quote }))).toMatchObject({ code: 'PCK_CRL_CHAIN_MISMATCH' });
    const { pckCrlIssuerChain: _, ...rest } = SGX_COLLATERAL;
    expect(verifyIntelQuote(sgx({ quote, collateral: rest }))).toMatchObject({ code: 'PCK_CRL_ISSUER' });
  });

  it('proves signatures without collateral, and accepts nothing by them', () => {
    const input = { quote: quote4, trustAnchors: sgx().trustAnchors, atMs: AT_MS };
    expect(verifyIntelSignatures(input).ok).toBe(true);
    const unbound = { qe: { reportData: new Uint8Array(64) } };
    expect(verifyIntelSignatures({ ...input, quote: tdxQuote({}, unbound) })).toMatchObject({
      code: 'QE_REPORT_DATA_MISMATCH',
    });
    expect(verifyIntelSignatures({ ...input, quote: changed(quote4, 48 + 136, 9) })).toMatchObject({
      code: 'QUOTE_SIGNATURE',
    });
    expect(verifyIntelSignatures({ ...input, quote: sgxQuote({}, { pckKey: foreign }) })).toMatchObject({
      code: 'QE_REPORT_SIGNATURE',
    });
  });

  it('does not take the root for an issuer of PCK certificates', () => {
    const { subject } = intelAuthorityFields('root');
    const leaf = writeX509({ ...leafFields, issuer: subject }, intelAuthorityKey('root'));
    expect(verifyIntelQuote(sgx({ quote: quoteWithChain([leaf, root, root]) }))).toMatchObject({
      code: 'PCK_CHAIN_CERTIFICATE_NAME',
    });
  });

  it('wants keys on P-256', () => {
    const point = Uint8Array.of(4, ...new Uint8Array(96).fill(1));
    expect(verifyIntelQuote(withChain({ leaf: { spki: ecSpki('P-384', point) } }))).toMatchObject({
      code: 'PCK_CHAIN_CERTIFICATE_KEY',
    });
    expect(spkiOf(platform.pckKey)).toEqual(leafFields.spki);
  });
});

function zeros(): { svn: number }[] {
  return Array.from({ length: 16 }, () => ({ svn: 0 }));
}
