/** Single checks on Intel quotes and collateral. Each fails when its check is left out. */
import { fromHex, parseUtf8, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { parseEnclaveReport } from '../../src/formats/intel/enclave-report.ts';
import { findModuleIdentity } from '../../src/formats/intel/evaluate-tcb.ts';
import { parseQeIdentity } from '../../src/formats/intel/qe-identity.ts';
import { parseTcbInfo } from '../../src/formats/intel/tcb-info.ts';
import { parseTdReport } from '../../src/formats/intel/td-report.ts';
import {
  type IntelVerification,
  parseIntelCollateral,
  verifyIntelQuote,
  verifyIntelSignatures,
} from '../../src/index.ts';
import { basicConstraints, keyUsage } from '../../src/simulated/authority-extensions.ts';
import { pckExtension, spkiOf } from '../../src/simulated/intel/intel-pki.ts';
import { changed, foreign, quote3, quote4 } from '../formats/intel-cases.ts';
import {
  changedAuthority,
  changedLeaf,
  collateral,
  intelAuthorityKey,
  leafFields,
  pck,
  pckCa,
  platform,
  quoteWithChain,
  root,
  SGX_COLLATERAL,
  sgx,
  sgxQuote,
  TDX_COLLATERAL,
  tdx,
  withChain,
  withCollateral,
} from '../formats/intel-fixture.ts';
import { replaceAllBytes } from '../formats/snp-fixture.ts';
import { collateralMembers } from '../fuzz/intel-subjects.ts';

function codeOf(input: IntelVerification): string {
  const verified = verifyIntelQuote(input);
  return verified.ok ? 'ok' : verified.code;
}

/** ecdsa-with-SHA256 and id-ecPublicKey, and unknown ones of the same length. */
const [ECDSA, NO_ECDSA] = [fromHex('06082a8648ce3d040302'), fromHex('06082a8648ce3d040309')];
const [EC_KEY, NO_EC_KEY] = [fromHex('06072a8648ce3d0201'), fromHex('06072a8648ce3d0209')];

describe('instants', () => {
  it('are whole numbers', () => {
    for (const atMs of [Number.NaN, 0.5, Number.POSITIVE_INFINITY]) {
      expect(() => verifyIntelQuote(sgx({ atMs }))).toThrow('atMs');
      expect(() => verifyIntelSignatures({ ...sgx(), atMs })).toThrow('atMs');
    }
  });
});

describe('certificate paths', () => {
  it('use algorithms and keys that are known', () => {
    expect(codeOf(sgx({ quote: quoteWithChain([replaceAllBytes(pck, ECDSA, NO_ECDSA), pckCa, root]) }))).toBe(
      'PCK_CHAIN_CERTIFICATE_ALGORITHM',
    );
    expect(codeOf(sgx({ quote: quoteWithChain([replaceAllBytes(pck, EC_KEY, NO_EC_KEY), pckCa, root]) }))).toBe(
      'PCK_CHAIN_CERTIFICATE_KEY',
    );
    const pckCrl = replaceAllBytes(SGX_COLLATERAL.pckCrl ?? new Uint8Array(), ECDSA, NO_ECDSA);
    expect(codeOf(withCollateral({ pckCrl }))).toBe('PCK_CRL_ALGORITHM');
  });

  it('end in a leaf that may sign', () => {
    const extensions = leafFields.extensions.map((e) => (e.oid === '2.5.29.15' ? keyUsage('authority') : e));
    expect(codeOf(withChain({ leaf: { extensions } }))).toBe('PCK_CHAIN_CERTIFICATE_KEY_USAGE');
  });

  it('say where they fail', () => {
    for (const [place, chain] of [
      ['root', [pck, pckCa, changedAuthority('root', { signer: foreign })]],
      ['intermediate 1', [pck, changedAuthority('platform-ca', { signer: foreign }), root]],
      ['leaf', [changedLeaf({ signer: foreign }), pckCa, root]],
    ] as const) {
      expect(verifyIntelQuote(sgx({ quote: quoteWithChain(chain) }))).toMatchObject({ detail: place });
    }
  });

  it('are text', () => {
    const quote = sgxQuote({}, { certificationData: Uint8Array.of(0xff, 0xfe, 1) });
    expect(codeOf(sgx({ quote }))).toBe('PCK_CHAIN_PEM_MALFORMED');
  });

  it('with the PCK CRL lead to the very issuer, by name and by key', () => {
    const otherKey = changedAuthority('platform-ca', { spki: spkiOf(foreign) });
    const otherName = changedAuthority('processor-ca', { spki: spkiOf(intelAuthorityKey('platform-ca')) });
    for (const der of [otherKey, otherName]) {
      expect(codeOf(withCollateral({ pckCrlIssuerChain: [der, root] }))).toBe('PCK_CRL_CHAIN_MISMATCH');
    }
  });
});

describe('signatures alone', () => {
  it('need a quote and its chain', () => {
    expect(verifyIntelSignatures(sgx())).toMatchObject({ ok: true });
    expect(verifyIntelSignatures(sgx({ quote: quote3.subarray(0, 100) }))).toMatchObject({ code: 'QUOTE_TRUNCATED' });
    expect(verifyIntelSignatures(sgx({ quote: quoteWithChain([pck, pckCa]) }))).toMatchObject({
      code: 'PCK_CHAIN_CHAIN_LENGTH',
    });
    expect(verifyIntelSignatures(sgx({ quote: sgxQuote({}, { pckKey: foreign }) }))).toMatchObject({
      code: 'QE_REPORT_SIGNATURE',
    });
    expect(
      verifyIntelSignatures(sgx({ quote: sgxQuote({}, { qe: { reportData: new Uint8Array(64) } }) })),
    ).toMatchObject({
      code: 'QE_REPORT_DATA_MISMATCH',
    });
    expect(verifyIntelSignatures(sgx({ quote: changed(quote3, 112, 9) }))).toMatchObject({ code: 'QUOTE_SIGNATURE' });
  });
});

describe('quotes', () => {
  it('are of SGX or TDX', () => {
    expect(codeOf(tdx({ quote: changed(quote4, 4, 0x82) }))).toBe('QUOTE_TEE_TYPE');
  });

  it('state no more certification data than there are', () => {
    const start = 48 + 584 + 4;
    const cut = changed(quote4.slice(0, start + 128 + 6), start - 4, 134, 0, 0, 0);
    expect(codeOf(tdx({ quote: cut }))).toBe('QUOTE_LENGTHS');
  });

  it('hold bodies of their exact size', () => {
    expect(parseEnclaveReport(new Uint8Array(384))).toBeDefined();
    expect(parseEnclaveReport(new Uint8Array(385))).toBeUndefined();
    expect(parseTdReport(new Uint8Array(600))).toBeUndefined();
    expect(parseTdReport(new Uint8Array(584))).toMatchObject({ teeTcbSvn2: undefined, mrServiceTd: undefined });
    expect(parseTdReport(new Uint8Array(648))?.mrServiceTd).toHaveLength(48);
  });
});

describe('hardware ids', () => {
  it('are not made of nothing', () => {
    const blank = pckExtension({ ...platform.statement, ppid: new Uint8Array(16), platformInstanceId: undefined });
    const extensions = [keyUsage('signature'), basicConstraints(undefined), blank];
    const verified = verifyIntelQuote(withChain({ leaf: { extensions } }));
    expect(verified).toMatchObject({ ok: true, value: { hardwareId: undefined } });
  });
});

describe('statements', () => {
  const text = parseUtf8(SGX_COLLATERAL.tcbInfo?.bytes ?? new Uint8Array()) ?? '';
  const members = JSON.parse(text) as { readonly [name: string]: unknown };
  const read = (changes: object): unknown => parseTcbInfo(utf8(JSON.stringify({ ...members, ...changes })));

  it('are JSON', () => {
    expect(parseTcbInfo(utf8('{'))).not.toEqual({ refused: 'tcbInfo: not an object' });
    expect(parseTcbInfo(utf8('{'))).toHaveProperty('refused');
  });

  it('of version 3 say whether they are about SGX or TDX', () => {
    expect(read({})).toMatchObject({ value: { id: 'SGX' } });
    expect(read({ id: undefined })).toEqual({ refused: 'tcbInfo.id: expected one of SGX, TDX' });
    const numbered = Array.from(
      { length: 16 },
      (_, i) => [`sgxtcbcomp${String(i + 1).padStart(2, '0')}svn`, 1] as const,
    );
    const tcb = { ...Object.fromEntries(numbered), pcesvn: 1 };
    const tcbLevels = [{ tcb, tcbDate: '2025-01-01T00:00:00Z', tcbStatus: 'UpToDate' }];
    expect(read({ version: 2, id: undefined, tcbLevels })).toMatchObject({ value: { id: 'SGX', version: 2 } });
    expect(read({ version: 2, id: 'SEV', tcbLevels })).toEqual({ refused: 'tcbInfo.id: expected one of SGX, TDX' });
  });

  it('hold texts of a bounded length', () => {
    const identity = JSON.parse(parseUtf8(SGX_COLLATERAL.qeIdentity?.bytes ?? new Uint8Array()) ?? '') as object;
    expect(parseQeIdentity(utf8(JSON.stringify({ ...identity, id: 'x'.repeat(256) })))).toHaveProperty('value');
    expect(parseQeIdentity(utf8(JSON.stringify({ ...identity, id: 'x'.repeat(257) })))).toHaveProperty('refused');
  });

  it('of TDX may know no module identities; one of major version 0 is none', () => {
    const tdxInfo = JSON.parse(parseUtf8(TDX_COLLATERAL.tcbInfo?.bytes ?? new Uint8Array()) ?? '') as {
      readonly tdxModuleIdentities: readonly object[];
    };
    const without = parseTcbInfo(utf8(JSON.stringify({ ...tdxInfo, tdxModuleIdentities: undefined })));
    expect(without).toMatchObject({ value: { tdxModuleIdentities: [] } });
    const zero = { ...tdxInfo.tdxModuleIdentities[0], id: 'TDX_00' };
    const parsed = parseTcbInfo(utf8(JSON.stringify({ ...tdxInfo, tdxModuleIdentities: [zero] })));
    if ('refused' in parsed) expect.fail(parsed.refused);
    expect(findModuleIdentity(parsed.value, new Uint8Array(16))).toBeUndefined();
  });
});

describe('collateral as the service gives it', () => {
  const original = collateralMembers(collateral('sgx'));
  const read = (changes: object): unknown => parseIntelCollateral(utf8(JSON.stringify({ ...original, ...changes })));

  it('has members of their form', () => {
    expect(read({})).toMatchObject({ ok: true });
    for (const changes of [
      { tcb_info: 5 },
      { tcb_info_signature: 'xy' },
      { tcb_info_signature: null },
      { tcb_info_issuer_chain: 'none' },
      { tcb_info_issuer_chain: 5 },
      { qe_identity: [] },
      { qe_identity_signature: 'abc' },
      { root_ca_crl: 'zz' },
      { root_ca_crl: 7 },
      { root_ca_crl: 12 },
      { pck_crl: 'a' },
      { pck_crl_issuer_chain: 'none' },
      { pck_crl_issuer_chain: 1 },
    ]) {
      expect(read(changes), JSON.stringify(changes)).toMatchObject({ ok: false, code: 'COLLATERAL_MALFORMED' });
    }
    for (const text of ['', '[]', 'null', '5']) expect(parseIntelCollateral(utf8(text))).toMatchObject({ ok: false });
    expect(parseIntelCollateral(utf8('{'))).not.toMatchObject({ detail: 'not an object' });
  });

  it('may lack members, which null says as well', () => {
    expect(read({ tcb_info: null, root_ca_crl: null })).toMatchObject({
      ok: true,
      value: { tcbInfo: undefined, rootCrl: undefined },
    });
  });
});
