/** Nothing that a signature or a digest covers can be changed, and nothing from outside makes the verifier throw. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appraise,
  createEndorsementCache,
  decodeEvidenceBundle,
  type Endorsements,
  type EvidenceBundle,
  encodeEvidenceBundle,
  parseSnpReport,
  verifySnp,
} from '../src/index.ts';
import { appraisal, bundleOf, FIELDS, flipBit, genoa, genoaCrl, verification } from './formats/snp-fixture.ts';

const bundle = bundleOf();
const encoded = encodeEvidenceBundle(bundle);
const cache = createEndorsementCache();

describe('mutations', () => {
  it('no bit of a report can change', () => {
    const { report } = bundle.evidence;
    expect(appraise(appraisal({ bundle, cache })).ok).toBe(true);
    fc.assert(
      fc.property(fc.nat({ max: 8 * report.length - 1 }), (position) => {
        const evidence = { platform: 'sev-snp', report: flipBit(report, position) } as const;
        expect(appraise(appraisal({ bundle: { ...bundle, evidence }, cache })).ok).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  it('no bit of the runtime data can change', () => {
    for (let position = 0; position < 8 * bundle.runtimeData.length; position += 3) {
      const changed: EvidenceBundle = { ...bundle, runtimeData: flipBit(bundle.runtimeData, position) };
      expect(appraise(appraisal({ bundle: changed, cache })).ok).toBe(false);
    }
  });

  it('no bit of a certificate or CRL can change', () => {
    const elements = [...genoa.certificates, genoaCrl];
    fc.assert(
      fc.property(fc.nat({ max: elements.length - 1 }), fc.nat(), (which, position) => {
        const [leaf, intermediate, root, crl] = elements.map((der, i) => (i === which ? flipBit(der, position) : der));
        if (leaf === undefined || intermediate === undefined || root === undefined || crl === undefined) expect.fail();
        const endorsements: Endorsements = { certificates: [leaf, intermediate, root], crls: [crl] };
        expect(verifySnp(verification({ endorsements, cache })).ok).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  it('a mutated bundle decodes to nothing that is accepted', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), (positions) => {
        const mutated = positions.reduce(flipBit, encoded);
        const decoded = decodeEvidenceBundle(mutated);
        const isSame = mutated.every((byte, index) => byte === encoded[index]);
        if (decoded.ok && !isSame) expect(appraise(appraisal({ bundle: decoded.value, cache })).ok).toBe(false);
      }),
      { numRuns: 400 },
    );
  });
});

describe('random bytes', () => {
  const bytes = fc.uint8Array({ maxLength: 1500 });

  it('are no report, and no evidence', () => {
    fc.assert(
      fc.property(
        bytes,
        bytes,
        fc.array(bytes, { maxLength: 4 }),
        fc.array(bytes, { maxLength: 2 }),
        fc.nat(),
        (report, runtimeData, certificates, crls, at) => {
          expect(parseSnpReport(report).ok && report.length !== 1184).toBe(false);
          const random: EvidenceBundle = {
            evidence: { platform: 'sev-snp', report },
            runtimeData,
            endorsements: { certificates, crls },
          };
          expect(appraise(appraisal({ bundle: random })).ok).toBe(false);
          // Past the cheap checks, the random bytes reach every parser below.
          expect(appraise(appraisal({ bundle: { ...random, runtimeData: bundle.runtimeData } })).ok).toBe(false);
          const endorsed = verification({
            report: genoa.report(FIELDS),
            endorsements: { certificates, crls },
            atMs: at,
          });
          expect(verifySnp(endorsed).ok).toBe(false);
          const withCrls = { certificates: genoa.certificates, crls };
          expect(verifySnp(verification({ endorsements: withCrls })).ok).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of the right size are no report either, whatever their header says', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1184, maxLength: 1184 }),
        fc.constantFrom(2, 3, 4, 5),
        (report, version) => {
          report.set([version, 0, 0, 0], 0);
          report.set([1, 0, 0, 0], 0x34);
          report.fill(0, 0x2a0);
          parseSnpReport(report);
          expect(verifySnp(verification({ report, cache })).ok).toBe(false);
        },
      ),
      { numRuns: 100 },
    );
  });
});
