/** One member key in two processes: each learns of the other, whatever connects them, and both are heard. */

import { ed25519KeyPair } from '@cloister/crypto';
import { type AccountId, utf8 } from '@cloister/encoding';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { NetworkHandlers, NetworkOptions, PeerRecord } from '../src/index.ts';
import { PeerBook } from '../src/peers/peer-book.ts';
import { PeerExchange } from '../src/peers/peer-exchange.ts';
import {
  decodePeerRecord,
  decodePeerRecords,
  encodePeerRecord,
  encodePeerRecords,
  signPeerRecord,
} from '../src/peers/peer-record.ts';
import { Twins } from '../src/peers/twins.ts';
import { chainId, memberKey, seedOf, startNode, stopAll, type TestNode } from './cluster.ts';

const members: AccountId[] = ['a', 'b'].map((name) => memberKey(name).id);
const B = memberKey('b');
const noHandlers: NetworkHandlers = {
  onConsensus: () => undefined,
  onBatch: () => 'ignore',
  onRequest: async () => undefined,
  onPeer: () => undefined,
};
let nodes: TestNode[] = [];

afterEach(async () => {
  vi.useRealTimers();
  await stopAll(nodes);
  nodes = [];
});

async function start(name: string, extra: Partial<NetworkOptions> = {}): Promise<TestNode> {
  const node = await startNode(name, members, {}, extra);
  nodes.push(node);
  return node;
}

function memberB(signs: boolean): NonNullable<NetworkOptions['member']> {
  return { id: B.id, sign: (message) => B.sign(message), signs: () => signs };
}

/** A record of `member`'s, at the node of this name; `signer` signs in the member's place. */
async function recordOf(
  member: string,
  node: string,
  life: Partial<PeerRecord>,
  signer: string = member,
): Promise<Uint8Array> {
  const seed = seedOf(`node ${node}`);
  const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)).toString();
  const fields = { member: memberKey(member).id, peerId, addresses: [], sequence: 1, ...life };
  const sign = (message: Uint8Array): Uint8Array => memberKey(signer).sign(message);
  return encodePeerRecord(signPeerRecord(chainId, fields, sign, (message) => ed25519KeyPair(seed).sign(message)));
}

describe('two processes with one key', () => {
  // The second has a libp2p key of its own, or shares that too and is told apart by its connections alone.
  it.each([
    ['another node key', { nodeKeySeed: seedOf('a twin of b') }],
    ['the same node key', {}],
  ])('and %s both learn of the other, and the second that the first signs', async (_, key) => {
    const a = await start('a');
    const [at = ''] = a.network.addresses();
    const real = await start('b', { member: memberB(true) });
    await real.network.connect(at);
    const twin = await start('b', { member: memberB(false), ...key });
    await twin.network.connect(at);
    await Promise.all([real, twin].map((node) => node.until('twin', () => node.twins.length > 0)));
    // The first one answers what it sees with a record that names the second's run.
    expect(twin.twins[0]).toMatchObject({ isFresh: true, signs: true, peerId: real.network.peerId });
    expect(real.twins[0]).toMatchObject({ signs: false, peerId: twin.network.peerId });
    await real.until('twin', () => real.twins.some(({ isFresh }) => isFresh));
    const sides = [real, twin].map((node) => node.twins.find(({ isFresh }) => isFresh)?.yields);
    expect(new Set(sides)).toEqual(new Set([true, false]));
    expect(a.twins).toEqual([]);
    expect(real.network.counters.twinRecords).toBe(real.twins.length);
  });

  it('leave the real one reachable: it outbids the newest record of one that is gone, and is heard', async () => {
    const later = await recordOf('b', 'twin', { sequence: Date.now() + 3_600_000, run: new Uint8Array(16).fill(7) });
    const a = await start('a', { records: { load: async () => [later], save: async () => undefined } });
    const real = await start('b');
    await real.network.connect(String(a.network.addresses()[0]));
    real.network.broadcastConsensus(utf8('here again'), 1);
    await a.until('vote', () => a.votes.some(({ text }) => text === 'here again'));
    // Nothing proves that the other still lives.
    expect(real.twins).toMatchObject([{ isFresh: false }]);
  });
});

describe('nobody else', () => {
  it('makes a node believe in a twin: neither by its old records nor by signatures of another key', async () => {
    const a = await start('a');
    const real = await start('b');
    await real.network.connect(String(a.network.addresses()[0]));
    await a.until('peer', () => a.up.has(B.id));
    const list = decodePeerRecords(await a.network.request(B.id, 'peers', encodePeerRecords([])));
    const records = list.ok ? list.value.map((bytes) => decodePeerRecord(chainId, bytes)) : [];
    const now = records.find((record) => record.ok && record.value.member === B.id);
    if (now?.ok !== true) throw new Error('b shows no record of its own');
    const { run, sequence } = now.value;
    const fresh = { sequence: sequence + 1, outbids: run, run: new Uint8Array(16).fill(7), signs: true };
    const shown = [
      await recordOf('b', 'twin', { ...fresh, sequence: sequence - 1 }),
      await recordOf('b', 'twin', fresh, 'a'),
      encodePeerRecord({ ...now.value, ...fresh }),
    ];
    await a.network.request(B.id, 'peers', encodePeerRecords(shown));
    expect([real.twins, real.network.counters.twinRecords]).toEqual([[], 0]);
    // The same by the own key counts.
    await a.network.request(B.id, 'peers', encodePeerRecords([await recordOf('b', 'twin', fresh)]));
    expect(real.twins).toMatchObject([{ isFresh: true, signs: true }]);
  });
});

describe('a member that signs new records without end', () => {
  /** What twins do about fifty records, each newer than the one before. */
  async function fifty(member: string): Promise<{ shown: number; renewed: () => number; told: number; stop(): void }> {
    const counts = { shown: 0, renewed: 0, told: 0 };
    const book = new PeerBook(chainId, members, undefined, [], B.id);
    const [first, ...others] = await Promise.all(
      Array.from({ length: 51 }, (_, i) =>
        recordOf(member, i % 2 === 0 ? 'one' : 'two', { sequence: i + 1, run: new Uint8Array(16).fill(i + 1) }),
      ),
    );
    const exchange = new PeerExchange(
      { chainId, nodeKeySeed: seedOf('node b'), member: memberB(true), listen: [], members, handlers: noHandlers },
      book,
      ed25519KeyPair(seedOf('node b')),
      '',
    );
    exchange.sign([]);
    // The own record is newer than all that follow; those under test are to be newer than each other.
    const peer = book.learn(first ?? new Uint8Array())?.peerId ?? '';
    const twins = new Twins({
      self: B.id,
      book,
      exchange,
      connectionsOf: () => [{ remotePeer: { toString: () => `${peer} of old` } }],
      show: () => {
        counts.shown += 1;
      },
      renew: () => {
        counts.renewed += 1;
      },
      onTwin: () => {
        counts.told += 1;
      },
    });
    for (const bytes of others) {
      const decoded = decodePeerRecord(chainId, bytes);
      if (!decoded.ok) throw new Error(decoded.code);
      twins.onNewer(decoded.value);
    }
    return { shown: counts.shown, renewed: () => counts.renewed, told: counts.told, stop: () => twins.stop() };
  }

  it('has a few of them shown to it', async () => {
    const { shown } = await fifty('a');
    expect(shown).toBe(3);
  });

  it('as a twin is answered once, and then every few seconds', async () => {
    vi.useFakeTimers();
    const { told, renewed, stop } = await fifty('b');
    expect([told, renewed()]).toEqual([50, 1]);
    vi.advanceTimersByTime(4_999);
    expect(renewed()).toBe(1);
    vi.advanceTimersByTime(1);
    expect(renewed()).toBe(2);
    vi.advanceTimersByTime(60_000);
    expect(renewed()).toBe(2);
    stop();
  });
});
