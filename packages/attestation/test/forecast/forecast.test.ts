/** Forecasts against the verifier itself: what is said to end at an instant passes up to it and fails after it. */
import { toHex } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endorsementEnds, type ForecastCause, type ForecastInput, forecast, verifyEvidence } from '../../src/index.ts';
import {
  simulatedCrl,
  simulatedIntelCrl,
  simulatedIntelDevice,
  simulatedSnpDevice,
  writeEnclaveReport,
} from '../../src/simulated/index.ts';
import {
  AT_MS,
  collateral,
  DAY_MS,
  device,
  holding,
  ISSUED_MS,
  input,
  LONG,
  NEXT_UPDATE_MS,
  onNitro,
  onSnp,
  onTdx,
  REPORT_DATA,
  refusalAt,
  SNP_FIELDS,
  seed,
  TEE_TCB_SVN,
  tdQuote,
} from './forecast-fixture.ts';

function endings(causes: readonly ForecastCause[]) {
  return causes.map(({ kind, name, losesAtMs }) => [kind, name, losesAtMs]);
}

describe('ends of endorsements', () => {
  it('lists every certificate, CRL and statement of a TD by name, each once', () => {
    const { causes, simulated, platform } = forecast(onTdx());
    expect({ simulated, platform }).toEqual({ simulated: true, platform: 'tdx' });
    expect(causes.every(({ when, set }) => when === 'later' && set === 'held')).toBe(true);
    expect(endings(causes).filter(([, , at]) => at === NEXT_UPDATE_MS)).toEqual([
      ['crl', 'Intel SGX PCK Platform CA', NEXT_UPDATE_MS],
      ['crl', 'Intel SGX Root CA', NEXT_UPDATE_MS],
      ['qe-identity', 'qe-identity/TD_QE', NEXT_UPDATE_MS],
      ['tcb-info', `tcb-info/TDX/${toHex(device.statement.fmspc)}`, NEXT_UPDATE_MS],
    ]);
    expect(causes.filter(({ kind }) => kind === 'certificate').map(({ name }) => name)).toEqual([
      'Intel SGX PCK Certificate',
      'Intel SGX PCK Platform CA',
      'Intel SGX Root CA',
      'Intel SGX TCB Signing',
    ]);
  });

  it('lists the chain of a chip and of an AWS document, and leaves out certificates of others', () => {
    const other = simulatedSnpDevice({ seed, product: 'Milan', validity: { ...LONG, notAfterMs: AT_MS + DAY_MS } });
    const { evidence, endorsements } = onSnp();
    const [, ...milanAuthorities] = other.certificates;
    const certificates = [...milanAuthorities, ...endorsements.certificates];
    const ends = endorsementEnds(evidence, { ...endorsements, certificates });
    expect(ends.map(({ kind, name }) => [kind, name])).toEqual([
      ['crl', 'ARK-Genoa'],
      ['certificate', 'SEV-VCEK'],
      ['certificate', 'ARK-Genoa'],
      ['certificate', 'SEV-Genoa'],
    ]);
    expect(ends.slice(0, 2).map(({ untilMs }) => untilMs)).toEqual([NEXT_UPDATE_MS, LONG.notAfterMs]);

    const nitro = onNitro(AT_MS + 3_600_000);
    const names = endorsementEnds(nitro.evidence, nitro.endorsements).map(({ name }) => name);
    expect(names).toHaveLength(5);
    expect(names.at(-1)).toBe('aws.nitro-enclaves');
  });

  const offset = fc.integer({ min: 1, max: 20_000_000 }).map((seconds) => AT_MS + seconds * 1000);

  it('of an Intel quote: the first holds up to its end and costs acceptance right after it', () => {
    const tee = fc.constantFrom('sgx' as const, 'tdx' as const);
    fc.assert(
      fc.property(tee, fc.uniqueArray(offset, { minLength: 5, maxLength: 5 }), (of, ends) => {
        const [leafEnd, infoEnd, identityEnd, rootCrlEnd, pckCrlEnd] = ends as [number, number, number, number, number];
        const instant = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
        const crl = (by: 'root' | 'platform-ca', nextUpdateMs: number): Uint8Array =>
          simulatedIntelCrl({ by, number: 1n, thisUpdateMs: ISSUED_MS, nextUpdateMs, revoked: [] });
        const short = simulatedIntelDevice({ seed, validity: { ...LONG, notAfterMs: leafEnd } });
        const body = writeEnclaveReport({ reportData: REPORT_DATA });
        const evidence =
          of === 'sgx' ? short.quote({ version: 3, tee: 'sgx', body }) : tdQuote(TEE_TCB_SVN, undefined, short);
        const given = input(
          evidence,
          holding({
            collateral: {
              ...collateral(of, {
                tcbInfoMembers: { nextUpdate: instant(infoEnd) },
                qeIdentityMembers: { nextUpdate: instant(identityEnd) },
              }),
              rootCrl: crl('root', rootCrlEnd),
              pckCrl: crl('platform-ca', pckCrlEnd),
            },
          }),
        );
        const codes = new Map([
          [leafEnd, 'PCK_CHAIN_CERTIFICATE_EXPIRED'],
          [infoEnd, 'TCB_INFO_EXPIRED'],
          [identityEnd, 'QE_IDENTITY_EXPIRED'],
          [rootCrlEnd, 'ROOT_CRL_EXPIRED'],
          [pckCrlEnd, 'PCK_CRL_EXPIRED'],
        ]);
        checkFirst(given, codes);
      }),
      { numRuns: 12 },
    );
  });

  it('of a chip: likewise', () => {
    fc.assert(
      fc.property(fc.uniqueArray(offset, { minLength: 2, maxLength: 2 }), (ends) => {
        const [leafEnd, crlEnd] = ends as [number, number];
        const chip = simulatedSnpDevice({ seed, product: 'Genoa', validity: { ...LONG, notAfterMs: leafEnd } });
        const crl = simulatedCrl({ product: 'Genoa', number: 1n, thisUpdateMs: ISSUED_MS, nextUpdateMs: crlEnd });
        const given = input(chip.report(SNP_FIELDS), holding({ certificates: chip.certificates, crls: [crl] }));
        const codes = new Map([
          [leafEnd, 'CERTIFICATE_EXPIRED'],
          [crlEnd, 'CRL_EXPIRED'],
        ]);
        checkFirst(given, codes);
      }),
      { numRuns: 6 },
    );
  });

  it('of an AWS document: likewise', () => {
    const end = AT_MS + 10_800_000;
    checkFirst(onNitro(end), new Map([[end, 'CERTIFICATE_EXPIRED']]));
  });

  function checkFirst(given: ForecastInput, codes: ReadonlyMap<number, string>): void {
    const [first] = forecast(given).causes;
    const at = first?.losesAtMs ?? 0;
    expect(at).toBe(Math.min(...codes.keys()));
    expect(first).toMatchObject({ when: 'later', set: 'held', expectedAtMs: at });
    expect(forecast({ ...given, atMs: at }).causes.every(({ when }) => when === 'later')).toBe(true);
    expect(refusalAt(given, at - 1)).toBeUndefined();
    expect(refusalAt(given, at)).toBeUndefined();
    expect(refusalAt(given, at + 1)).toBe(codes.get(at));
    const past = forecast({ ...given, atMs: at + 1 }).causes.filter(({ when }) => when === 'now');
    const names = past.map(({ kind, code }) => [kind, code]);
    expect(new Set(names.map(String))).toEqual(new Set([String([first?.kind, codes.get(at)])]));
    const { verified } = verifyEvidence({ ...given, requirements: given.policy });
    expect(verified?.value.validUntilMs).toBe(at);
  }
});
