/** The first look at a connection, the door of gossip, and the pacing of what arrives, each by itself. */
import type { GossipSubComponents } from '@libp2p/gossipsub';
import type { Connection, MessageStream, Stream, StreamHandler } from '@libp2p/interface';
import { StreamMessageEvent } from '@libp2p/interface';
import { describe, expect, it, vi } from 'vitest';
import { noCounts } from '../src/counters.ts';
import { AcceptGate } from '../src/gates/accept-gate.ts';
import { GossipDoor } from '../src/gates/gossip-door.ts';
import { PacedReads } from '../src/gates/paced-reads.ts';
import { WorkBudget } from '../src/gates/work-budget.ts';
import type { GossipRouter } from '../src/host/host.ts';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import { BatchGossip } from '../src/streams/gossip.ts';

describe('the accept gate', () => {
  it('refuses one prefix that connects too often, and no other', () => {
    let refused = 0;
    const gate = new AcceptGate(
      10,
      () => false,
      () => {
        refused += 1;
      },
    );
    const flood = Array.from({ length: 500 }, (_, i) => gate.check(`192.0.2.${i % 256}`));
    expect(flood.slice(0, 30)).not.toContain(true);
    expect(refused).toBeGreaterThan(400);
    expect(gate.check('198.51.100.1')).toBe(false);
    expect(gate.check('2001:db8::1')).toBe(false);
  });

  it('refuses a prefix that is cut off', () => {
    const gate = new AcceptGate(
      10,
      (prefix) => prefix === '192.0.2.0/24',
      () => undefined,
    );
    expect(gate.check('192.0.2.9')).toBe(true);
    expect(gate.check('192.0.3.9')).toBe(false);
  });
});

describe('the door of gossip', () => {
  function doorFor(admitted: Set<string>): { door: GossipDoor; open: (peer: string) => Stream; entered: string[] } {
    const entered: string[] = [];
    const door = new GossipDoor((peer) => admitted.has(peer));
    let handler: StreamHandler = () => undefined;
    const registrar = {
      handle: async (_: string, behind: StreamHandler) => {
        handler = behind;
      },
    };
    void door.guard(registrar as unknown as GossipSubComponents['registrar']).handle('/meshsub/1.2.0', (_, from) => {
      entered.push(from.remotePeer.toString());
    });
    const open = (peer: string): Stream => {
      const stream = { status: 'open', abort: vi.fn(() => Object.assign(stream, { status: 'aborted' })) };
      void handler(stream as unknown as Stream, { remotePeer: { toString: () => peer } } as unknown as Connection);
      return stream as unknown as Stream;
    };
    return { door, open, entered };
  }

  it('lets validators in, and holds one unread stream of anybody else until it proves to be one', () => {
    const admitted = new Set(['validator']);
    const { door, open, entered } = doorFor(admitted);
    open('validator');
    const streams = Array.from({ length: 100 }, () => open('late'));
    expect(entered).toEqual(['validator']);
    expect(door.size).toBe(1);
    expect(streams.filter(({ status }) => status === 'open')).toHaveLength(1);
    door.proved('late');
    expect(entered).toEqual(['validator']);
    admitted.add('late');
    door.proved('late');
    expect(entered).toEqual(['validator', 'late']);
    expect(door.size).toBe(0);
  });

  it('forgets the stream of a peer that went', () => {
    const { door, open } = doorFor(new Set());
    const stream = open('stranger');
    door.forget('stranger');
    expect([door.size, stream.status]).toEqual([0, 'aborted']);
  });
});

describe('batches being judged', () => {
  it('are bounded: what comes beyond is ignored, and found by sync', async () => {
    const verdicts: string[] = [];
    const router = Object.assign(new EventTarget(), {
      subscribe: () => undefined,
      reportMessageValidationResult: (_: string, __: string, verdict: string) => void verdicts.push(verdict),
    });
    const slow = Promise.withResolvers<'accept'>();
    const handlers = {
      onConsensus: () => undefined,
      onBatch: () => slow.promise,
      onRequest: async () => undefined,
      onPeer: () => undefined,
    };
    const limits = { ...DEFAULT_LIMITS, gossipJudgedMax: 8 };
    new BatchGossip(router as unknown as GossipRouter, 'batches', limits, noCounts(), handlers).start();
    for (let i = 0; i < 20; i++) {
      const detail = { msg: { topic: 'batches', data: Uint8Array.of(i) }, msgId: `${i}`, propagationSource: 'peer' };
      router.dispatchEvent(new CustomEvent('gossipsub:message', { detail }));
    }
    await vi.waitFor(() => expect(verdicts).toEqual(Array(12).fill('ignore')));
    slow.resolve('accept');
    await vi.waitFor(() => expect(verdicts.filter((verdict) => verdict === 'accept')).toHaveLength(8));
  });
});

describe('the pacing of what arrives', () => {
  function connection(): MessageStream & { paused: boolean } {
    const fake = {
      status: 'open',
      paused: false,
      pause: () => {
        fake.paused = true;
      },
      resume: () => {
        fake.paused = false;
      },
      abort: () => {
        fake.status = 'aborted';
      },
    };
    return fake as unknown as MessageStream & { paused: boolean };
  }

  function paced(budget: WorkBudget): {
    from: ReturnType<typeof connection>;
    arrive: (bytes: number) => void;
    taken: () => number;
  } {
    const from = connection();
    const reads = new PacedReads(from);
    let taken = 0;
    const listener = reads.listener((event) => {
      if (event instanceof StreamMessageEvent) taken += event.data.byteLength;
    });
    reads.identify(
      () => ({ budget, party: { group: 'g', peer: 'p' } }),
      () => 0,
    );
    return { from, arrive: (bytes) => listener(new StreamMessageEvent(new Uint8Array(bytes))), taken: () => taken };
  }

  it('hands on at once what is paid for, and leaves the socket unread while the budget is empty', async () => {
    vi.useFakeTimers();
    try {
      const options = { msPerSecond: 20, burstMs: 5, waitingMax: 10, nowMs: () => Date.now(), spent: () => undefined };
      const budget = new WorkBudget(options);
      const { from, arrive, taken } = paced(budget);
      arrive(1_000);
      expect([taken(), from.paused]).toEqual([1_000, false]);
      // Sixteen megabytes cost some 320 ms; a second brings 20.
      for (let i = 0; i < 256; i++) arrive(64 * 1024);
      expect(from.paused).toBe(true);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(taken()).toBeLessThan(2 << 20);
      expect(from.paused).toBe(true);
      await vi.advanceTimersByTimeAsync(25_000);
      expect(taken()).toBe(1_000 + (16 << 20));
      expect(from.paused).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });

  it('charges each stream that a peer opens', () => {
    let spent = 0;
    const spend = (ms: number): void => {
      spent += ms;
    };
    const options = { msPerSecond: 1_000, burstMs: 1_000, waitingMax: 10, nowMs: () => 0, spent: spend };
    const from = connection();
    const reads = new PacedReads(from);
    const listener = reads.listener(() => {
      for (let i = 0; i < 50; i++) reads.countStream({ direction: 'inbound' } as Stream);
    });
    const budget = new WorkBudget(options);
    reads.identify(
      () => ({ budget, party: { group: 'g', peer: 'p' } }),
      () => 0,
    );
    listener(new StreamMessageEvent(new Uint8Array(600)));
    expect(spent).toBeGreaterThanOrEqual(50);
  });
});
