/** The shell's promises: order of effects, persist before send, and what stops it. A scripted replica, a traced world. */
import { asHeight, asValidatorId, ok, type ValidatorId } from '@cloister/encoding';
import { MemoryStore, type OrderedStore, StoreError } from '@cloister/event-log';
import type { ReplicaEffect, ReplicaInput } from '@cloister/replica';
import { digestOf } from '@cloister/testkit';
import { beforeEach, describe, expect, it } from 'vitest';
import { ReplicaShell } from '../src/chain/replica-shell.ts';
import type { ShellNetwork } from '../src/chain/shell-ports.ts';

const PEER: ValidatorId = asValidatorId('11'.repeat(32));
const KEY = Uint8Array.of(1);

type Answer = (input: ReplicaInput) => readonly ReplicaEffect[];
type Store = Extract<ReplicaEffect, { type: 'store' }>;

let trace: string[];
let peers: string[];
let answer: Answer;

function traced(name: string, inner: OrderedStore = new MemoryStore()): OrderedStore {
  return Object.assign(Object.create(inner) as OrderedStore, {
    batch: async (ops: Parameters<OrderedStore['batch']>[0], options: { sync: boolean }) => {
      trace.push(`${name} begins ${ops.length}${options.sync ? ' synced' : ''}`);
      await inner.batch(ops, options);
      trace.push(`${name} done`);
    },
  });
}

const network: ShellNetwork = {
  sendConsensus: (_, bytes) => trace.push(`send ${bytes[0]}`),
  broadcastConsensus: (bytes) => trace.push(`broadcast ${bytes[0]}`),
  gossipBatch: () => Promise.reject(new Error('nobody')),
  syncPeers: () => peers,
  blame: (peer, offence) => trace.push(`blame ${peer} ${offence}`),
  request: (peer, bytes) => {
    trace.push(`ask ${peer}`);
    return bytes[0] === 0 ? Promise.reject(new Error('gone')) : Promise.resolve(Uint8Array.of(42));
  },
};

function shellOf(more: Partial<ConstructorParameters<typeof ReplicaShell>[0]> = {}): ReplicaShell {
  return new ReplicaShell({
    replica: { step: (input) => answer(input) },
    chain: traced('chain'),
    guard: traced('guard'),
    log: { adopt: () => undefined },
    network,
    nowMs: () => 1000,
    monotonicMs: () => performance.now(),
    onCommitted: ({ height }) => trace.push(`committed ${height}`),
    onExecute: () => undefined,
    onEvidence: () => undefined,
    onRefused: () => undefined,
    onUnpublished: (error) => trace.push(`unpublished ${String(error)}`),
    onHalt: (code) => trace.push(`halt ${code}`),
    ...more,
  });
}

function store(token: number, guardSync = true): Store {
  const op = { type: 'put', key: KEY, value: KEY } as const;
  return { type: 'store', token, chain: [op], guard: [op], guardSync, append: [] };
}
function send(mark: number): ReplicaEffect {
  return { type: 'send', to: PEER, channel: 'consensus', priority: 1, bytes: Uint8Array.of(mark) };
}

/** Resolves when the replica is given an input that fits. */
function untilInput(fits: (input: ReplicaInput) => boolean): Promise<ReplicaInput> {
  const inner = answer;
  return new Promise((resolve) => {
    answer = (input) => {
      if (fits(input)) resolve(input);
      return inner(input);
    };
  });
}

beforeEach(() => {
  trace = [];
  peers = [];
  answer = () => [];
});

describe('the shell', () => {
  it('syncs chain, then guard, then sends; and goes on in the order of the steps', async () => {
    answer = ({ type }) => (type === 'start' ? [send(1), store(7), send(2)] : type === 'peer' ? [send(3)] : []);
    const stored = untilInput(({ type }) => type === 'stored');
    const shell = shellOf();
    shell.start();
    shell.peer('x', true);
    expect(trace).toEqual(['send 1', 'chain begins 1 synced']);
    expect(await stored).toMatchObject({ type: 'stored', token: 7 });
    await Promise.resolve();
    expect(trace).toEqual([
      'send 1',
      'chain begins 1 synced',
      'chain done',
      'guard begins 1 synced',
      'guard done',
      'send 2',
      'send 3',
    ]);
  });

  it('writes stores that wait together as one batch of each database, and answers each', async () => {
    const tokens: number[] = [];
    answer = (input) => {
      if (input.type === 'stored') tokens.push(input.token);
      return input.type === 'start' ? [store(1, false), store(2, true), store(3, false), send(9)] : [];
    };
    const last = untilInput((input) => input.type === 'stored' && input.token === 3);
    shellOf().start();
    await last;
    await new Promise(setImmediate);
    expect(tokens).toEqual([1, 2, 3]);
    expect(trace).toEqual(['chain begins 3 synced', 'chain done', 'guard begins 3 synced', 'guard done', 'send 9']);
  });

  it('hands blame to the network at once, whatever waits for the disk', async () => {
    answer = ({ type }) =>
      type === 'start' ? [store(1), send(1), { type: 'blame', peer: 'x', offence: 'FORGED' }] : [];
    const stored = untilInput(({ type }) => type === 'stored');
    shellOf().start();
    expect(trace).toEqual(['blame x FORGED', 'chain begins 1 synced']);
    await stored;
  });

  it('tells of a batch that could not be published, and goes on', async () => {
    const told = Promise.withResolvers<unknown>();
    answer = ({ type }) => (type === 'start' ? [{ type: 'gossip', bytes: KEY }, send(1)] : []);
    shellOf({ onUnpublished: told.resolve }).start();
    expect(String(await told.promise)).toBe('Error: nobody');
    expect(trace).toEqual(['send 1']);
  });

  it('stops for good when a write fails: nothing that waited for it leaves', async () => {
    answer = ({ type }) => (type === 'start' ? [store(1), send(1)] : [send(2)]);
    let halted: (() => void) | undefined;
    const stopped = new Promise<void>((resolve) => {
      halted = resolve;
    });
    const full = Object.assign(new MemoryStore(), {
      batch: () => Promise.reject(new StoreError('STORE_IO', 'no space')),
    });
    const shell = shellOf({
      guard: full,
      onUnpublished: () => undefined,
      onHalt: (code, detail) => {
        trace.push(`halt ${code} ${detail.includes('no space')}`);
        halted?.();
      },
    });
    shell.start();
    await stopped;
    shell.frame(PEER, KEY);
    expect(trace).toEqual(['chain begins 1 synced', 'chain done', 'halt STORE_FAILED true']);
    expect(await shell.submit(KEY)).toMatchObject({ ok: false, code: 'HALTED' });
    expect(await shell.batch(PEER, KEY)).toBe('ignore');
  });

  it('halts when the replica says so or throws', () => {
    answer = () => [{ type: 'halt', code: 'STATE_DIVERGED', detail: '' }, send(1)];
    shellOf().start();
    answer = () => {
      throw new Error('bug');
    };
    shellOf().start();
    expect(trace).toEqual(['halt STATE_DIVERGED', 'halt REPLICA_FAILED']);
  });

  it('answers submissions and batches in the step that took them', async () => {
    answer = (input) =>
      input.type === 'submit'
        ? [{ type: 'admission', ref: input.ref, result: ok({ id: digestOf(`${input.bytes[0]}`) }) }]
        : input.type === 'frame'
          ? [{ type: 'batch-verdict', verdict: input.bytes[0] === 1 ? 'accept' : 'reject' }]
          : [];
    const shell = shellOf();
    const [first, second] = await Promise.all([shell.submit(Uint8Array.of(5)), shell.submit(Uint8Array.of(6))]);
    expect([first, second]).toEqual([ok({ id: digestOf('5') }), ok({ id: digestOf('6') })]);
    expect(await shell.batch(PEER, Uint8Array.of(1))).toBe('accept');
    expect(await shell.batch(PEER, Uint8Array.of(2))).toBe('reject');
  });

  it('asks peers in turn, and answers a failed request without bytes', async () => {
    const asked = (requestId: number, bytes: Uint8Array, to = 'any'): ReplicaEffect => {
      return { type: 'request', requestId, to, bytes, timeoutMs: 10, maxBytes: 10 };
    };
    peers = ['a', 'b'];
    const responses: unknown[] = [];
    const effects: ReplicaEffect[] = [asked(1, KEY), asked(2, KEY), asked(3, KEY, 'c'), asked(4, Uint8Array.of(0))];
    answer = (input) => {
      if (input.type === 'response') responses.push([input.requestId, input.from, input.bytes?.[0]]);
      return input.type === 'start' ? effects : [];
    };
    const last = untilInput((input) => input.type === 'response' && input.requestId === 4);
    shellOf().start();
    await last;
    expect(trace).toEqual(['ask a', 'ask b', 'ask c', 'ask a']);
    expect(responses.sort()).toEqual([
      [1, 'a', 42],
      [2, 'b', 42],
      [3, 'c', 42],
      [4, 'a', undefined],
    ]);
  });

  it('keeps one timer for each id, and hands on the wall clock as it steps and a monotonic one that never goes back', async () => {
    const times: number[] = [];
    const monotonic: number[] = [];
    let clock = 5_000;
    answer = (input) => {
      times.push(input.nowMs);
      monotonic.push(input.monotonicMs);
      clock -= 1_000;
      if (input.type !== 'start') return [];
      return [
        { type: 'set-timer', id: 'a', delayMs: 100_000 },
        { type: 'set-timer', id: 'a', delayMs: 0 },
      ];
    };
    const fired = untilInput(({ type }) => type === 'timer');
    const shell = shellOf({ nowMs: () => clock });
    shell.start();
    expect(await fired).toMatchObject({ id: 'a' });
    expect(times).toEqual([5_000, 4_000]);
    const [first = Number.NaN, second = Number.NaN] = monotonic;
    expect(second).toBeGreaterThanOrEqual(first);
    await shell.stop();
  });

  it('tells of committed blocks only after their write', async () => {
    const committed = { type: 'committed', height: asHeight(3) } as unknown as ReplicaEffect;
    answer = ({ type }) => (type === 'start' ? [store(1)] : type === 'stored' ? [committed] : []);
    const stored = untilInput(({ type }) => type === 'stored');
    shellOf().start();
    await stored;
    expect(trace.at(-1)).toBe('committed 3');
    expect(trace.indexOf('guard done')).toBeLessThan(trace.length - 1);
  });
});
