/** Mistakes that other verifiers are known to have made, as far as they concern Intel. */

import { sha256 } from '@cloister/crypto';
import { concatBytes, fromHex, type JsonValue, parseUtf8, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  checkIntelRequirements,
  createEndorsementCache,
  INTEL_TCB_STATUSES,
  type IntelVerification,
  verifyIntelQuote,
} from '../../src/index.ts';
import { type EcKey, writeCrl, writeX509 } from '../../src/simulated/certificate-writer.ts';
import { simulatedIntelCrl } from '../../src/simulated/index.ts';
import { signStatement } from '../../src/simulated/intel/collateral-writer.ts';
import {
  deriveP256Key,
  type IntelAuthority,
  intelAuthorityFields,
  intelAuthorityName,
  spkiOf,
} from '../../src/simulated/intel/intel-pki.ts';
import {
  AT_MS,
  collateral,
  collateralOptions,
  ISSUED_MS,
  intelAuthorityKey,
  leafFields,
  NEXT_UPDATE_MS,
  platform,
  quoteWithChain,
  root,
  SGX_COLLATERAL,
  STRICT,
  sgx,
  sgxQuote,
  TDX_COLLATERAL,
  tdx,
  tdxQuote,
  withCollateral,
} from './intel-fixture.ts';
import { flipBit } from './snp-fixture.ts';

const foreign = deriveP256Key(utf8('somebody else'), 'key');

function codeOf(input: IntelVerification): string {
  const verified = verifyIntelQuote(input);
  return verified.ok ? `ok ${verified.value.tcb.status}` : verified.code;
}

describe('revocation', () => {
  it('is not switched off by a list that is missing, empty, or of somebody else', () => {
    const unsignedList = writeCrl(
      {
        issuer: intelAuthorityName('root'),
        number: 1n,
        thisUpdateMs: ISSUED_MS,
        nextUpdateMs: NEXT_UPDATE_MS,
        revoked: [],
      },
      foreign,
    );
    expect(codeOf(withCollateral({ rootCrl: undefined }))).toBe('ROOT_CRL_MISSING');
    expect(codeOf(withCollateral({ rootCrl: new Uint8Array() }))).toBe('ROOT_CRL_MALFORMED');
    expect(codeOf(withCollateral({ rootCrl: fromHex('3000') }))).toBe('ROOT_CRL_MALFORMED');
    expect(codeOf(withCollateral({ rootCrl: unsignedList }))).toBe('ROOT_CRL_SIGNATURE');
    expect(codeOf(withCollateral({ pckCrl: undefined }))).toBe('PCK_CRL_MISSING');
    expect(codeOf(withCollateral({ pckCrl: new Uint8Array() }))).toBe('PCK_CRL_MALFORMED');
    expect(codeOf(withCollateral({ pckCrl: SGX_COLLATERAL.rootCrl }))).toBe('PCK_CRL_ISSUER');
  });

  it('is judged at the instant, cached or not', () => {
    const cache = createEndorsementCache();
    expect(codeOf(sgx({ cache }))).toBe('ok UpToDate');
    expect(codeOf(sgx({ cache, atMs: NEXT_UPDATE_MS }))).toBe('ok UpToDate');
    expect(codeOf(sgx({ cache, atMs: NEXT_UPDATE_MS + 1 }))).toBe('ROOT_CRL_EXPIRED');
    expect(codeOf(sgx({ cache, atMs: ISSUED_MS }))).toBe('ok UpToDate');
    expect(codeOf(sgx({ cache, atMs: ISSUED_MS - 1 }))).toBe('ROOT_CRL_NOT_YET_VALID');
  });

  it('reaches the PCK certificate, its issuer and both signers', () => {
    for (const [serial, code] of [
      [2n, 'PCK_CA_REVOKED'],
      [4n, 'TCB_INFO_SIGNER_REVOKED'],
    ] as const) {
      expect(codeOf(sgx({ collateral: collateral('sgx', { revokedByRoot: [serial] }) }))).toBe(code);
    }
    const revoked = collateral('sgx', { revokedPcks: [1n, platform.serial, 2n] });
    expect(codeOf(sgx({ collateral: revoked }))).toBe('PCK_REVOKED');
    const others = collateral('sgx', { revokedPcks: [1n, 2n], revokedByRoot: [platform.serial] });
    expect(codeOf(sgx({ collateral: others }))).toBe('ok UpToDate');
  });
});

describe('expired collateral', () => {
  it('is refused element by element, with everything else current', () => {
    const past = AT_MS - 1000;
    const crl = { number: 1n, thisUpdateMs: ISSUED_MS, nextUpdateMs: past };
    const late = '2026-05-31T23:59:59Z';
    expect(codeOf(withCollateral({ rootCrl: simulatedIntelCrl({ by: 'root', ...crl }) }))).toBe('ROOT_CRL_EXPIRED');
    expect(codeOf(withCollateral({ pckCrl: simulatedIntelCrl({ by: 'platform-ca', ...crl }) }))).toBe(
      'PCK_CRL_EXPIRED',
    );
    const tcbInfo = collateral('sgx', { tcbInfoMembers: { nextUpdate: late } });
    expect(codeOf(sgx({ collateral: tcbInfo }))).toBe('TCB_INFO_EXPIRED');
    const qeIdentity = collateral('sgx', { qeIdentityMembers: { nextUpdate: late } });
    expect(codeOf(sgx({ collateral: qeIdentity }))).toBe('QE_IDENTITY_EXPIRED');
  });
});

describe('the quoting enclave', () => {
  it('vouches for all of its authentication data, not for its first 32 bytes', () => {
    const authData = new Uint8Array(48).fill(7);
    const fields = { version: 3, tee: 'sgx', body: sgxQuote().slice(48, 432) } as const;
    const quote = platform.quote({ ...fields, authData });
    expect(codeOf(sgx({ quote }))).toBe('ok UpToDate');
    // The report data of the true quote, and authentication data that differ after byte 32.
    const offset = 48 + 384 + 4 + 128 + 384 + 64 + 2;
    const cut = flipBit(quote, 8 * (offset + 40));
    expect(codeOf(sgx({ quote: cut }))).toBe('QE_REPORT_DATA_MISMATCH');
    const attestationKey = quote.subarray(48 + 384 + 4 + 64, 48 + 384 + 4 + 128);
    const reportData = new Uint8Array(64);
    reportData.set(sha256(concatBytes(attestationKey, authData.subarray(0, 32))));
    expect(codeOf(sgx({ quote: platform.quote({ ...fields, authData, qe: { reportData } }) }))).toBe(
      'QE_REPORT_DATA_MISMATCH',
    );
  });

  it('vouches with 32 bytes of report data, the rest of which is zero', () => {
    const quote = sgxQuote();
    const reportData = quote.slice(564 + 320, 564 + 384);
    expect(codeOf(sgx({ quote: sgxQuote({}, { qe: { reportData } }) }))).toBe('ok UpToDate');
    reportData[63] = 1;
    expect(codeOf(sgx({ quote: sgxQuote({}, { qe: { reportData } }) }))).toBe('QE_REPORT_DATA_MISMATCH');
  });

  it('needs an identity, and the one for its TEE', () => {
    expect(codeOf(withCollateral({ qeIdentity: undefined }))).toBe('QE_IDENTITY_MISSING');
    expect(codeOf(withCollateral({ qeIdentity: TDX_COLLATERAL.qeIdentity }))).toBe('QE_IDENTITY_ID');
    const swapped = { ...TDX_COLLATERAL, qeIdentity: SGX_COLLATERAL.qeIdentity };
    expect(codeOf(tdx({ collateral: swapped }))).toBe('QE_IDENTITY_ID');
    const qve = collateral('sgx', { qeIdentityMembers: { id: 'QVE' } });
    expect(codeOf(sgx({ collateral: qve }))).toBe('QE_IDENTITY_ID');
  });

  it('of TDX does not make SGX quotes', () => {
    const qe = { mrSigner: new Uint8Array(32).fill(0xed), isvProdId: 2 };
    expect(codeOf(sgx({ quote: sgxQuote({}, { qe }) }))).toBe('QE_MRSIGNER_MISMATCH');
    expect(codeOf(sgx({ quote: sgxQuote({}, { qe: { isvProdId: 2 } }) }))).toBe('QE_ISVPRODID_MISMATCH');
  });
});

describe('signed statements', () => {
  /** The text with its members in another order and other spacing: the same JSON value. */
  function reserialised(bytes: Uint8Array): Uint8Array {
    const value = JSON.parse(parseUtf8(bytes) ?? '') as { [key: string]: JsonValue };
    return utf8(JSON.stringify(Object.fromEntries(Object.entries(value).reverse()), null, 1));
  }

  it('are verified over the bytes that came, not over what they mean', () => {
    for (const name of ['tcbInfo', 'qeIdentity'] as const) {
      const statement = SGX_COLLATERAL[name] ?? expect.fail();
      const code = name === 'tcbInfo' ? 'TCB_INFO_SIGNATURE' : 'QE_IDENTITY_SIGNATURE';
      for (const bytes of [reserialised(statement.bytes), concatBytes(statement.bytes, utf8(' '))]) {
        expect(codeOf(withCollateral({ [name]: { ...statement, bytes } }))).toBe(code);
      }
      // Signed in that form, it is what it says.
      const text = parseUtf8(reserialised(statement.bytes)) ?? '';
      expect(codeOf(withCollateral({ [name]: signStatement(text) }))).toBe('ok UpToDate');
    }
  });

  it('say each thing once', () => {
    const text = parseUtf8(SGX_COLLATERAL.tcbInfo?.bytes ?? new Uint8Array()) ?? '';
    const twice = `${text.slice(0, -1)},"fmspc":"90C06F000000"}`;
    expect(codeOf(withCollateral({ tcbInfo: signStatement(twice) }))).toBe('TCB_INFO_MALFORMED');
  });

  it('are not taken from another signer, however it is named', () => {
    const signer = writeX509(
      { ...intelAuthorityFields('tcb-signing'), spki: spkiOf(foreign) },
      intelAuthorityKey('root'),
    );
    const tcbInfo = SGX_COLLATERAL.tcbInfo ?? expect.fail();
    expect(codeOf(withCollateral({ tcbInfo: { ...tcbInfo, issuerChain: [signer, root] } }))).toBe('TCB_INFO_SIGNATURE');
    const cache = createEndorsementCache();
    expect(codeOf(sgx({ cache }))).toBe('ok UpToDate');
    expect(codeOf({ ...withCollateral({ tcbInfo: { ...tcbInfo, issuerChain: [signer, root] } }), cache })).toBe(
      'TCB_INFO_SIGNATURE',
    );
    // A PCK certificate is no signer of TCB info.
    const issuerChain = platform.certificates;
    expect(codeOf(withCollateral({ tcbInfo: { ...tcbInfo, issuerChain } }))).toBe('TCB_INFO_CHAIN_CHAIN_LENGTH');
  });

  it('are about this platform and this TEE', () => {
    expect(codeOf(tdx({ collateral: { ...TDX_COLLATERAL, tcbInfo: SGX_COLLATERAL.tcbInfo } }))).toBe('TCB_INFO_ID');
    const fmspc = { tcbInfoMembers: { fmspc: '90C06F000001' } };
    expect(codeOf(sgx({ collateral: collateral('sgx', fmspc) }))).toBe('TCB_INFO_FMSPC');
  });
});

describe('the TDX module', () => {
  it('needs an identity of its major version', () => {
    const options = { ...collateralOptions('tdx'), moduleLevels: new Map() };
    expect(codeOf(tdx({ collateral: collateral('tdx', options) }))).toBe('TDX_MODULE_IDENTITY_MISSING');
    const without = collateral('tdx', { tcbInfoMembers: { tdxModuleIdentities: [] } });
    expect(codeOf(tdx({ collateral: without }))).toBe('TDX_MODULE_IDENTITY_MISSING');
  });
});

describe('debug', () => {
  const any = { ...STRICT, acceptedStatuses: INTEL_TCB_STATUSES, acceptedAdvisories: undefined };

  it('is refused in SGX enclaves, TDs and quoting enclaves', () => {
    const attributes = Uint8Array.of(0x07, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0);
    for (const input of [
      sgx({ quote: sgxQuote({ attributes }) }),
      tdx({ quote: tdxQuote({ tdAttributes: 0x1000_0001n }) }),
    ]) {
      const verified = verifyIntelQuote(input);
      if (!verified.ok) expect.fail(verified.code);
      expect(checkIntelRequirements(verified.value, any)).toMatchObject({ code: 'DEBUG_ENABLED' });
    }
    expect(codeOf(sgx({ quote: sgxQuote({}, { qe: { attributes } }) }))).toBe('QE_ATTRIBUTES_MISMATCH');
    const blindMask = { qeIdentityMembers: { attributesMask: '01000000000000000000000000000000' } };
    expect(codeOf(sgx({ quote: sgxQuote({}, { qe: { attributes } }), collateral: collateral('sgx', blindMask) }))).toBe(
      'QE_DEBUG',
    );
  });
});

describe('the root', () => {
  it('comes from the pin, not from the quote or the collateral', () => {
    // A whole chain of somebody else's keys under the right names, and collateral to go with it.
    const authority = (name: IntelAuthority, key: EcKey): Uint8Array =>
      writeX509({ ...intelAuthorityFields(name), spki: spkiOf(key) }, foreign);
    const forgedRoot = authority('root', foreign);
    const issuer = authority('platform-ca', foreign);
    const leaf = writeX509(leafFields, foreign);
    expect(codeOf(sgx({ quote: quoteWithChain([leaf, issuer, forgedRoot]) }))).toBe('PCK_CHAIN_ROOT_NOT_PINNED');
    expect(codeOf(sgx({ quote: quoteWithChain([leaf, issuer, root]) }))).toBe('PCK_CHAIN_INTERMEDIATE_SIGNATURE');
    const { tcbInfo } = SGX_COLLATERAL;
    const signer = [authority('tcb-signing', foreign), forgedRoot];
    expect(codeOf(withCollateral({ tcbInfo: { ...signStatement('{}', foreign), issuerChain: signer } }))).toBe(
      'TCB_INFO_CHAIN_ROOT_NOT_PINNED',
    );
    expect(tcbInfo?.issuerChain).toHaveLength(2);
  });
});

describe('signatures', () => {
  it('are big-endian in quotes', () => {
    const quote = sgxQuote();
    for (const offset of [436, 468]) quote.set(quote.slice(offset, offset + 32).reverse(), offset);
    expect(codeOf(sgx({ quote }))).toBe('QUOTE_SIGNATURE');
    const zeros = sgxQuote();
    zeros.fill(0, 436, 500);
    expect(codeOf(sgx({ quote: zeros }))).toBe('QUOTE_SIGNATURE');
  });
});
