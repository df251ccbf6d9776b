import {
  type ConsensusMessage,
  encodeMessage,
  MAX_PROPOSAL_BYTES,
  type MessageRejectionCode,
  makeValidatorSet,
} from '@cloister/consensus';
import { hash } from '@cloister/crypto';
import { asEpoch, asValidatorId, asView, type ValidatorId } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { RECEIVE_BYTES_MAX, RECEIVE_FRAMES_MAX } from '../src/limits.ts';
import { ReceiveQueue } from '../src/receive/receive-queue.ts';
import { RECEIVE_TIMER, Receiver } from '../src/receive/receiver.ts';
import { SenderRecord } from '../src/receive/sender-record.ts';
import type { ReplicaEffect } from '../src/step/replica-ports.ts';

const set = makeValidatorSet([1, 2, 3, 4].map((n) => ({ id: asValidatorId(hash(`receiver ${n}`)), weight: 1n })));
const [self, a, b, c] = set.validators.map(({ id }) => id);
if (self === undefined || a === undefined || b === undefined || c === undefined) throw new Error('no members');

function nullify(signer: ValidatorId, view: number): Uint8Array {
  const signature = new Uint8Array(64);
  return encodeMessage({ type: 'vote', kind: 'nullify', epoch: asEpoch(0), view: asView(view), signer, signature });
}

/** A receiver whose consensus is the test's: `verdict` says what a message costs and how it is refused. */
class Rig {
  readonly effects: ReplicaEffect[] = [];
  readonly taken: { readonly from: ValidatorId; readonly message: ConsensusMessage }[] = [];
  readonly receiver: Receiver;
  monotonicMs = 0;
  armed = false;

  constructor(verdict: (from: ValidatorId) => { readonly cost: number; readonly refused?: MessageRejectionCode }) {
    const rig = this;
    this.receiver = new Receiver({
      core: {
        set,
        self: self as ValidatorId,
        get monotonicMs() {
          return rig.monotonicMs;
        },
        emit: (effect) => this.effects.push(effect),
        setTimer: (id) => {
          expect(id).toBe(RECEIVE_TIMER);
          this.armed = true;
        },
      },
      useless: () => undefined,
      take: (from, message) => {
        this.taken.push({ from, message });
        const { cost, refused } = verdict(from);
        if (refused !== undefined) this.receiver.rejected(from, refused);
        return cost;
      },
    });
  }

  fire(): void {
    this.armed = false;
    this.receiver.timer();
  }

  of<T extends ReplicaEffect['type']>(type: T): Extract<ReplicaEffect, { type: T }>[] {
    return this.effects.filter((effect): effect is Extract<ReplicaEffect, { type: T }> => effect.type === type);
  }
}

describe('a frame', () => {
  it('is judged in the step that brings it while nothing waits', () => {
    const rig = new Rig(() => ({ cost: 1 }));
    for (let view = 1; view <= 20; view++) rig.receiver.frame(a, nullify(a, view));
    expect([rig.taken.length, rig.armed]).toEqual([20, false]);
  });

  it('of a flood waits its turn: one frame of each sender, a share of work in each step', () => {
    const rig = new Rig((from) => ({ cost: from === a ? 70 : 1 }));
    rig.receiver.frame(a, nullify(a, 1));
    // The first spent the step's share, and nothing else waited; from here on everything is queued.
    for (let view = 2; view <= 100; view++) rig.receiver.frame(a, nullify(a, view));
    for (const id of [b, c]) for (let view = 1; view <= 3; view++) rig.receiver.frame(id, nullify(id, view));
    const before = rig.taken.length;
    for (let steps = 0; steps < 4; steps++) rig.fire();
    const order = rig.taken.slice(before).map(({ from }) => from);
    expect(order.filter((from) => from === b)).toHaveLength(3);
    expect(order.filter((from) => from === c)).toHaveLength(3);
    expect(order.filter((from) => from === a).length).toBeLessThanOrEqual(4);
    expect(rig.armed).toBe(true);
  });

  it('of a member without weight, and one that no node sends, is dropped undecoded', () => {
    const rig = new Rig(() => ({ cost: 1 }));
    rig.receiver.frame(asValidatorId(hash('nobody')), nullify(a, 1));
    rig.receiver.frame(a, encodeMessage({ type: 'block-request', hash: hash('block') }));
    rig.receiver.frame(a, Uint8Array.of(99));
    expect(rig.taken).toEqual([]);
    expect(rig.of('refused').map(({ code }) => code)).toEqual(['NO_WEIGHT', 'UNSOLICITED_BLOCK', 'MESSAGE_MALFORMED']);
    expect(rig.of('blame').map(({ offence }) => offence)).toEqual(['UNASKED', 'MALFORMED']);
  });
});

describe('a forger', () => {
  it('is out after three forgeries, for longer each time, and is heard again in between', () => {
    const rig = new Rig((from) => (from === a ? { cost: 1, refused: 'BAD_SIGNATURE' } : { cost: 1 }));
    const heard = (ms: number): number => {
      const before = rig.taken.length;
      for (const end = rig.monotonicMs + ms; rig.monotonicMs < end; rig.monotonicMs += 100) {
        rig.receiver.frame(a, nullify(a, 1));
      }
      return rig.taken.length - before;
    };
    expect(heard(1_000)).toBe(3);
    expect(rig.of('blame')).toHaveLength(3);
    // 5, 10, 20 … seconds, one frame between each.
    expect(heard(160_000)).toBeLessThanOrEqual(5);
    rig.receiver.frame(b, nullify(b, 1));
    expect(rig.taken.at(-1)?.from).toBe(b);
  });

  it('loses what waits of it, and nobody else does', () => {
    const rig = new Rig((from) => (from === a ? { cost: 70, refused: 'BAD_CERTIFICATE' } : { cost: 70 }));
    for (const id of [a, b]) for (let view = 1; view <= 50; view++) rig.receiver.frame(id, nullify(id, view));
    while (rig.armed) rig.fire();
    expect(rig.taken.filter(({ from }) => from === a)).toHaveLength(3);
    expect(rig.taken.filter(({ from }) => from === b)).toHaveLength(50);
  });

  it('is nobody who sends what is old, ahead or of another epoch, and never this node itself', () => {
    for (const code of ['OUTSIDE_WINDOW', 'OTHER_EPOCH', 'UNKNOWN_SIGNER', 'TOO_MANY_REQUESTS'] as const) {
      const rig = new Rig(() => ({ cost: 1, refused: code }));
      for (let view = 1; view <= 50; view++) rig.receiver.frame(a, nullify(a, view));
      expect([rig.taken.length, rig.of('blame').length]).toEqual([50, 0]);
    }
    const twin = new Rig(() => ({ cost: 1, refused: 'BAD_SIGNATURE' }));
    for (let view = 1; view <= 50; view++) twin.receiver.frame(self, nullify(self, view));
    expect([twin.taken.length, twin.of('blame').length]).toEqual([50, 0]);
  });
});

describe('the record of senders', () => {
  it('doubles the time out up to a bound, and forgets it with good conduct', () => {
    const record = new SenderRecord();
    const out = (from: number): number => {
      let until = from;
      while (record.isCut(a, until)) until += 1_000;
      return until - from;
    };
    for (let n = 0; n < 3; n++) record.forged(a, 0);
    const times: number[] = [];
    let now = 0;
    for (let n = 0; n < 10; n++) {
      times.push(out(now));
      now += out(now);
      record.forged(a, now);
    }
    expect(times.slice(0, 4)).toEqual([5_000, 10_000, 20_000, 40_000]);
    expect(Math.max(...times)).toBe(600_000);
    now += out(now) + 40 * 600_000;
    expect(record.forged(a, now)).toBe(true);
    expect(out(now)).toBe(5_000);
  });
});

describe('the receive queue', () => {
  it('gives out the most important frame of each sender in turn', () => {
    const queue = new ReceiveQueue(10_000);
    const frame = (n: number) => Uint8Array.of(n);
    queue.push(a, frame(3), 3);
    queue.push(a, frame(1), 1);
    queue.push(a, frame(0), 0);
    queue.push(b, frame(9), 3);
    const order = [];
    for (let next = queue.next(); next !== undefined; next = queue.next()) order.push([next.from, next.bytes[0]]);
    expect(order).toEqual([
      [a, 0],
      [b, 9],
      [a, 1],
      [a, 3],
    ]);
    expect(queue.isEmpty).toBe(true);
  });

  it('holds a bounded count and bytes of each sender, who loses its own least important and oldest frames', () => {
    const queue = new ReceiveQueue(2 * MAX_PROPOSAL_BYTES);
    let dropped = 0;
    for (let n = 0; n < RECEIVE_FRAMES_MAX + 10; n++) dropped += queue.push(a, Uint8Array.of(n & 255, n >> 8), 1);
    expect(dropped).toBe(10);
    for (let n = 0; n < 10; n++) queue.push(b, new Uint8Array(MAX_PROPOSAL_BYTES - 64), 2);
    queue.push(b, Uint8Array.of(1), 0);
    let bytes = 0;
    let frames = 0;
    let kept = false;
    for (let next = queue.next(); next !== undefined; next = queue.next()) {
      if (next.from === a) frames += 1;
      else bytes += next.bytes.length;
      if (next.from === b && next.bytes.length === 1) kept = true;
    }
    expect([frames, kept]).toEqual([RECEIVE_FRAMES_MAX, true]);
    expect(bytes).toBeLessThanOrEqual(2 * MAX_PROPOSAL_BYTES);
    expect(RECEIVE_BYTES_MAX).toBeGreaterThan(MAX_PROPOSAL_BYTES);
  });
});
