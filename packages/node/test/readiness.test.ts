/** Readiness: each reason by itself, in a code and in words, and the line in the log when it changes. */
import { asAccountId, asView, type ValidatorId } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  CLOCK_SKEW_MS_MAX,
  FINALITY_AGE_MS_MAX,
  FREE_BYTES_MIN,
  quorumReach,
  type ReadinessFacts,
  readinessReasons,
  waitsFor,
} from '../src/status/readiness.ts';
import { ReadinessWatch } from '../src/status/readiness-watch.ts';

const ids = ['aa', 'bb', 'cc', 'dd'].map((byte) => asAccountId(byte.repeat(32)));
const [self = asAccountId('00'.repeat(32)), second = self] = ids;

const SIGNS = {
  state: 'signing',
  cause: 'START',
  missing: [],
  signsAboveView: undefined,
  needsOverride: false,
} as const satisfies ReadinessFacts['replica']['signing'];
const UP_TO_DATE = { synced: true, signing: SIGNS, finalityMs: 1_000_000, clockSkewMs: 0 };

function facts(changes: Partial<ReadinessFacts> = {}, away = 0): ReadinessFacts {
  return {
    halted: false,
    resyncing: false,
    replica: UP_TO_DATE,
    monotonicMs: 1_000_500,
    validators: ids.map((id, at) => ({ id, name: `v${at}`, weight: 1, connected: at < ids.length - away })),
    self,
    isConnected: away < 3,
    enclaveReasons: [],
    freeBytes: 10 * FREE_BYTES_MIN,
    twin: undefined,
    ...changes,
  };
}

describe('a node is ready', () => {
  it('when nothing is wrong, also with one of four validators away', () => {
    for (const away of [0, 1]) {
      expect(readinessReasons(facts({}, away))).toEqual([]);
      expect(waitsFor(facts({}, away))).toEqual([]);
    }
    expect(quorumReach(facts({}, 1))).toEqual({ own: 1, connected: 2, needed: 3 });
  });

  it('alone, when it is the only validator', () => {
    const alone = facts({ isConnected: false });
    expect(readinessReasons({ ...alone, validators: alone.validators.slice(0, 1) })).toEqual([]);
  });
});

describe('a node is not ready', () => {
  it('with members connected of whom none votes, and says which file to write an address into', () => {
    const observer = asAccountId('ee'.repeat(32));
    const validators = facts({}, 0).validators.map((one) => ({ ...one, connected: false }));
    const lost = facts({ self: observer, validators, isConnected: true });
    expect(readinessReasons(lost)).toEqual(['NO_VALIDATOR_CONNECTED']);
    expect(waitsFor(lost).join()).toMatch(/No validator is connected.*network\.seeds/);
    expect(readinessReasons({ ...lost, isConnected: false })).toEqual(['NOT_CONNECTED']);
  });

  it('while a second process runs with its key, and says what to do', () => {
    const twin = { peerId: '12D3twin', address: '', atMs: 999_500 };
    expect(readinessReasons(facts({ twin }))).toEqual(['TWIN_SEEN']);
    expect(waitsFor(facts({ twin }))[0]).toMatch(/as 12D3twin, last seen 1 s ago\. Stop one of the two/);
  });

  it('without the weight that a block needs, and says who is missing', () => {
    expect(readinessReasons(facts({}, 2))).toEqual(['NO_QUORUM_CONNECTED']);
    expect(waitsFor(facts({}, 2))[0]).toMatch(/2 of the 3 that a block needs\. Not connected: v2, v3/);
    expect(readinessReasons(facts({}, 3))).toEqual(['NO_QUORUM_CONNECTED', 'NOT_CONNECTED']);
  });

  it('when it heard no new finalization for long, whatever it believes of its chain', () => {
    const monotonicMs = UP_TO_DATE.finalityMs + FINALITY_AGE_MS_MAX;
    expect(readinessReasons(facts({ monotonicMs }))).toEqual([]);
    expect(readinessReasons(facts({ monotonicMs: monotonicMs + 1 }))).toEqual(['NO_FINALITY']);
    expect(waitsFor(facts({ monotonicMs: monotonicMs + 30_000 }))[0]).toMatch(/finalized for 60 s/);
  });

  it('while its clock is off either way', () => {
    for (const sign of [1, -1]) {
      const at = (clockSkewMs: number) => facts({ replica: { ...UP_TO_DATE, clockSkewMs } });
      expect(readinessReasons(at(sign * CLOCK_SKEW_MS_MAX))).toEqual([]);
      expect(readinessReasons(at(sign * 3_600_000))).toEqual(['CLOCK_SKEW']);
      expect(waitsFor(at(sign * 3_600_000))[0]).toMatch(sign > 0 ? /3600 s ahead of/ : /3600 s behind/);
    }
  });

  it('while it does not sign, and says for whom it waits and what ends it', () => {
    const signing = { ...SIGNS, state: 'asking', cause: 'GUARD_EMPTY', missing: [second as ValidatorId] } as const;
    expect(readinessReasons(facts({ replica: { ...UP_TO_DATE, signing } }))).toEqual(['NOT_SIGNING']);
    expect(waitsFor(facts({ replica: { ...UP_TO_DATE, signing } }))[0]).toMatch(/guard was lost.*Not answered: v1/);
    const stuck = {
      ...SIGNS,
      state: 'observing',
      cause: 'GUARD_OLD',
      signsAboveView: asView(9),
      needsOverride: true,
    } as const;
    expect(waitsFor(facts({ replica: { ...UP_TO_DATE, signing: stuck } }))[0]).toMatch(
      /old copy.*up to view 9.*unsafe-allow-signing/,
    );
  });

  it('while it syncs, is rebuilt, has halted, has no enclave or little disk', () => {
    expect(readinessReasons(facts({ replica: { ...UP_TO_DATE, synced: false } }))).toEqual(['SYNCING']);
    expect(readinessReasons(facts({ resyncing: true }))).toEqual(['RESYNCING']);
    expect(readinessReasons(facts({ halted: true }))).toEqual(['HALTED']);
    expect(readinessReasons(facts({ enclaveReasons: ['NOT_ATTESTED'] }))).toEqual(['NOT_ATTESTED']);
    expect(readinessReasons(facts({ freeBytes: FREE_BYTES_MIN - 1 }))).toEqual(['DISK_FULL']);
    expect(readinessReasons(facts({ freeBytes: undefined }))).toEqual([]);
  });
});

describe('the watch', () => {
  it('writes one line when the reasons change, and none while they stay', () => {
    const lines: string[] = [];
    let reasons: string[] = ['SYNCING'];
    const watch = new ReadinessWatch({
      directory: '.',
      readiness: () => ({ ready: reasons.length === 0, reasons }),
      waitsFor: () => ['for the rest'],
      log: (level, subject, fields) => lines.push(`${level} ${subject} ${JSON.stringify(fields)}`),
    });
    watch.look();
    watch.look();
    reasons = [];
    watch.look();
    reasons = ['NO_FINALITY', 'NO_QUORUM_CONNECTED'];
    watch.look();
    expect(lines).toEqual([
      'warn not-ready {"reasons":"SYNCING","waits":"for the rest"}',
      'info ready {}',
      'warn not-ready {"reasons":"NO_FINALITY,NO_QUORUM_CONNECTED","waits":"for the rest"}',
    ]);
  });
});
