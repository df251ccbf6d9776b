/** Forecasts over what is partly there, cannot be read, or is about nothing known. Each case fails when its check is left out. */
import { utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { readComponentTypes } from '../../src/formats/intel/component-types.ts';
import {
  type EvidenceEndorsements,
  endorsementEnds,
  endorsementsAbout,
  type ForecastInput,
  forecast,
} from '../../src/index.ts';
import { simulatedIntelCrl, writeEnclaveReport } from '../../src/simulated/index.ts';
import {
  AT_MS,
  collateral,
  device,
  holding,
  ISSUED_MS,
  input,
  NEXT_UPDATE_MS,
  onSgx,
  onSnp,
  onTdx,
  policy,
  REPORT_DATA,
  refusalAt,
  sgxQuote,
  tdQuote,
} from '../forecast/forecast-fixture.ts';

const GARBAGE = Uint8Array.of(0x30, 0x03, 1, 2, 3);
const forged = sgxQuote.slice();
forged[432 + 20] = (forged[432 + 20] ?? 0) ^ 1;

function endsOf({ evidence, endorsements }: ForecastInput, change: Partial<EvidenceEndorsements>): readonly string[] {
  return endorsementEnds(evidence, { ...endorsements, ...change }).map(({ kind, name }) => `${kind} ${name}`);
}

describe('ends', () => {
  it('of a chain without its leaf are those of every certificate', () => {
    const { certificates } = onSnp().endorsements;
    const ends = endsOf(onSnp(), { certificates: certificates.slice(1) });
    expect(ends).toEqual(['crl ARK-Genoa', 'certificate ARK-Genoa', 'certificate SEV-Genoa']);
  });

  it('leave out what cannot be read', () => {
    const { certificates, crls } = onSnp().endorsements;
    const all = endsOf(onSnp(), {});
    expect(all).toHaveLength(4);
    expect(endsOf(onSnp(), { certificates: [GARBAGE, ...certificates], crls: [GARBAGE, ...crls] })).toEqual(all);
    expect(endsOf(onSnp(), { certificates: [GARBAGE], crls: [GARBAGE] })).toEqual([]);
  });

  it('are told of as much collateral as there is', () => {
    const { tcbInfo, qeIdentity, ...crls } = collateral('tdx');
    const kinds = (parts: EvidenceEndorsements['collateral']): readonly string[] =>
      [...new Set(endsOf(onTdx(), { collateral: parts }).map((end) => end.split(' ')[0] ?? ''))].sort();
    expect(kinds(crls)).toEqual(['certificate', 'crl']);
    expect(kinds({ tcbInfo })).toEqual(['certificate', 'tcb-info']);
    expect(kinds({ qeIdentity })).toEqual(['certificate', 'qe-identity']);
  });

  it('that are past are given the code of an expiry and of nothing else', () => {
    const past = { tcbInfoMembers: { nextUpdate: '2026-05-31T00:00:00Z' } };
    const expired = onSgx({ endorsements: holding({ collateral: collateral('sgx', past) }) });
    const ofTcbInfo = (given: ForecastInput) => forecast(given).causes.find(({ kind }) => kind === 'tcb-info');
    expect(ofTcbInfo(expired)).toMatchObject({ when: 'now', code: 'TCB_INFO_EXPIRED' });
    const revoking = { ...past, revokedPcks: [device.serial] };
    const revoked = onSgx({ endorsements: holding({ collateral: collateral('sgx', revoking) }) });
    expect(refusalAt(revoked, AT_MS)).toBe('PCK_REVOKED');
    expect(ofTcbInfo(revoked)).toMatchObject({ when: 'now', code: undefined });
  });
});

describe('other endorsements', () => {
  const about = holding({ collateral: collateral('sgx') });

  it('are about no evidence that is unknown or names no processor', () => {
    expect(endorsementsAbout(sgxQuote, [about])).toBe(about);
    expect(endorsementsAbout(Uint8Array.of(1, 2, 3), [about])).toBeUndefined();
    const body = writeEnclaveReport({ reportData: REPORT_DATA });
    const encrypted = device.quote({ version: 3, tee: 'sgx', body, certificationType: 3 });
    expect(endorsementsAbout(encrypted, [about])).toBeUndefined();
  });

  it('are passed over where their TCB info cannot be read', () => {
    const { tcbInfo, ...rest } = collateral('sgx');
    if (tcbInfo === undefined) expect.fail();
    const unreadable = holding({ collateral: { ...rest, tcbInfo: { ...tcbInfo, bytes: utf8('{}') } } });
    expect(endorsementsAbout(sgxQuote, [unreadable, about])).toBe(about);
    expect(endorsementsAbout(sgxQuote, [unreadable])).toBeUndefined();
  });

  it('stand in for collateral that is not held, and leave what is held where they have none', () => {
    const codes = (held: EvidenceEndorsements, other: EvidenceEndorsements) =>
      forecast(input(sgxQuote, held, { alternatives: [{ set: 'other', endorsements: other }] })).sets.map(
        ({ refusal }) => refusal?.code,
      );
    expect(codes(holding({}), about)).toEqual(['COLLATERAL_MISSING', undefined]);
    expect(codes(about, holding({}))).toEqual([undefined, undefined]);
    const rootCrl = simulatedIntelCrl({
      by: 'root',
      number: 2n,
      thisUpdateMs: ISSUED_MS,
      nextUpdateMs: NEXT_UPDATE_MS,
      revoked: [2n],
    });
    expect(codes(about, holding({ collateral: { rootCrl } }))).toEqual([undefined, 'PCK_CA_REVOKED']);
    expect(codes(holding({}), holding({ collateral: { rootCrl } }))).toEqual(['COLLATERAL_MISSING', 'PCK_CA_REVOKED']);
  });
});

describe('policies', () => {
  it('that wait for their height cost nothing more where the evidence does not verify', () => {
    const scheduled = { policy: { ...policy, sgx: null }, effectiveHeight: 9 };
    const names = (evidence: Uint8Array) =>
      forecast(onSgx({ evidence, scheduled })).causes.map(({ kind, losesAtHeight }) => [kind, losesAtHeight]);
    expect(names(sgxQuote)).toContainEqual(['policy', 9]);
    expect(names(forged).filter(([, height]) => height !== undefined)).toEqual([]);
    expect(names(forged)).toContainEqual(['evidence', undefined]);
  });

  it('that do not know the product line say so, and of no SVN that it is short', () => {
    const { sevSnp } = policy;
    if (sevSnp === null) expect.fail('the policy accepts SEV-SNP');
    const { causes, sets } = forecast(onSnp({ policy: { ...policy, sevSnp: { ...sevSnp, products: {} } } }));
    expect(causes[0]).toMatchObject({ kind: 'policy', when: 'now', code: 'PRODUCT_NOT_ACCEPTED', short: [] });
    expect(sets[0]).toMatchObject({ status: undefined, parts: [] });
  });
});

describe('a TDX module of major version 0', () => {
  it("is judged by the platform's levels and has no part of its own", () => {
    const { components: sgx } = device.statement;
    const levels = [
      { sgx, tdx: [7, 0, 3], pceSvn: 13, status: 'UpToDate' },
      { sgx, tdx: [5, 0, 3], pceSvn: 13, status: 'OutOfDate' },
    ] as const;
    const endorsements = holding({ collateral: collateral('tdx', { platformLevels: levels }) });
    const [held] = forecast(onTdx({ evidence: tdQuote([5, 0, 3]), endorsements })).sets;
    expect(held?.parts.map(({ part, status }) => [part, status])).toEqual([
      ['platform', 'OutOfDate'],
      ['quoting-enclave', 'UpToDate'],
    ]);
    expect(held?.parts[0]?.short).toEqual([{ component: 'TEE_TCB_SVN part 0', have: 5, need: 7 }]);
  });
});

describe("names of a TCB's components", () => {
  const none = { sgx: [], tdx: [] };
  const named = (sgxtcbcomponents: readonly object[]): Uint8Array =>
    utf8(JSON.stringify({ tcbLevels: [{ tcb: { sgxtcbcomponents } }] }));

  it('are what Intel writes, and none where it writes nothing', () => {
    const components = [{ category: 'BIOS', type: 'SGX' }, { category: '', type: 'SGX' }, { type: '' }, { type: 5 }];
    const sgx = ['BIOS: SGX', 'SGX', undefined, undefined];
    expect(readComponentTypes(named(components))).toEqual({ sgx, tdx: [] });
  });

  it.each(['', '{', '{}', '{"tcbLevels":5}', '{"tcbLevels":[]}', '{"tcbLevels":[{"tcb":{}}]}'])(
    'are none in %j',
    (text) => {
      expect(readComponentTypes(utf8(text))).toEqual(none);
    },
  );
});
