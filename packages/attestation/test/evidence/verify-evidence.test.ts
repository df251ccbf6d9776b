/** The front for every format: detection by bytes, endorsement files, verdicts and the account of steps. */
import { utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  INTEL_STEP_OF,
  INTEL_STEPS,
  NITRO_STEP_OF,
  NITRO_STEPS,
  SNP_STEP_OF,
  SNP_STEPS,
} from '../../src/evidence/verification-steps.ts';
import {
  CONFORMANCE_REQUIREMENTS,
  detectEvidenceFormat,
  type EvidenceRequirements,
  type EvidenceVerification,
  readEndorsementFiles,
  SIMULATED_ANCHORS,
  verifyEvidence,
} from '../../src/index.ts';
import { simulatedNitroAnchors, simulatedNitroEnclave } from '../../src/simulated/index.ts';
import { pckChainText } from '../../src/simulated/intel/intel-device.ts';
import {
  ANCHORS,
  platform,
  SGX_COLLATERAL,
  STRICT,
  sgxQuote,
  TDX_COLLATERAL,
  tdxQuote,
} from '../formats/intel-fixture.ts';
import { AT_MS, FIELDS, genoa, genoaCrl, seedOf } from '../formats/snp-fixture.ts';

const enclave = simulatedNitroEnclave(seedOf(71), { notBeforeMs: AT_MS - 1000, notAfterMs: AT_MS + 1000 });
const document = enclave.document({ pcrs: new Map([[0, new Uint8Array(48).fill(1)]]), timestampMs: AT_MS });
const report = genoa.report(FIELDS);
const trustAnchors = {
  simulated: true,
  roots: [...SIMULATED_ANCHORS.roots, ...ANCHORS.roots, ...simulatedNitroAnchors().roots],
};

const STRICT_REQUIREMENTS: EvidenceRequirements = {
  ...CONFORMANCE_REQUIREMENTS,
  acceptedStatuses: ['UpToDate'],
  sgx: STRICT,
  tdx: STRICT,
};

function input(evidence: Uint8Array, overrides: Partial<EvidenceVerification> = {}): EvidenceVerification {
  return {
    evidence,
    endorsements: { certificates: genoa.certificates, crls: [genoaCrl], collateral: SGX_COLLATERAL },
    requirements: STRICT_REQUIREMENTS,
    trustAnchors,
    atMs: AT_MS,
    ...overrides,
  };
}

describe('detection', () => {
  it('tells the formats by their bytes', () => {
    expect(detectEvidenceFormat(report)).toBe('sev-snp');
    expect(detectEvidenceFormat(sgxQuote())).toBe('sgx');
    expect(detectEvidenceFormat(tdxQuote())).toBe('tdx');
    expect(detectEvidenceFormat(tdxQuote({ teeTcbSvn2: [6, 1, 3] }))).toBe('tdx');
    expect(detectEvidenceFormat(document)).toBe('nitro');
    expect(detectEvidenceFormat(Uint8Array.of(0xd2, ...document))).toBe('nitro');
  });

  it('still picks the parser for what is spoilt', () => {
    const version9 = sgxQuote();
    version9[0] = 9;
    expect(detectEvidenceFormat(version9)).toBe('sgx');
    const vendor = tdxQuote();
    vendor[12] = 0;
    expect(detectEvidenceFormat(vendor)).toBe('tdx');
    expect(detectEvidenceFormat(report.subarray(0, 600))).toBe('sev-snp');
    for (const bytes of [new Uint8Array(), new Uint8Array(100), utf8('{"quote":"hello, this is JSON"}')]) {
      expect(detectEvidenceFormat(bytes)).toBeUndefined();
    }
  });
});

describe('verifyEvidence', () => {
  it('accepts each format, with every step passed', () => {
    const tdxEndorsements = { certificates: [], crls: [], collateral: TDX_COLLATERAL };
    for (const [format, verdict] of [
      ['sev-snp', verifyEvidence(input(report))],
      ['sgx', verifyEvidence(input(sgxQuote()))],
      ['tdx', verifyEvidence(input(tdxQuote(), { endorsements: tdxEndorsements }))],
      ['nitro', verifyEvidence(input(document))],
    ] as const) {
      expect(verdict).toMatchObject({ format, refusal: undefined, verified: { format } });
      expect(verdict.steps.every(({ outcome }) => outcome === 'passed')).toBe(true);
    }
  });

  it('says which step failed and which were not reached', () => {
    const early = verifyEvidence(
      input(sgxQuote(), { endorsements: { certificates: [], crls: [], collateral: undefined } }),
    );
    expect(early).toMatchObject({ refusal: { code: 'COLLATERAL_MISSING' }, verified: undefined, status: undefined });
    expect(early.steps.slice(0, 4).map(({ outcome }) => outcome)).toEqual([
      'passed',
      'passed',
      'failed',
      'not-reached',
    ]);
    const late = verifyEvidence(
      input(sgxQuote(), {
        requirements: { ...STRICT_REQUIREMENTS, acceptedStatuses: [] },
      }),
    );
    expect(late).toMatchObject({ refusal: { code: 'TCB_STATUS_NOT_ACCEPTED' }, status: 'UpToDate' });
    expect(late.verified).toBeDefined();
    expect(late.steps.filter(({ outcome }) => outcome !== 'passed')).toMatchObject([
      { name: 'tcb-status', outcome: 'failed' },
    ]);
    expect(verifyEvidence(input(utf8('hello')))).toMatchObject({
      format: undefined,
      refusal: { code: 'EVIDENCE_FORMAT_UNKNOWN' },
      steps: [{ name: 'format', outcome: 'failed' }],
    });
  });

  it('refuses whatever platform the requirements do not accept, and says so of each', () => {
    for (const [evidence, member, name] of [
      [report, 'sevSnp', 'policy'],
      [sgxQuote(), 'sgx', 'tcb-evaluation'],
      [document, 'nitro', 'policy'],
    ] as const) {
      const verdict = verifyEvidence(input(evidence, { requirements: { ...STRICT_REQUIREMENTS, [member]: null } }));
      expect(verdict).toMatchObject({ refusal: { code: 'PLATFORM_NOT_ACCEPTED' } });
      expect(verdict.steps.find(({ outcome }) => outcome === 'failed')?.name).toBe(name);
    }
  });

  it('knows a step for every code', () => {
    for (const [steps, stepOf] of [
      [SNP_STEPS, SNP_STEP_OF],
      [INTEL_STEPS, INTEL_STEP_OF],
      [NITRO_STEPS, NITRO_STEP_OF],
    ] as const) {
      expect(new Set(Object.values(stepOf))).toEqual(new Set(Object.keys(steps)));
    }
  });
});

describe('endorsement files', () => {
  const [leaf = new Uint8Array()] = genoa.certificates;

  it('are sorted by what they hold', () => {
    const pem = pckChainText(platform.certificates).slice(0, -1);
    const read = readEndorsementFiles([leaf, genoaCrl, pem, utf8('{}'), Uint8Array.of(0x30, 0x82, 0)]);
    if (!read.ok) expect.fail(read.code);
    expect(read.value.certificates).toEqual([leaf, ...platform.certificates, Uint8Array.of(0x30, 0x82, 0)]);
    expect(read.value.crls).toEqual([genoaCrl]);
    expect(read.value.collateral).toBeDefined();
  });

  it('are refused when they hold something else', () => {
    expect(readEndorsementFiles([Uint8Array.of(0xff)])).toMatchObject({ code: 'ENDORSEMENT_FILE_UNKNOWN' });
    expect(readEndorsementFiles([utf8('-----BEGIN PRIVATE KEY-----')])).toMatchObject({
      code: 'ENDORSEMENT_FILE_UNKNOWN',
    });
    expect(readEndorsementFiles([utf8('{')])).toMatchObject({ code: 'COLLATERAL_MALFORMED' });
    expect(readEndorsementFiles([utf8('{}'), utf8('{}')])).toMatchObject({ code: 'COLLATERAL_REPEATED' });
  });
});
