/** A raw libp2p peer misbehaves in every protocol: it loses its streams, and nobody else notices. */

import { ed25519KeyPair, hash, SeededRandom } from '@cloister/crypto';
import { type AccountId, type Digest, utf8, type ValidatorId } from '@cloister/encoding';
import type { Connection } from '@libp2p/interface';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHost } from '../src/host/host.ts';
import { encodePeerRecord, encodePeerRecords, signPeerRecord } from '../src/peers/peer-record.ts';
import { frameBytes } from '../src/streams/framing.ts';
import type { Requester, RequestProtocol } from '../src/types.ts';
import { chainId, memberKey, openToAll, seedOf, startMembers, startNode, stopAll, type TestNode } from './cluster.ts';
import { answerOf, ended, PROTOCOLS, protocolName, type RawPeer, startRaw } from './raw-peer.ts';

let nodes: TestNode[] = [];
let raw: RawPeer | undefined;
const escaped: unknown[] = [];
const onEscape = (error: unknown): void => void escaped.push(error);

beforeAll(() => {
  process.on('uncaughtException', onEscape);
  process.on('unhandledRejection', onEscape);
});
afterAll(() => {
  process.off('uncaughtException', onEscape);
  process.off('unhandledRejection', onEscape);
});
beforeEach(async () => {
  const answer = async (protocol: string, _: unknown, bytes: Uint8Array): Promise<Uint8Array> =>
    utf8(`${protocol} ${bytes.length}`);
  // The stranger's budget has tests of its own: here it gets on with its mischief.
  nodes = await startMembers(['a', 'b'], { answer }, { strangerWorkMsPerSecond: 1_000 });
});
afterEach(async () => {
  await stopAll(nodes);
  await raw?.host.stop();
  raw = undefined;
  expect(escaped).toEqual([]);
});

function at(index: number): TestNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`no node ${index}`);
  return node;
}

async function stranger(): Promise<Connection> {
  raw = await startRaw('stranger');
  return raw.connect(at(0));
}

/** The record of `name`'s node, signed by the member's and the node's key, or by others where the test says so. */
const ANOTHER_CHAIN = hash('test/chain', utf8('another'));

function record(
  name: string,
  at: { node?: string; sequence?: number; cosigner?: string; peerId: string; chain?: Digest },
): Uint8Array {
  const member = memberKey(name);
  const node = ed25519KeyPair(seedOf(`node ${at.cosigner ?? at.node ?? name}`));
  const fields = { member: member.id, peerId: at.peerId, addresses: [], sequence: at.sequence ?? Date.now() + 60_000 };
  return encodePeerRecord(
    signPeerRecord(
      at.chain ?? chainId,
      fields,
      (message) => member.sign(message),
      (message) => node.sign(message),
    ),
  );
}

/** The honest pair still votes, asks and gossips, over the connections that it had. */
async function expectUnharmed(): Promise<void> {
  const before = at(1).votes.length;
  at(0).network.sendConsensus(at(1).id as ValidatorId, utf8('still here'), 1);
  await at(1).until('vote', () => at(1).votes.length > before);
  const answer = await at(1).network.request(at(0).id, 'sync', utf8('and you?'));
  expect(new TextDecoder().decode(answer)).toBe('sync 8');
  expect(at(0).up.has(at(1).id) && at(1).up.has(at(0).id)).toBe(true);
  expect([at(0), at(1)].map((node) => node.network.counters.closedSilent + node.network.counters.closedDeaf)).toEqual([
    0, 0,
  ]);
}

describe('garbage on every protocol', () => {
  it('random bytes cost the stream or are refused', async () => {
    const connection = await stranger();
    const random = new SeededRandom(utf8('garbage'));
    for (const protocol of PROTOCOLS) {
      for (let round = 0; round < 6; round++) {
        const stream = await connection.newStream(protocolName(protocol));
        const answer = answerOf(stream);
        // Small frames of noise, so that the content is judged and not only the length.
        stream.send(frameBytes([random.bytes(round * 50)]));
        if (protocol === 'sync' || protocol === 'attest') expect((await answer)?.[0]).toBe(0);
        else if (protocol === 'consensus') expect(round === 0 || (await answer) === undefined).toBe(true);
        else expect([1, undefined]).toContain((await answer)?.[0]);
        stream.abort(new Error('done'));
      }
    }
    expect(at(0).votes).toEqual([]);
    await expectUnharmed();
  });

  it('a frame above the bound ends the stream at its announcement', async () => {
    const connection = await stranger();
    for (const protocol of PROTOCOLS) {
      const stream = await connection.newStream(protocolName(protocol));
      stream.send(Uint8Array.of(255, 255, 255, 255));
      await ended(stream);
    }
    expect(at(0).network.counters.framesRefused).toBe(1);
    expect(at(0).network.counters.requestsRefused).toBe(PROTOCOLS.length - 1);
    await expectUnharmed();
  });

  it('a flood of bytes behind a lawful frame is read and let go', async () => {
    const connection = await stranger();
    const stream = await connection.newStream(protocolName('sync'));
    const answer = answerOf(stream);
    stream.send(frameBytes([utf8('lawful')]));
    const flood = new Uint8Array(64 * 1024).fill(7);
    for (let sent = 0; sent < 64 && stream.status === 'open'; sent++) {
      if (!stream.send(flood)) await stream.onDrain().catch(() => undefined);
    }
    expect(new TextDecoder().decode((await answer)?.subarray(1))).toBe('sync 6');
    await expectUnharmed();
  });
});

describe('streams that never end', () => {
  it('half-open and endlessly slow ones are cut at the deadline', async () => {
    await stopAll(nodes);
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    const answer = async (): Promise<Uint8Array> => utf8('sync 8');
    const limits = { requestTimeoutMs: 300, redialMs: 100 };
    nodes = [await startNode('a', members, { answer }, { limits })];
    nodes.push(await startNode('b', members, { answer }, { limits, seeds: at(0).network.addresses() }));
    await Promise.all([at(0).until('peer', () => at(0).up.size === 1), at(1).until('peer', () => at(1).up.size === 1)]);
    const connection = await stranger();
    const cut = async (protocol: RequestProtocol): Promise<void> => {
      const half = await connection.newStream(protocolName(protocol));
      const slow = await connection.newStream(protocolName(protocol));
      slow.send(Uint8Array.of(0, 0, 1, 0));
      const drip = setInterval(() => slow.status === 'open' && slow.send(Uint8Array.of(1)), 5);
      await Promise.all([ended(half), ended(slow)]);
      clearInterval(drip);
    };
    // At most so many at a time as are admitted of a stranger: what is beyond is refused at once.
    await Promise.all((['sync', 'blob', 'hold'] as const).map(cut));
    await Promise.all((['attest', 'peers'] as const).map(cut));
    // On a busy machine an exchange of the honest pair may come too late as well.
    expect(at(0).network.counters.requestsRefused).toBeGreaterThanOrEqual(10);
    await expectUnharmed();
  });

  it('hundreds of streams are refused beyond a few, and held memory is bounded', async () => {
    const connection = await stranger();
    let [opened, failed] = [0, 0];
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 25; round++) {
      const batch = PROTOCOLS.flatMap((protocol) =>
        Array.from({ length: 4 }, () =>
          connection.newStream(protocolName(protocol), { signal: AbortSignal.timeout(2_000) }).then(
            (stream) => {
              opened += 1;
              // Announces a lawful frame and sends half of it.
              if (stream.status === 'open') stream.send(Uint8Array.of(0, 0, 128, 0, ...new Uint8Array(16 * 1024)));
            },
            () => {
              failed += 1;
            },
          ),
        ),
      );
      await Promise.all(batch);
    }
    expect(opened + failed).toBe(25 * 4 * PROTOCOLS.length);
    const inbound = connection.streams.filter((stream) => stream.status === 'open').length;
    expect(inbound).toBeLessThan(300);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
    await expectUnharmed();
  });

  it('a reader that never reads holds only its own answers back', async () => {
    await stopAll(nodes);
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    const asked = Promise.withResolvers<void>();
    let requests = 0;
    const answer = async (_: string, requester: { isMember: boolean }): Promise<Uint8Array> => {
      if (requester.isMember) return utf8('sync 8');
      requests += 1;
      if (requests === 2) asked.resolve();
      return new Uint8Array(4 << 20);
    };
    const limits = { requestTimeoutMs: 5_000, redialMs: 100, strangerAnswersBytesMax: 9 << 20 };
    nodes = [await startNode('a', members, { answer }, { limits })];
    nodes.push(await startNode('b', members, { answer }, { limits, seeds: at(0).network.addresses() }));
    await Promise.all([at(0).until('peer', () => at(0).up.size === 1), at(1).until('peer', () => at(1).up.size === 1)]);
    const connection = await stranger();
    for (let i = 0; i < 2; i++) {
      const stream = await connection.newStream(protocolName('sync'));
      stream.pause();
      stream.send(frameBytes([utf8('?')]));
    }
    await asked.promise;
    const third = await connection.newStream(protocolName('sync'));
    const refused = answerOf(third);
    third.send(frameBytes([utf8('?')]));
    expect([...((await refused) ?? [])]).toEqual([1]);
    await expectUnharmed();
  });
});

describe('names that cost nothing', () => {
  it('share one allowance: strangers behind one address are one group, and no member is in it', async () => {
    await stopAll(nodes);
    const groups = new Map<string, string>();
    const answer = async (_: string, { peerId, group }: Requester): Promise<Uint8Array> => {
      groups.set(peerId, group);
      return utf8('sync 8');
    };
    nodes = await startMembers(['a', 'b'], { answer }, { strangerWorkMsPerSecond: 1_000 });
    const names = await Promise.all(['s1', 's2'].map((name) => startRaw(name)));
    for (const name of names) {
      const stream = await (await name.connect(at(0))).newStream(protocolName('attest'));
      const answered = answerOf(stream);
      stream.send(frameBytes([utf8('?')]));
      expect((await answered)?.[0]).toBe(0);
    }
    expect(new Set(names.map(({ peerId }) => groups.get(peerId))).size).toBe(1);
    await Promise.all(names.map(({ host }) => host.stop()));
    await expectUnharmed();
  });
});

describe('a validator that floods its vote stream', () => {
  it('is heard at its rate, and the rest is dropped', async () => {
    await stopAll(nodes);
    nodes = await startMembers(['a', 'b'], { answer: async () => utf8('sync 8') }, { consensusFramesPerSecond: 10 });
    const { counters } = at(0).network;
    for (let i = 0; i < 2_000; i++) at(1).network.sendConsensus(at(0).id as ValidatorId, utf8(`vote ${i}`), 1);
    while (counters.consensusFramesReceived + counters.framesRefused < 2_000)
      await new Promise((resolve) => setImmediate(resolve));
    expect(counters.consensusFramesReceived).toBeLessThan(1_000);
    expect(counters.consensusFramesReceived).toBeGreaterThanOrEqual(30);
  });
});

describe('peer records that lie', () => {
  async function present(connection: Connection, bytes: Uint8Array): Promise<void> {
    const asked = await connection.newStream(protocolName('peers'));
    const answer = answerOf(asked);
    asked.send(frameBytes([encodePeerRecords([bytes])]));
    expect((await answer)?.[0]).toBe(0);
    const voted = await connection.newStream(protocolName('consensus'));
    voted.send(frameBytes([bytes, utf8('a vote')]));
    await ended(voted);
  }

  it.each<[string, () => Uint8Array]>([
    ["a member's own record, presented by another peer", () => record('b', { peerId: at(1).network.peerId })],
    [
      "one that names this peer and lacks the member's signature",
      () => {
        const forged = record('stranger', { peerId: raw?.peerId ?? '' });
        forged.set(Buffer.from(memberKey('b').id, 'hex'));
        return forged;
      },
    ],
    ['one by a stranger that names the node of a member', () => record('stranger', { peerId: at(1).network.peerId })],
    [
      'one of a member that names the node of another',
      () => record('a', { peerId: at(1).network.peerId, cosigner: 'a' }),
    ],
    ['an old one of this peer', () => record('b', { peerId: raw?.peerId ?? '', node: 'stranger', sequence: 1 })],
    ['one of another chain', () => record('b', { peerId: raw?.peerId ?? '', node: 'stranger', chain: ANOTHER_CHAIN })],
  ])('never bind: %s', async (_, make) => {
    const connection = await stranger();
    await present(connection, make());
    expect(at(0).votes).toEqual([]);
    const peers = at(0).network.peers();
    expect(peers.find((peer) => peer.peerId === raw?.peerId)?.isMember).toBe(false);
    expect(peers.find((peer) => peer.peerId === at(1).network.peerId)?.member).toBe(at(1).id as AccountId);
    await expectUnharmed();
  });
});

describe('a connection that ends while a stream opens', () => {
  it('ends nothing else: no write throws where nobody can catch it', async () => {
    const [host, peer] = await Promise.all(
      ['x', 'y'].map((name) =>
        createHost({
          nodeKeySeed: seedOf(`node ${name}`),
          chainId,
          listen: ['/ip4/127.0.0.1/tcp/0'],
          topic: '/t',
          memberCount: 2,
          gater: {},
          ...openToAll(),
        }),
      ),
    );
    if (host === undefined || peer === undefined) throw new Error('no hosts');
    await Promise.all([host.start(), peer.start()]);
    const connection = await host.dial(peer.getMultiaddrs());
    // The encrypted layer takes no more, as after a reset of the socket below, and the layers around it do not know yet.
    const { muxer } = connection as unknown as { muxer: { maConn: { writeStatus: string } } };
    muxer.maConn.writeStatus = 'closed';
    await expect(connection.newStream('/ipfs/ping/1.0.0', { signal: AbortSignal.timeout(200) })).rejects.toThrow();
    connection.abort(new Error('the end'));
    await Promise.all([host.stop(), peer.stop()]);
  });
});

describe('handlers that throw', () => {
  it('cost the peer its stream, not the node its life', async () => {
    await stopAll(nodes);
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    nodes = await Promise.all(['a', 'b'].map((name) => startNode(name, members)));
    const thrower = await startNode(
      'c',
      [...members, memberKey('c').id],
      {},
      {
        seeds: at(0).network.addresses(),
        limits: { redialMs: 50 },
        handlers: {
          onConsensus: () => {
            throw new Error('a bug in the vote handler');
          },
          onBatch: () => {
            throw new Error('a bug in the batch handler');
          },
          onRequest: () => {
            throw new Error('a bug in the request handler');
          },
          onPeer: () => undefined,
        },
      },
    );
    nodes.push(thrower);
    for (const node of nodes) node.network.setMembers([...members, memberKey('c').id]);
    await at(0).until('peer', () => at(0).up.has(thrower.id));
    at(0).network.sendConsensus(thrower.id as ValidatorId, utf8('boom'), 0);
    while (thrower.network.counters.framesRefused === 0) await new Promise((resolve) => setImmediate(resolve));
    await expect(at(0).network.request(thrower.id, 'sync', utf8('?'))).rejects.toMatchObject({
      code: 'REQUEST_FAILED',
    });
    expect(at(0).up.has(thrower.id)).toBe(true);
  });
});
