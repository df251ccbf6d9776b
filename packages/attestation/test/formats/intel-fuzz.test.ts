/** Random and mutated bytes in every place from which Intel evidence and collateral come. */
import { parseUtf8, toBase64, toHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePckExtension } from '../../src/formats/intel/pck-extension.ts';
import { parseQeIdentity } from '../../src/formats/intel/qe-identity.ts';
import { parseTcbInfo } from '../../src/formats/intel/tcb-info.ts';
import {
  createEndorsementCache,
  detectEvidenceFormat,
  parseIntelCollateral,
  parseIntelQuote,
  readEndorsementFiles,
  verifyIntelQuote,
} from '../../src/index.ts';
import { pckExtension } from '../../src/simulated/intel/intel-pki.ts';
import { LATEST, platform, SGX_COLLATERAL, sgx, sgxQuote, TDX_COLLATERAL, tdx, tdxQuote } from './intel-fixture.ts';
import { flipBit } from './snp-fixture.ts';

const cache = createEndorsementCache();
const bytes = fc.uint8Array({ maxLength: 600 });
const positions = fc.array(fc.nat({ max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 3 });

function differs(a: Uint8Array, b: Uint8Array): boolean {
  return a.some((byte, index) => byte !== b[index]);
}

/** The collateral as the service's JSON. */
function collateralText(): string {
  const { tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuerChain } = SGX_COLLATERAL;
  const pem = (chain: readonly Uint8Array[]): string =>
    chain
      .map(
        (der) =>
          `-----BEGIN CERTIFICATE-----\n${(toBase64(der).match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`,
      )
      .join('');
  return JSON.stringify({
    tcb_info: parseUtf8(tcbInfo?.bytes ?? new Uint8Array()),
    tcb_info_signature: toHex(tcbInfo?.signature ?? new Uint8Array()),
    tcb_info_issuer_chain: pem(tcbInfo?.issuerChain ?? []),
    qe_identity: parseUtf8(qeIdentity?.bytes ?? new Uint8Array()),
    qe_identity_signature: toHex(qeIdentity?.signature ?? new Uint8Array()),
    qe_identity_issuer_chain: pem(qeIdentity?.issuerChain ?? []),
    pck_crl: toHex(pckCrl ?? new Uint8Array()),
    root_ca_crl: toHex(rootCrl ?? new Uint8Array()),
    pck_crl_issuer_chain: pem(pckCrlIssuerChain ?? []),
    another_member: 1,
  });
}

describe('quotes', () => {
  const cases = [
    ['SGX, version 3', sgxQuote(), sgx({ cache })],
    ['TDX, version 4', tdxQuote(), tdx({ cache })],
    ['TDX, version 5', tdxQuote({ teeTcbSvn2: LATEST }), tdx({ cache })],
  ] as const;

  for (const [name, genuine, input] of cases) {
    it(`${name}: nothing mutated is accepted`, () => {
      expect(verifyIntelQuote({ ...input, quote: genuine })).toMatchObject({ ok: true });
      // The zero byte at the end belongs to no signature; neither do bits of PEM that say nothing. All else is signed.
      const pemStart = genuine.length - (parseIntelQuote(genuine).ok ? chainLength(genuine) : 0);
      fc.assert(
        fc.property(positions, (flips) => {
          const mutated = flips.map((flip) => flip % (8 * pemStart)).reduce(flipBit, genuine);
          if (differs(mutated, genuine)) {
            expect(verifyIntelQuote({ ...input, quote: mutated })).toMatchObject({ ok: false });
          }
        }),
        { numRuns: 300 },
      );
      fc.assert(
        fc.property(positions, (flips) => {
          const chain = genuine.length - pemStart;
          const mutated = flips.map((flip) => 8 * pemStart + (flip % (8 * chain))).reduce(flipBit, genuine);
          const verified = verifyIntelQuote({ ...input, quote: mutated });
          // Whatever is accepted says what the genuine chain says.
          if (verified.ok) expect(verified.value.pck).toMatchObject({ ppid: platform.statement.ppid });
        }),
        { numRuns: 300 },
      );
    });

    it(`${name}: no prefix of it is a quote`, () => {
      for (let length = 0; length < genuine.length; length += 7) {
        expect(parseIntelQuote(genuine.subarray(0, length)).ok).toBe(false);
      }
    });
  }

  it('random bytes behind a true header throw nothing', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 1500 }),
        fc.constantFrom(3, 4, 5),
        fc.boolean(),
        (tail, version, isTdx) => {
          const header = tdxQuote().slice(0, 48);
          header[0] = version;
          header[4] = isTdx ? 0x81 : 0;
          const quote = Uint8Array.of(...header, ...tail);
          expect(verifyIntelQuote(tdx({ quote, cache })).ok).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Bytes of the certification data at the end of a quote. */
function chainLength(quote: Uint8Array): number {
  const parsed = parseIntelQuote(quote);
  return parsed.ok ? parsed.value.certificationData.length : 0;
}

describe('collateral', () => {
  it('comes back from the JSON of the service', () => {
    expect(parseIntelCollateral(utf8(collateralText()))).toEqual({ ok: true, value: SGX_COLLATERAL });
    expect(parseIntelCollateral(utf8('{}'))).toMatchObject({ ok: true });
    for (const text of [
      '[]',
      '{"tcb_info":"{}"}',
      '{"tcb_info":1,"tcb_info_signature":"","tcb_info_issuer_chain":""}',
      '{"qe_identity":"{}","qe_identity_signature":"zz"}',
      '{"root_ca_crl":"0"}',
      '{"pck_crl":7}',
      '{"pck_crl_issuer_chain":"PEM"}',
      '{"root_ca_crl":"","root_ca_crl":""}',
    ]) {
      expect(parseIntelCollateral(utf8(text)), text).toMatchObject({ code: 'COLLATERAL_MALFORMED' });
    }
  });

  it('mutated, is refused or says the same', () => {
    const genuine = utf8(collateralText());
    const accepted = verifyIntelQuote(sgx());
    fc.assert(
      fc.property(positions, (flips) => {
        const mutated = flips.reduce((copy, flip) => flipBit(copy, flip % (8 * genuine.length)), genuine);
        const parsed = parseIntelCollateral(mutated);
        const verified = verifyIntelQuote(sgx({ collateral: parsed.ok ? parsed.value : undefined, cache }));
        if (verified.ok) expect(verified).toEqual(accepted);
      }),
      { numRuns: 400 },
    );
  });

  it('no bit of a signed statement or of a list can change', () => {
    fc.assert(
      fc.property(fc.constantFrom('tcbInfo', 'qeIdentity', 'rootCrl', 'pckCrl'), fc.nat(), (name, position) => {
        const element = TDX_COLLATERAL[name] ?? expect.fail();
        const changed =
          element instanceof Uint8Array
            ? flipBit(element, position)
            : { ...element, bytes: flipBit(element.bytes, position) };
        const verified = verifyIntelQuote(tdx({ collateral: { ...TDX_COLLATERAL, [name]: changed }, cache }));
        expect(verified.ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('parsers throw nothing', () => {
  const tcbInfo = TDX_COLLATERAL.tcbInfo?.bytes ?? new Uint8Array();
  const qeIdentity = TDX_COLLATERAL.qeIdentity?.bytes ?? new Uint8Array();
  const extension = pckExtension(platform.statement).value;

  it('on random bytes', () => {
    fc.assert(
      fc.property(bytes, (random) => {
        parseIntelQuote(random);
        parseIntelCollateral(random);
        parseTcbInfo(random);
        parseQeIdentity(random);
        parsePckExtension(random);
        readEndorsementFiles([random]);
        detectEvidenceFormat(random);
      }),
      { numRuns: 1000 },
    );
  });

  it('on mutated statements and extensions', () => {
    fc.assert(
      fc.property(positions, (flips) => {
        parseTcbInfo(flips.reduce(flipBit, tcbInfo));
        parseQeIdentity(flips.reduce(flipBit, qeIdentity));
        parsePckExtension(flips.reduce(flipBit, extension));
      }),
      { numRuns: 600 },
    );
  });

  it('on any JSON in place of a member', () => {
    const original = JSON.parse(parseUtf8(tcbInfo) ?? '') as { [key: string]: unknown };
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(original)), fc.jsonValue(), (key, value) => {
        parseTcbInfo(utf8(JSON.stringify({ ...original, [key]: value }).toWellFormed()));
      }),
      { numRuns: 500 },
    );
  });
});
