import { parseUtf8, utf8 } from '@cloister/encoding';
import { type Chain, keyOf } from '@cloister/testkit';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  decodeEvent,
  decodeState,
  encodeEvent,
  encodeState,
  evolve,
  initialState,
  type LedgerEvent,
  type LedgerState,
  STATE_VERSION,
  settledBy,
  stateDigest,
} from '../src/index.ts';
import { mutated } from './mutations.ts';
import { eventfulChain, randomChain } from './workload.ts';

function replay(log: readonly LedgerEvent[], from: LedgerState = initialState()): LedgerState {
  return log.reduce(evolve, from);
}

/** Of chains on which members are replaced, and key sets sign two results. */
const SEEDS = ['30', '36', '57', '58'];

let chain: Chain;
beforeAll(() => {
  chain = eventfulChain();
});

describe('events', () => {
  test('the eventful chain holds every type of event', () => {
    const types = new Set(chain.log.map(({ type }) => type));
    expect([...types].sort()).toEqual([
      'AccountRegistered',
      'AnswerMissed',
      'AppraisalPolicyScheduled',
      'AppraisalPolicyTookEffect',
      'AttestationAccepted',
      'AttestationEvicted',
      'AttestationReappraised',
      'AttestationRefreshed',
      'BlockBegun',
      'EndorsementsAccepted',
      'EquivocationRecorded',
      'ExecutorDeclined',
      'ExecutorLapsed',
      'GovernanceApproved',
      'InferenceCompleted',
      'InferenceDisputed',
      'InferenceFailed',
      'InferenceRequested',
      'MeasurementAllowed',
      'MeasurementGraced',
      'MeasurementRevoked',
      'MemberRegistered',
      'ModelGrantRevoked',
      'ModelKeyGrantAuthorised',
      'ModelPublished',
      'ModelRevoked',
      'NetworkFounded',
      'ReceiptAccepted',
      'RecordPut',
      'ResponseWithheld',
      'SnapshotTaken',
      'TransactionRejected',
      'UnknownSendersCounted',
      'ValidatorEquivocated',
    ]);
  });

  test('each decodes to itself from its stored form', () => {
    for (const event of chain.log) {
      const { type, payload } = encodeEvent(event);
      expect(decodeEvent(type, payload)).toEqual({ ok: true, value: event });
    }
  });

  test('no transaction is settled twice', () => {
    const settled = chain.log.flatMap((event) => settledBy(event)?.id ?? []);
    expect(new Set(settled).size).toBe(settled.length);
  });

  test('unknown types, other members and random bytes are refused without a throw', () => {
    expect(decodeEvent('SomethingHappened', new Uint8Array(2))).toMatchObject({ code: 'EVENT_TYPE_UNKNOWN' });
    const encoded = [...new Map(chain.log.map((event) => [event.type, encodeEvent(event)])).values()];
    const renamed = encodeEvent({ type: 'BlockBegun', hash: 'x' } as unknown as LedgerEvent);
    expect(decodeEvent('BlockBegun', renamed.payload)).toMatchObject({ code: 'EVENT_SHAPE' });
    const hostile = fc
      .constantFrom(...encoded)
      .chain(({ type, payload }) =>
        fc.tuple(fc.constant(type), fc.oneof(fc.uint8Array({ maxLength: 99 }), mutated(payload))),
      );
    fc.assert(
      fc.property(hostile, ([type, payload]) => {
        const decoded = decodeEvent(type, payload);
        if (decoded.ok) expect(encodeEvent(decoded.value)).toEqual({ type, payload });
      }),
      { numRuns: 1000 },
    );
  });
});

describe('replay', () => {
  test('of the log gives the state that execution had, from stored bytes too', () => {
    expect(replay(chain.log)).toEqual(chain.state);
    const stored = chain.log.map(encodeEvent).map(({ type, payload }) => {
      const decoded = decodeEvent(type, payload);
      if (!decoded.ok) throw new Error(decoded.code);
      return decoded.value;
    });
    expect(stateDigest(replay(stored))).toBe(stateDigest(chain.state));
  });

  test('of random chains gives the state that execution had, also from a snapshot on the way', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (seed, at) => {
        const random = randomChain(seed, 25);
        expect(stateDigest(replay(random.log))).toBe(stateDigest(random.state));
        const split = at % random.log.length;
        const restored = decodeState(encodeState(replay(random.log.slice(0, split))));
        if (!restored.ok) throw new Error(`${restored.code} ${restored.detail}`);
        expect(stateDigest(replay(random.log.slice(split), restored.value))).toBe(stateDigest(random.state));
      }),
      { numRuns: 12 },
    );
  });

  test('of chains on which members replace each other and key sets contradict themselves, from a snapshot every few events', () => {
    const types: string[] = [];
    let replaced = 0;
    for (const seed of SEEDS) {
      const random = randomChain(`members ${seed}`, 60);
      let state = initialState();
      for (const [at, event] of random.log.entries()) {
        types.push(event.type);
        if (event.type === 'MemberRegistered' && event.replaces !== null) replaced++;
        evolve(state, event);
        if (at % 7 > 0) continue;
        const restored = decodeState(encodeState(state));
        if (!restored.ok) throw new Error(`${restored.code} ${restored.detail}`);
        state = restored.value;
      }
      expect(state).toEqual(random.state);
    }
    expect(replaced).toBeGreaterThan(0);
    expect(types).toEqual(expect.arrayContaining(['EquivocationRecorded', 'ExecutorLapsed', 'ReceiptAccepted']));
  });

  test('a replica that starts from a snapshot before each block decides all that the others decide', () => {
    const restart = (chain: Chain): void => {
      const restored = decodeState(encodeState(chain.state));
      if (!restored.ok) throw new Error(`${restored.code} ${restored.detail}`);
      chain.state = restored.value;
    };
    for (const seed of SEEDS) {
      const restarted = randomChain(`members ${seed}`, 60, restart);
      expect(restarted.log, seed).toEqual(randomChain(`members ${seed}`, 60).log);
    }
  });

  test('equal seeds give equal chains, event by event', () => {
    expect(randomChain('seed', 20).log).toEqual(randomChain('seed', 20).log);
  });
});

describe('snapshots', () => {
  test('decode to an equal state of its own', () => {
    const bytes = encodeState(chain.state);
    const copy = decodeState(bytes);
    expect(copy).toEqual({ ok: true, value: chain.state });
    if (!copy.ok) return;
    const height = copy.value.height;
    const put = { namespace: 'other', key: 'k', value: 'v', sender: keyOf('x').id, transaction: chain.genesis.chainId };
    evolve(copy.value, { type: 'RecordPut', expiryHeight: height, ...put });
    expect(encodeState(chain.state)).toEqual(bytes);
  });

  test('whose rules are none are refused with what is wrong', () => {
    const text = parseUtf8(encodeState(chain.state)) ?? '';
    const changed = (part: RegExp, by: string) => {
      expect(text).toMatch(part);
      return decodeState(utf8(text.replace(part, by)));
    };
    expect(decodeState(utf8('{'))).toMatchObject({ ok: false, code: expect.not.stringMatching('STATE_SHAPE') });
    expect(changed(/"acceptedStatuses":\["UpToDate"/, '"acceptedStatuses":["Perfect"')).toMatchObject({
      code: 'STATE_SHAPE',
    });
  });

  test('are announced as the last event of their block, over the state before it', () => {
    const taken = chain.log.filter((event) => event.type === 'SnapshotTaken');
    expect(taken.map(({ height }) => height)).toEqual([5, 10, 15, 20, 25, 30, 35, 40, 45]);
    for (const event of taken) {
      const sequence = chain.log.indexOf(event);
      expect([event.stateVersion, event.eventCount]).toEqual([STATE_VERSION, sequence]);
      expect(event.stateDigest).toBe(stateDigest(replay(chain.log.slice(0, sequence))));
    }
  });

  test('a state before the genesis has an encoding too', () => {
    expect(decodeState(encodeState(initialState()))).toEqual({ ok: true, value: initialState() });
  });

  test('no bytes make the decoder throw, and what decodes is what was encoded', () => {
    const bytes = encodeState(chain.state);
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 99 }), mutated(bytes)), (hostile) => {
        const decoded = decodeState(hostile);
        if (decoded.ok) expect(encodeState(decoded.value)).toEqual(hostile);
      }),
      { numRuns: 60 },
    );
  });
});
