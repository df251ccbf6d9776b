/** Single checks on SEV-SNP reports and endorsements. Each fails when its check is left out. */
import { fromHex, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { productOfCpuid, productOfName } from '../../src/formats/sev-snp/product.ts';
import { parseSnpReport } from '../../src/formats/sev-snp/report.ts';
import { checkSnpRequirements, type SnpVerification, verifySnp } from '../../src/index.ts';
import { ecSpki, rsaSpki } from '../../src/simulated/certificate-writer.ts';
import { authorityName, simulatedName } from '../../src/simulated/development-pki.ts';
import { derElement } from '../../src/x509/der-writer.ts';
import {
  ark,
  changedChain,
  FIELDS,
  genoa,
  genoaCrl,
  policy,
  replaceAllBytes,
  verification,
} from '../formats/snp-fixture.ts';
import {
  intermediate,
  leaf,
  leafExtensions,
  plain,
  root,
  withCertificates,
  withCrls,
  withLeafExtensions,
  withReportByte,
} from '../formats/snp-inputs.ts';

function refusal(input: SnpVerification): string {
  const verified = verifySnp(input);
  return verified.ok ? 'ok' : verified.code;
}

/** id-RSASSA-PSS, SHA-384 and id-ecPublicKey, and others of the same length. */
const [PSS, NO_PSS] = [fromHex('06092a864886f70d01010a'), fromHex('06092a864886f70d01011e')];
const [SHA384, SHA256] = [fromHex('0609608648016503040202'), fromHex('0609608648016503040201')];
const [EC_KEY, NO_EC_KEY] = [fromHex('06072a8648ce3d0201'), fromHex('06072a8648ce3d0209')];

describe('reports', () => {
  it('are asked for at whole milliseconds', () => {
    expect(() => verifySnp(verification({ atMs: Number.NaN }))).toThrow('atMs');
  });

  it('are of versions 2 to 5, padded with zeros', () => {
    for (const version of [0, 1, 6]) {
      const report = genoa.report({ ...FIELDS, version: 2 });
      report[0] = version;
      expect(parseSnpReport(report)).toMatchObject({ code: 'REPORT_VERSION' });
    }
    const padded = genoa.report(FIELDS);
    padded[1183] = 1;
    expect(parseSnpReport(padded)).toMatchObject({ code: 'REPORT_SIGNATURE_PADDING' });
  });

  it('do not mask the chip of a VCEK', () => {
    const report = genoa.report({ ...FIELDS, chipId: new Uint8Array(64) });
    expect(refusal(verification({ report, allowMaskedChipId: true }))).toBe('CHIP_ID_MASKED');
  });

  it('set no unknown bit of the guest policy', () => {
    for (const value of [0x3_0000n | (1n << 26n), 0x3_0000n | (1n << 63n), 0x1_0000n]) {
      const verified = verifySnp(verification({ report: genoa.report({ ...FIELDS, policy: value }) }));
      if (!verified.ok) expect.fail(verified.code);
      const { sevSnp } = policy;
      expect(sevSnp === null ? undefined : checkSnpRequirements(verified.value, sevSnp)).toMatchObject({
        code: 'GUEST_POLICY_RESERVED_BITS',
      });
    }
  });
});

describe('product lines', () => {
  it('are told by family and model', () => {
    expect(productOfCpuid(0x19, 0x0f)).toBe('Milan');
    expect(productOfCpuid(0x19, 0x10)).toBe('Genoa');
    expect(productOfCpuid(0x19, 0x1f)).toBe('Genoa');
    expect(productOfCpuid(0x19, 0x20)).toBeUndefined();
    expect(productOfCpuid(0x19, 0x9f)).toBeUndefined();
    expect(productOfCpuid(0x19, 0xa0)).toBe('Genoa');
    expect(productOfCpuid(0x19, 0xaf)).toBe('Genoa');
    expect(productOfCpuid(0x19, 0xb0)).toBeUndefined();
    expect(productOfCpuid(0x1a, 0x11)).toBe('Turin');
    expect(productOfCpuid(0x1a, 0x12)).toBeUndefined();
    expect(productOfCpuid(0x18, 0x01)).toBeUndefined();
  });

  it('are told by their own names', () => {
    expect(productOfName('Siena-A0')).toBe('Genoa');
    for (const name of ['constructor', '__proto__', 'toString-B0', '']) expect(productOfName(name)).toBeUndefined();
  });
});

describe('chains', () => {
  const unknownRoot = authorityName('Turin', 'ark');

  it('do not start at the leaf', () => {
    const name = simulatedName('SEV-VCEK');
    const [selfIssued = leaf] = changedChain({ leaf: { issuer: name, subject: name } });
    expect(refusal(withCertificates([selfIssued]))).toBe('ROOT_MISSING');
  });

  it('have an intermediate, which is neither root nor leaf', () => {
    const name = authorityName('Genoa', 'ark');
    const [asRoot = leaf] = changedChain({ leaf: { issuer: name, subject: name, signer: ark } });
    expect(refusal(withCertificates([asRoot, root]))).toBe('INTERMEDIATE_MISSING');
    const [ofRoot = leaf] = changedChain({ leaf: { issuer: name, signer: ark } });
    expect(refusal(withCertificates([ofRoot, root]))).toBe('INTERMEDIATE_MISSING');
    const [, elsewhere = intermediate] = changedChain({ intermediate: { issuer: unknownRoot } });
    expect(refusal(withCertificates([leaf, elsewhere, root]))).toBe('INTERMEDIATE_MISSING');
  });

  it('have authorities with RSA keys of 4096 bits', () => {
    const small = rsaSpki({ ...ark, modulus: (1n << 2047n) + 1n });
    expect(refusal(withCertificates(changedChain({ intermediate: { spki: small } })))).toBe('CERTIFICATE_KEY');
  });

  it('have leaves with P-384 keys', () => {
    const p256 = ecSpki('P-256', Uint8Array.of(4, ...new Uint8Array(64).fill(1)));
    expect(refusal(withCertificates(changedChain({ leaf: { spki: p256 } })))).toBe('LEAF_KEY_NOT_P384');
    const [normal = leaf] = changedChain({});
    expect(normal).toEqual(leaf);
    const spki = replaceAllBytes(ecSpki('P-384', Uint8Array.of(4, ...new Uint8Array(96).fill(1))), EC_KEY, NO_EC_KEY);
    expect(refusal(withCertificates(changedChain({ leaf: { spki } })))).toBe('LEAF_KEY_NOT_P384');
  });

  it('are signed with RSASSA-PSS and SHA-384', () => {
    for (const der of [replaceAllBytes(leaf, PSS, NO_PSS), replaceAllBytes(leaf, SHA384, SHA256)]) {
      expect(refusal(withCertificates([der, intermediate, root]))).toBe('CERTIFICATE_ALGORITHM');
    }
    for (const der of [replaceAllBytes(genoaCrl, PSS, NO_PSS), replaceAllBytes(genoaCrl, SHA384, SHA256)]) {
      expect(refusal(withCrls(der))).toBe('CRL_ALGORITHM');
    }
  });

  it('name products and providers in ASCII', () => {
    const oid = '1.3.6.1.4.1.3704.1.2';
    const name = plain(oid, derElement(0x16, utf8('Genoa-é')));
    expect(refusal(withLeafExtensions(leafExtensions([oid], [name])))).toBe('VEK_EXTENSION_MALFORMED');
  });

  it('are compared with the report once it is signed', () => {
    expect(refusal(withReportByte(0x180, 99))).toBe('REPORTED_TCB_MISMATCH');
  });
});
