/**
 * What strangers cost a node that runs in a process of its own: whatever they do, a small share of a core. Without the rules
 * each of these attacks takes most of one.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { utf8, type ValidatorId } from '@cloister/crypto';
import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { frameBytes } from '../src/framing.ts';
import { memberKey, startNode, type TestNode } from './cluster.ts';
import { answerOf, protocolName, type RawPeer, startRaw } from './raw-peer.ts';

type Sample = { cpuMs: number; atMs: number; counters: Record<string, number> };

/** Measured: 0.03 to 0.08. A busy machine inflates processor time, an attack without a rule takes the core. */
const SHARE_MAX = 0.25;
const ATTACK_MS = 1_500;

let child: ChildProcess;
let address = '';
let validator: TestNode;

async function said(): Promise<unknown> {
  const [message] = await once(child, 'message');
  return message;
}

async function sample(): Promise<Sample> {
  const answer = said();
  child.send('sample');
  return (await answer) as Sample;
}

beforeAll(async () => {
  child = fork(new URL('./victim.ts', import.meta.url).pathname, { execArgv: [] });
  const [first] = (await said()) as string[];
  address = String(first);
  const members = ['victim', 'validator'].map((name) => memberKey(name).id);
  validator = await startNode('validator', members, {}, { seeds: [address], limits: { redialMs: 100 } });
  await validator.until('peer', () => validator.up.has(memberKey('victim').id));
});
afterAll(async () => {
  await validator.network.stop();
  child.send('stop');
});

/** Runs attackers until the time is up; the share of a core that the victim used meanwhile, and what it counted. */
async function costOf(
  attackers: number,
  attack: (name: string, isOn: () => boolean) => Promise<void>,
): Promise<{ share: number; counted: (name: string) => number }> {
  let on = true;
  const running = Array.from({ length: attackers }, (_, i) => attack(`${attack.name} ${i}`, () => on));
  await sleep(ATTACK_MS / 3);
  const before = await sample();
  await sleep(ATTACK_MS);
  const after = await sample();
  on = false;
  await Promise.all(running);
  const share = (after.cpuMs - before.cpuMs) / (after.atMs - before.atMs);
  return { share, counted: (name) => (after.counters[name] ?? 0) - (before.counters[name] ?? 0) };
}

async function connected(raw: RawPeer): Promise<Connection> {
  const [open] = raw.host.getConnections();
  return open ?? raw.host.dial(multiaddr(address), { signal: AbortSignal.timeout(2_000) });
}

/** Repeats what a raw peer does, with pauses when it fails. */
function withPeer(work: (raw: RawPeer) => Promise<void>): (name: string, isOn: () => boolean) => Promise<void> {
  return async (name, isOn) => {
    const raw = await startRaw(name);
    while (isOn()) await work(raw).catch(() => sleep(20));
    await raw.host.stop();
  };
}

async function ask(raw: RawPeer): Promise<void> {
  const stream = await (await connected(raw)).newStream(protocolName('sync'), { signal: AbortSignal.timeout(1_000) });
  const answer = answerOf(stream);
  stream.send(frameBytes([utf8('a range, please')]));
  await Promise.race([answer, sleep(1_000)]);
  stream.abort(new Error('next'));
}

describe('what strangers cost', () => {
  it('requests of many: a share, and a validator is served meanwhile', async () => {
    const victim = memberKey('victim').id as ValidatorId;
    const cost = costOf(8, withPeer(ask));
    await expect(validator.network.request(victim, 'sync', utf8('and mine?'))).resolves.toHaveLength(512 * 1024);
    const { share, counted } = await cost;
    expect(share).toBeLessThan(SHARE_MAX);
    expect(counted('strangerWorkMs')).toBeGreaterThan(0);
  });

  it('streams opened and dropped, and bytes without end', async () => {
    const open = withPeer(async (raw) => {
      const stream = await (await connected(raw)).newStream('/ipfs/ping/1.0.0', { signal: AbortSignal.timeout(1_000) });
      stream.abort(new Error('next'));
    });
    expect((await costOf(4, open)).share).toBeLessThan(SHARE_MAX);
    const pour = withPeer(async (raw) => {
      const stream = await (await connected(raw)).newStream('/ipfs/ping/1.0.0', { signal: AbortSignal.timeout(1_000) });
      if (!stream.send(new Uint8Array(256 * 1024))) await stream.onDrain({ signal: AbortSignal.timeout(500) });
    });
    expect((await costOf(4, pour)).share).toBeLessThan(SHARE_MAX);
  });

  it('connections without end, with a handshake begun and without', async () => {
    const hello = Buffer.from('\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n');
    const port = Number(/tcp\/(\d+)/.exec(address)?.[1]);
    const knock = (_: string, isOn: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const again = (): void => {
          if (!isOn()) {
            resolve();
            return;
          }
          const socket = connect(port, '127.0.0.1', () => socket.write(hello));
          socket.setTimeout(50, () => socket.destroy());
          socket.on('error', () => undefined);
          socket.on('close', again);
        };
        again();
      });
    expect((await costOf(16, knock)).share).toBeLessThan(SHARE_MAX);
  });
});
