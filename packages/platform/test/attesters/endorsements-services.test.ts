import type { SnpEndorsementNeeds } from '@cloister/attestation';
import { concatBytes, parseUtf8, toHex, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { chainRequest, chipKeyRequest, snpCrlRequest } from '../../src/endorsements/amd-kds.ts';
import { commonPeriod } from '../../src/endorsements/answers.ts';
import { INTEL_SERVICE, intelRequests } from '../../src/endorsements/intel-pcs.ts';
import { jsonMemberBytes } from '../../src/endorsements/json-member-bytes.ts';
import {
  AT_MS,
  answer,
  collateralOf,
  genoa,
  milan,
  pem,
  SimulatedVendors,
  statementBody,
  turin,
} from './vendor-services.ts';

const needs = { platform: 'tdx', fmspc: '90c06f000000', pckIssuer: 'platform' } as const;
const requests = intelRequests(needs, 'standard');
const { tcbInfo, qeIdentity, pckCrl, pckCrlIssuerChain } = collateralOf(AT_MS);
if (!tcbInfo || !qeIdentity || !pckCrl || !pckCrlIssuerChain) throw new Error('simulated collateral');
const chain = encodeURIComponent(pem(tcbInfo.issuerChain));
const body = statementBody('tcbInfo', tcbInfo);

describe("the exact bytes of a member's value", () => {
  const limits = { maxBytes: 1000, maxDepth: 5 };
  const cut = (text: string, name = 'a'): string | undefined => {
    const found = jsonMemberBytes(utf8(text), name, limits);
    return found.ok ? parseUtf8(found.value.bytes) : undefined;
  };

  it.each([
    ['{"a":1}', '1'],
    ['{"a": {"b": [1,2] , "a":3} , "c":4}', '{"b": [1,2] , "a":3}'],
    ['{"b":{"a":1},"a":[{"a":"}"}]}', '[{"a":"}"}]'],
    ['{"b":"a","a":"x\\"},y"}', '"x\\"},y"'],
    ['{"b":"\\\\","a":true}', 'true'],
    [' { "a" :\n null\t} ', 'null'],
    ['{"a":1.50e1,"b":2}', '1.50e1'],
    ['{"":{"a":[]},"a":"é"}', '"é"'],
  ])('of %s is %s', (text, expected) => {
    expect(cut(text)).toBe(expected);
  });

  it.each([
    '{"b":{"a":1}}',
    '[{"a":1}]',
    '{"\\u0061":1}',
    '{"a":1,"a":2}',
    '{"a":1',
    '"a"',
    '{"b":"a"}',
    '{"b":["a",1],"c":2}',
    '{"b":"a","c":1}',
  ])('is not found in %s', (text) => {
    expect(cut(text)).toBeUndefined();
  });
});

describe('the time in which several hold', () => {
  it('is the common one', () => {
    const [early, late] = [
      { fromMs: 1, untilMs: 9 },
      { fromMs: 4, untilMs: 12 },
    ];
    for (const periods of [
      [early, late],
      [late, early],
    ]) {
      expect(commonPeriod(periods)).toEqual({ fromMs: 4, untilMs: 9 });
    }
    expect([commonPeriod([]), commonPeriod([early, undefined])]).toEqual([undefined, undefined]);
  });
});

describe("Intel's service", () => {
  it('is asked at its addresses', () => {
    expect(Object.values(requests).map(({ url }) => url)).toEqual([
      'https://api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc=90c06f000000&update=standard',
      'https://api.trustedservices.intel.com/tdx/certification/v4/qe/identity?update=standard',
      'https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
    ]);
    const pccs = { ...INTEL_SERVICE, pcs: 'https://localhost:8081' };
    const early = intelRequests({ platform: 'sgx', fmspc: '00a067110000', pckIssuer: 'processor' }, 'early', pccs);
    expect([early.tcbInfo.url, early.pckCrl.url]).toEqual([
      'https://localhost:8081/sgx/certification/v4/tcb?fmspc=00a067110000&update=early',
      'https://localhost:8081/sgx/certification/v4/pckcrl?ca=processor&encoding=der',
    ]);
  });

  it('gives statements with the very bytes that are signed, and their dates', () => {
    expect(requests.tcbInfo.read(answer(body, { 'tcb-info-issuer-chain': chain }))).toEqual({
      ok: true,
      value: { value: tcbInfo, period: { fromMs: AT_MS, untilMs: AT_MS + 30 * 86_400_000 } },
    });
    const identity = answer(statementBody('enclaveIdentity', qeIdentity), {
      'sgx-enclave-identity-issuer-chain': chain,
    });
    expect(requests.qeIdentity.read(identity)).toMatchObject({ ok: true, value: { value: qeIdentity } });
    const text = utf8(`{ "signature" : "${toHex(tcbInfo.signature).toUpperCase()}" , "tcbInfo" : `);
    const spaced = answer(concatBytes(text, tcbInfo.bytes, utf8(' }\n')), { 'sgx-tcb-info-issuer-chain': chain });
    expect(requests.tcbInfo.read(spaced)).toMatchObject({ ok: true, value: { value: tcbInfo } });
  });

  const text = parseUtf8(body) ?? '';
  const refusals: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
    ['without issuer chain', text, {}],
    ["with another statement's issuer chain", text, { 'sgx-enclave-identity-issuer-chain': chain }],
    ['with an issuer chain that is not encoded as URLs are', text, { 'tcb-info-issuer-chain': '%zz' }],
    ['with an issuer chain that is no PEM', text, { 'tcb-info-issuer-chain': 'PEM' }],
    [
      'with something else as certificate',
      text,
      { 'tcb-info-issuer-chain': encodeURIComponent(pem([Uint8Array.of(1)])) },
    ],
    ['cut off', text.slice(0, -10), { 'tcb-info-issuer-chain': chain }],
    ['that is no JSON', '<html></html>', { 'tcb-info-issuer-chain': chain }],
    ['with the statement twice', text.replace('{', `{"tcbInfo":{},`), { 'tcb-info-issuer-chain': chain }],
    ['with a member more', text.replace('{', `{"x":1,`), { 'tcb-info-issuer-chain': chain }],
    ['without signature', text.replace('"signature"', '"signed"'), { 'tcb-info-issuer-chain': chain }],
    ['with half a signature', text.replace(toHex(tcbInfo.signature.slice(32)), ''), { 'tcb-info-issuer-chain': chain }],
    ['of the QE identity', text.replace('tcbInfo', 'enclaveIdentity'), { 'tcb-info-issuer-chain': chain }],
    ['without date', text.replace('nextUpdate', 'lastUpdate'), { 'tcb-info-issuer-chain': chain }],
  ];
  it.each(refusals)('is refused an answer %s', (_, changed, headers) => {
    expect(requests.tcbInfo.read(answer(utf8(changed), headers))).toMatchObject({
      ok: false,
      code: 'ANSWER_MALFORMED',
    });
  });

  it('gives the CRL of PCK certificates with the chain of its issuer', () => {
    const headers = { 'sgx-pck-crl-issuer-chain': encodeURIComponent(pem(pckCrlIssuerChain)) };
    expect(requests.pckCrl.read(answer(pckCrl, headers))).toMatchObject({
      ok: true,
      value: { value: { crl: pckCrl, issuerChain: pckCrlIssuerChain } },
    });
    for (const spoilt of [answer(pckCrl), answer(utf8(toHex(pckCrl)), headers), answer(new Uint8Array(), headers)]) {
      expect(requests.pckCrl.read(spoilt).ok).toBe(false);
    }
    expect(requests.rootCrl.read(answer(pckCrl.subarray(1))).ok).toBe(false);
  });
});

describe("AMD's service", () => {
  const needsOf = (device: typeof genoa): SnpEndorsementNeeds => ({
    platform: 'sev-snp',
    product: device.product,
    signingKey: device.signingKey,
    hardwareId: device.hardwareId,
    tcb: device.tcb,
  });

  it('is asked at its addresses', () => {
    const { hardwareId } = milan;
    expect(hardwareId.length).toBe(128);
    expect(chipKeyRequest(needsOf(milan), hardwareId).url).toBe(
      `https://kdsintf.amd.com/vcek/v1/Milan/${hardwareId}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219`,
    );
    expect(turin.hardwareId.length).toBe(16);
    expect(chipKeyRequest(needsOf(turin), turin.hardwareId).url).toBe(
      `https://kdsintf.amd.com/vcek/v1/Turin/${turin.hardwareId}?fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=81`,
    );
    const vlek: SnpEndorsementNeeds = { ...needsOf(genoa), signingKey: 'VLEK' };
    expect([chainRequest(vlek).url, snpCrlRequest(needsOf(genoa), 'https://mirror.example/kds').url]).toEqual([
      'https://kdsintf.amd.com/vlek/v1/Genoa/cert_chain',
      'https://mirror.example/kds/vcek/v1/Genoa/crl',
    ]);
  });

  it('gives key, chain and CRL', async () => {
    const vendors = new SimulatedVendors();
    const [leaf, ...above] = genoa.certificates;
    const key = chipKeyRequest(needsOf(genoa), genoa.hardwareId);
    expect(key.read(await vendors.get(key.url))).toMatchObject({ ok: true, value: { value: leaf } });
    const higher = chainRequest(needsOf(genoa));
    expect(higher.read(await vendors.get(higher.url))).toMatchObject({ ok: true, value: { value: above } });
    const crl = snpCrlRequest(needsOf(genoa));
    expect(crl.read(await vendors.get(crl.url)).ok).toBe(true);
  });

  it.each([
    ['a chain of one', chainRequest(needsOf(genoa)), utf8(pem(genoa.certificates.slice(2)))],
    ['a chain of three', chainRequest(needsOf(genoa)), utf8(pem(genoa.certificates))],
    ['a chain with text around it', chainRequest(needsOf(genoa)), utf8(`x\n${pem(genoa.certificates.slice(1))}`)],
    ['a key in PEM', chipKeyRequest(needsOf(genoa), genoa.hardwareId), utf8(pem(genoa.certificates.slice(0, 1)))],
    ['an error page as key', chipKeyRequest(needsOf(genoa), genoa.hardwareId), utf8('Too Many Requests')],
    ['a certificate as CRL', snpCrlRequest(needsOf(genoa)), genoa.certificates[0] ?? new Uint8Array()],
  ])('is refused %s', (_, request, contents) => {
    expect(request.read(answer(contents))).toMatchObject({ ok: false, code: 'ANSWER_MALFORMED' });
  });
});
