import { hash } from '@cloister/crypto';
import { asEpoch, asView, compareBytes } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  emptyGuard,
  encodeGuardRecord,
  type GuardRecord,
  type GuardState,
  guardFloorKey,
  guardRecordKey,
  type Proposition,
  recoverGuard,
  SignGuard,
  type StatementKind,
} from '../src/index.ts';
import { CHAIN, certificateBy, members, proposition, setOf, statement } from './samples.ts';

const all = members(4);
const set = setOf(all);
const [self] = all;
if (self === undefined) throw new Error('no member');
const key = { id: self.id, sign: self.key.sign };
const p = proposition(5);
const other = proposition(5, 4, hash('another block'));

function contextFor(kind: StatementKind, of: Proposition) {
  return { certificates: kind === 'finalize' ? [certificateBy(set, all.slice(0, 3), 'notarize', of)] : [] };
}

/** Signs in a running guard; `records` is what the database holds. */
class Signer {
  guard: SignGuard = new SignGuard(CHAIN, emptyGuard(CHAIN));
  records: GuardRecord[] = [];

  sign(kind: StatementKind, of: Proposition): string {
    const signed = this.guard.sign(statement(kind, of), key, contextFor(kind, of));
    if (!signed.ok) return signed.code;
    this.records.push(signed.value);
    return 'SIGNED';
  }

  state(): GuardState {
    const recovered = recoverGuard(CHAIN, this.records.map((record) => encodeGuardRecord(CHAIN, record)).reverse());
    if (!recovered.ok) throw new Error(recovered.code);
    return recovered.value;
  }

  restart(): void {
    this.guard = new SignGuard(CHAIN, this.state());
  }
}

type Signing = readonly [StatementKind, Proposition];
const illegal: readonly (readonly [string, Signing, Signing, string])[] = [
  ['double propose', ['propose', p], ['propose', other], 'ALREADY_PROPOSED'],
  ['double notarize', ['notarize', p], ['notarize', other], 'ALREADY_NOTARIZED'],
  ['double finalize', ['finalize', p], ['finalize', other], 'ALREADY_FINALIZED'],
  ['finalize after nullify', ['nullify', p], ['finalize', p], 'ALREADY_NULLIFIED'],
  ['nullify after finalize', ['finalize', p], ['nullify', p], 'ALREADY_FINALIZED'],
  ['finalize of another than notarized', ['notarize', p], ['finalize', other], 'NOTARIZED_ANOTHER'],
  ['notarize of another than finalized', ['finalize', p], ['notarize', other], 'ALREADY_FINALIZED'],
  ['notarize after nullify', ['nullify', p], ['notarize', p], 'ALREADY_NULLIFIED'],
  ['propose after nullify', ['nullify', p], ['propose', p], 'ALREADY_NULLIFIED'],
];

describe.each(illegal)('the guard refuses %s', (_name, first, second, code) => {
  it('while running', () => {
    const signer = new Signer();
    expect(signer.sign(...first)).toBe('SIGNED');
    expect(signer.sign(...second)).toBe(code);
  });

  it('across a restart', () => {
    const signer = new Signer();
    expect(signer.sign(...first)).toBe('SIGNED');
    signer.restart();
    expect(signer.sign(...second)).toBe(code);
  });
});

describe('the guard', () => {
  it('allows a whole honest round, and nullify after notarize', () => {
    const signer = new Signer();
    for (const kind of ['propose', 'notarize', 'finalize'] as const) expect(signer.sign(kind, p)).toBe('SIGNED');
    const next = proposition(6);
    expect(signer.sign('notarize', next)).toBe('SIGNED');
    signer.restart();
    expect(signer.sign('nullify', next)).toBe('SIGNED');
  });

  it('keeps rounds of different epochs apart', () => {
    const signer = new Signer();
    expect(signer.sign('notarize', p)).toBe('SIGNED');
    expect(signer.sign('notarize', { ...other, epoch: asEpoch(1) })).toBe('SIGNED');
    signer.restart();
    expect(signer.sign('notarize', { ...p, epoch: asEpoch(1) })).toBe('ALREADY_NOTARIZED');
  });

  it('signs finalize only with the notarization in the record', () => {
    const guard = new SignGuard(CHAIN, emptyGuard(CHAIN));
    const context = contextFor('finalize', other);
    expect(guard.sign(statement('finalize', p), key, context)).toMatchObject({ code: 'NOTARIZATION_MISSING' });
  });

  it('signs nothing at or below its floor, also after a restart without the pruned records', () => {
    const signer = new Signer();
    signer.sign('notarize', proposition(5));
    signer.guard.raiseFloor({ epoch: asEpoch(0), view: asView(7) });
    expect(signer.sign('notarize', proposition(7))).toBe('BELOW_FLOOR');
    expect(signer.sign('notarize', proposition(8))).toBe('SIGNED');
    const [, last] = signer.records;
    if (last === undefined) throw new Error('no record');
    signer.records = [last];
    signer.restart();
    expect(signer.sign('nullify', proposition(5))).toBe('BELOW_FLOOR');
    expect(signer.sign('nullify', proposition(8))).toBe('SIGNED');
    signer.guard.raiseFloor({ epoch: asEpoch(0), view: asView(3) });
    expect(signer.guard.floor.view).toBe(7);
  });

  it('records the last durable event', () => {
    const signer = new Signer();
    const head = { count: 12, hash: hash('event') };
    signer.guard.setHead(head);
    signer.sign('notarize', p);
    expect(signer.state().head).toEqual(head);
  });
});

describe('recovery', () => {
  it('refuses a flipped byte anywhere, a foreign chain, and records that contradict each other', () => {
    const signer = new Signer();
    signer.sign('nullify', p);
    const [record] = signer.records;
    if (record === undefined) throw new Error('no record');
    const bytes = encodeGuardRecord(CHAIN, record);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      expect(recoverGuard(CHAIN, [flipped])).toMatchObject({ ok: false, code: 'GUARD_CHECKSUM' });
    }
    expect(recoverGuard(hash('other chain'), [bytes])).toMatchObject({ code: 'GUARD_FOREIGN_CHAIN' });
    const contradiction = new Signer();
    contradiction.sign('finalize', p);
    const both = [...signer.records, ...contradiction.records].map((each) => encodeGuardRecord(CHAIN, each));
    expect(recoverGuard(CHAIN, both)).toMatchObject({ code: 'GUARD_CONFLICT' });
  });

  it('keys sort by round, and the floor key parts kept from pruned', () => {
    const signer = new Signer();
    for (const view of [5, 6, 300]) signer.sign('notarize', proposition(view));
    const keys = signer.records.map(guardRecordKey);
    expect([...keys].sort(compareBytes)).toEqual(keys);
    const floor = guardFloorKey({ epoch: asEpoch(0), view: asView(6) });
    expect(keys.map((each) => compareBytes(each, floor) >= 0)).toEqual([false, false, true]);
  });
});
