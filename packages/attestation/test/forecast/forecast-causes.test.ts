/** Which SVNs a forecast says are short, by which set and policy, and what ages and refusals cost. */
import { describe, expect, it } from 'vitest';
import { type AppraisalPolicy, endorsementsAbout, forecast } from '../../src/index.ts';
import { simulatedIntelDevice } from '../../src/simulated/index.ts';
import {
  AT_MS,
  collateral,
  earlyLevels,
  genoa,
  holding,
  LONG,
  onSgx,
  onSnp,
  onTdx,
  policy,
  QE_SHORT,
  refusalAt,
  SGX_SHORT,
  SVNS,
  seed,
  sgxQuote,
  tdQuote,
  tdxQuote,
} from './forecast-fixture.ts';

describe('TCB levels', () => {
  it('of an early set: which SVNs are short by it, while the standard one is met', () => {
    const alternatives = [
      { set: 'standard', endorsements: holding({ collateral: collateral('sgx') }) },
      { set: 'early', endorsements: holding({ collateral: collateral('sgx', earlyLevels('sgx')) }) },
    ];
    const { causes, sets } = forecast(onSgx({ alternatives }));
    const short = [...SGX_SHORT, QE_SHORT];
    expect(causes.filter(({ when }) => when !== 'later')).toEqual([
      { kind: 'tcb-status', set: 'early', name: 'OutOfDate', when: 'with-set', code: 'TCB_STATUS_NOT_ACCEPTED', short },
      { kind: 'tcb-status', set: 'early', name: 'INTEL-SA-01', when: 'with-set', code: 'ADVISORY_NOT_ACCEPTED', short },
    ]);
    expect(causes.at(-1)?.when).toBe('with-set');
    expect(
      sets.map(({ set, status, refusal, tcbEvaluationDataNumber }) => [
        set,
        status,
        refusal?.code,
        tcbEvaluationDataNumber,
      ]),
    ).toEqual([
      ['held', 'UpToDate', undefined, 19],
      ['standard', 'UpToDate', undefined, 19],
      ['early', 'OutOfDate', 'TCB_STATUS_NOT_ACCEPTED', 20],
    ]);
    expect(sets[2]?.parts).toEqual([
      {
        part: 'platform',
        status: 'OutOfDate',
        levelDateMs: Date.parse('2025-08-01T00:00:00Z'),
        newestStatus: 'UpToDate',
        newestDateMs: Date.parse('2026-05-01T00:00:00Z'),
        short: SGX_SHORT,
      },
      {
        part: 'quoting-enclave',
        status: 'OutOfDate',
        levelDateMs: Date.parse('2025-01-01T00:00:00Z'),
        newestStatus: 'UpToDate',
        newestDateMs: Date.parse('2025-01-01T00:00:00Z'),
        short: [QE_SHORT],
      },
    ]);
  });

  it('of a TD: module, microcode and both sets of SVNs', () => {
    const early = holding({ collateral: collateral('tdx', earlyLevels('tdx')) });
    const given = onTdx({ evidence: tdQuote([5, 1, 3], [6, 1, 4]), endorsements: early });
    const [first, ...rest] = forecast(given).causes.filter(({ when }) => when === 'now');
    expect(rest.map(({ name }) => name)).toEqual(['INTEL-SA-01']);
    expect(first).toMatchObject({ kind: 'tcb-status', name: 'OutOfDate', expectedAtMs: AT_MS });
    expect(first?.short).toEqual([
      ...SGX_SHORT,
      { component: 'TEE_TCB_SVN part 2', have: 3, need: 4 },
      { component: 'TDX module SVN', have: 5, need: 7 },
      { component: 'TDX module SVN now', have: 6, need: 7 },
      QE_SHORT,
    ]);
    expect(refusalAt(given, AT_MS)).toBe('TCB_STATUS_NOT_ACCEPTED');
    const stale = forecast({ ...given, evidence: tdQuote([5, 1, 3], [6, 1, 3]) });
    expect(stale.sets[0]?.parts[0]?.short.slice(-2)).toEqual([
      { component: 'TEE_TCB_SVN part 2', have: 3, need: 4 },
      { component: 'TEE_TCB_SVN2 part 2', have: 3, need: 4 },
    ]);
    // The platform brought to what it says is short is up to date, and brought to less of it is not.
    const updated = simulatedIntelDevice({
      seed,
      validity: LONG,
      components: [4, 3, 2, 2, 6].concat(SVNS.slice(5)),
      pceSvn: 15,
      qeIsvSvn: 6,
    });
    expect(refusalAt({ ...given, evidence: tdQuote([7, 1, 4], undefined, updated) }, AT_MS)).toBeUndefined();
    for (const svns of [
      [6, 1, 4],
      [7, 1, 3],
    ]) {
      expect(refusalAt({ ...given, evidence: tdQuote(svns, undefined, updated) }, AT_MS)).toBeDefined();
    }
  });

  it('that the policy tolerates are shown and cost nothing', () => {
    const tolerant = { ...policy, acceptedStatuses: ['UpToDate', 'OutOfDate'], acceptedAdvisories: null } as const;
    const endorsements = holding({ collateral: collateral('sgx', earlyLevels('sgx')) });
    const { causes, sets } = forecast(onSgx({ endorsements, policy: tolerant }));
    expect(causes.filter(({ when }) => when === 'now')).toEqual([]);
    expect(sets[0]?.status).toBe('OutOfDate');
    expect(sets[0]?.parts[0]?.short).toEqual(SGX_SHORT);
  });

  it('of a chip come from the policy: short of up to date by status, short of the minimum by refusal', () => {
    const levels = policy.sevSnp?.products.Genoa;
    if (policy.sevSnp === null || levels === undefined) throw new Error('the policy accepts Genoa');
    const { microcode, snp } = genoa.tcb;
    const withLevels = (minimum: number, upToDate: number): AppraisalPolicy => ({
      ...policy,
      sevSnp: {
        ...(policy.sevSnp as NonNullable<AppraisalPolicy['sevSnp']>),
        products: {
          Genoa: {
            minimumTcb: { ...levels.minimumTcb, microcode: minimum },
            upToDateTcb: { ...levels.upToDateTcb, microcode: upToDate, snp: snp + 1 },
          },
        },
      },
    });
    const short = [
      { component: 'snp', have: snp, need: snp + 1 },
      { component: 'microcode', have: microcode, need: microcode + 2 },
    ];
    const heights = { height: 1, validUntilHeight: 500, aliveUntilHeight: 400, blockMs: 1000 };
    const scheduled = { policy: withLevels(microcode, microcode + 2), effectiveHeight: 9 };
    expect(forecast(onSnp({ heights, scheduled })).causes[0]).toMatchObject({
      kind: 'tcb-status',
      name: 'OutOfDate',
      losesAtHeight: 9,
      short,
    });
    const held = forecast(onSnp({ policy: withLevels(microcode, microcode + 2) }));
    expect(held.causes[0]).toMatchObject({ kind: 'tcb-status', name: 'OutOfDate', when: 'now', short });
    expect(held.sets[0]?.refusal?.code).toBe('TCB_STATUS_NOT_ACCEPTED');

    const refused = forecast(onSnp({ policy: withLevels(microcode + 1, microcode + 2) }));
    expect(refused.causes.filter(({ when }) => when === 'now')).toMatchObject([
      {
        kind: 'policy',
        code: 'TCB_BELOW_MINIMUM',
        name: 'microcode',
        short: [
          { component: 'microcode', have: microcode, need: microcode + 1 },
          { component: 'microcode at launch', have: microcode, need: microcode + 1 },
        ],
      },
      { kind: 'tcb-status', code: 'TCB_STATUS_NOT_ACCEPTED' },
    ]);
  });
});

describe('policies', () => {
  const strict: AppraisalPolicy = {
    ...policy,
    tdx:
      policy.tdx === null
        ? null
        : {
            ...policy.tdx,
            minimumTcbEvaluationDataNumber: 20,
            minimumComponents: SVNS.map((svn, index) => (index === 0 ? svn + 1 : svn)),
            minimumPceSvn: 14,
            minimumQeIsvSvn: 5,
            minimumTeeTcbSvn: [7, 1, 3].concat(Array.from({ length: 13 }, () => 0)),
          },
  };
  const short = [
    { component: 'tcbEvaluationDataNumber', have: 19, need: 20 },
    { component: 'SGX TCB component 1', have: 3, need: 4 },
    { component: 'PCESVN', have: 13, need: 14 },
    { component: 'ISVSVN of the quoting enclave', have: 4, need: 5 },
    { component: 'TEE_TCB_SVN part 0', have: 6, need: 7 },
    { component: 'TEE_TCB_SVN2 part 0', have: 6, need: 7 },
  ];

  it('name every SVN below their minimum, and the number of the evaluation data', () => {
    expect(forecast(onTdx({ policy: strict })).causes[0]).toEqual({
      kind: 'policy',
      set: 'held',
      name: '19',
      when: 'now',
      expectedAtMs: AT_MS,
      code: 'TCB_EVALUATION_NUMBER_BELOW_MINIMUM',
      short,
    });
  });

  it('that wait for their height cost from it on', () => {
    const heights = { height: 100, validUntilHeight: 500, aliveUntilHeight: 400, blockMs: 2000 };
    const scheduled = { policy: strict, effectiveHeight: 130 };
    const { causes } = forecast(onTdx({ heights, scheduled }));
    expect(causes[0]).toMatchObject({
      kind: 'policy',
      when: 'later',
      losesAtHeight: 130,
      expectedAtMs: AT_MS + 60_000,
      short,
    });
    expect(forecast(onTdx({ heights, scheduled: { ...scheduled, policy } })).causes[0]?.kind).not.toBe('policy');
    expect(forecast(onTdx({ scheduled })).causes.at(-1)).toMatchObject({ when: 'later', losesAtHeight: 130 });
  });

  it('that do not accept the platform say so', () => {
    const { causes, sets } = forecast(onSgx({ policy: { ...policy, sgx: null } }));
    expect(causes[0]).toMatchObject({ kind: 'policy', code: 'PLATFORM_NOT_ACCEPTED', name: 'sgx', short: [] });
    expect(sets[0]?.refusal?.code).toBe('PLATFORM_NOT_ACCEPTED');
  });
});

describe('ages', () => {
  it('are counted in blocks and set beside the ends by the pace of blocks', () => {
    const heights = {
      height: 1000,
      validUntilHeight: 1099,
      aliveUntilHeight: 1019,
      measurementUntilHeight: 1049,
      blockMs: 1500,
    };
    const { causes } = forecast(onSnp({ heights }));
    const ages = causes.filter(({ losesAtHeight }) => losesAtHeight !== undefined);
    expect(causes.slice(0, 3)).toEqual(ages);
    expect(
      ages.map(({ kind, when, losesAtHeight, expectedAtMs }) => [kind, when, losesAtHeight, expectedAtMs]),
    ).toEqual([
      ['refresh', 'later', 1020, AT_MS + 20 * 1500],
      ['measurement', 'later', 1050, AT_MS + 50 * 1500],
      ['age', 'later', 1100, AT_MS + 100 * 1500],
    ]);
  });

  it('that are over cost now', () => {
    const heights = { height: 1020, validUntilHeight: 1099, aliveUntilHeight: 1019, blockMs: 1000 };
    const [first, second] = forecast(onSnp({ heights })).causes;
    expect(first).toMatchObject({ kind: 'refresh', when: 'now', losesAtHeight: 1020 });
    expect(second?.when).toBe('later');
  });
});

describe('evidence that does not verify', () => {
  it('says so with its code', () => {
    const forged = sgxQuote.slice();
    forged[432 + 20] = (forged[432 + 20] ?? 0) ^ 1;
    const { causes, sets } = forecast(onSgx({ evidence: forged }));
    expect(causes[0]).toMatchObject({
      kind: 'evidence',
      when: 'now',
      set: 'held',
      code: refusalAt(onSgx({ evidence: forged }), AT_MS),
    });
    expect(sets[0]).toMatchObject({ status: undefined, parts: [] });
    expect(forecast(onSgx({ evidence: Uint8Array.of(1, 2, 3) })).causes).toEqual([
      {
        kind: 'evidence',
        set: 'held',
        name: '',
        when: 'now',
        expectedAtMs: AT_MS,
        code: 'EVIDENCE_FORMAT_UNKNOWN',
        short: [],
      },
    ]);
  });

  it('by another set costs with that set', () => {
    const foreign = collateral('sgx', { fmspc: Uint8Array.of(9, 9, 9, 9, 9, 9) });
    const alternatives = [{ set: 'early', endorsements: holding({ collateral: foreign }) }];
    expect(forecast(onSgx({ alternatives })).causes.at(-1)).toMatchObject({
      kind: 'evidence',
      set: 'early',
      when: 'with-set',
      code: 'TCB_INFO_FMSPC',
    });
  });
});

describe('sets at hand', () => {
  const about = holding({ collateral: collateral('sgx') });

  it('are picked by TEE and processor', () => {
    const foreign = holding({ collateral: collateral('sgx', { fmspc: Uint8Array.of(9, 9, 9, 9, 9, 9) }) });
    const otherTee = holding({ collateral: collateral('tdx') });
    expect(endorsementsAbout(sgxQuote, [foreign, otherTee, holding({}), about])).toBe(about);
    expect(endorsementsAbout(tdxQuote, [foreign, otherTee, about])).toBe(otherTee);
    expect(endorsementsAbout(sgxQuote, [foreign, otherTee])).toBeUndefined();
    expect(endorsementsAbout(onSnp().evidence, [about])).toBeUndefined();
  });

  it('leave what they do not bring as it is held', () => {
    const { tcbInfo, qeIdentity } = collateral('sgx', earlyLevels('sgx'));
    const endorsements = holding({ collateral: { tcbInfo, qeIdentity } });
    const [, early] = forecast(onSgx({ alternatives: [{ set: 'early', endorsements }] })).sets;
    expect(early?.refusal?.code).toBe('TCB_STATUS_NOT_ACCEPTED');
  });
});
