/**
 * The eight traps of libp2p and gossipsub that this adapter was built around (docs/decisions/0001), one test or more each:
 * the effect of the setting that avoids it, or of the adapter's own care.
 */
import { EventEmitter, once } from 'node:events';
import { ed25519KeyPair, hash } from '@cloister/crypto';
import { type AccountId, utf8, type ValidatorId } from '@cloister/encoding';
import type { TopicValidatorResult } from '@libp2p/gossipsub';
import type { Connection, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createHost, type GossipRouter, type Host } from '../src/host/host.ts';
import { Liveness } from '../src/host/liveness.ts';
import { DEFAULT_LIMITS, GOSSIP_INBOUND_BYTES_MAX, GOSSIP_OUTBOUND_BUFFER_BYTES_MAX } from '../src/limits.ts';
import type { PeerBook } from '../src/peers/peer-book.ts';
import { encodePeerRecord, encodePeerRecords, signPeerRecord } from '../src/peers/peer-record.ts';
import { frameBytes } from '../src/streams/framing.ts';
import { BatchGossip } from '../src/streams/gossip.ts';
import type { NetworkCounters } from '../src/types.ts';
import { chainId, memberKey, openToAll, seedOf, startMembers, startNode, stopAll, type TestNode } from './cluster.ts';
import { answerOf, protocolName, startRaw } from './raw-peer.ts';

let nodes: TestNode[] = [];
let hosts: { stop(): Promise<void> | void }[] = [];
afterEach(async () => {
  await stopAll(nodes);
  await Promise.all(hosts.map((host) => host.stop()));
  nodes = [];
  hosts = [];
});

function at(index: number): TestNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`no node ${index}`);
  return node;
}

const TOPIC = '/test/batch';

/** Proves a membership over the `peers` protocol. */
async function showRecord(connection: Connection, name: string, peerId: string): Promise<void> {
  const [member, node] = [memberKey(name), ed25519KeyPair(seedOf(`node ${name}`))];
  const record = signPeerRecord(
    chainId,
    { member: member.id, peerId, addresses: [], sequence: 1 },
    (message) => member.sign(message),
    (message) => node.sign(message),
  );
  const stream = await connection.newStream(protocolName('peers'));
  const answer = answerOf(stream);
  stream.send(frameBytes([encodePeerRecords([encodePeerRecord(record)])]));
  await answer;
}

async function bareHost(name: string, memberCount = 4): Promise<Host> {
  const host = await createHost({
    nodeKeySeed: seedOf(`node ${name}`),
    chainId,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    topic: TOPIC,
    memberCount,
    gater: {},
    ...openToAll(),
  });
  hosts.push(host);
  await host.start();
  return host;
}

function routerOf(host: Host): GossipRouter {
  return host.services.gossip as GossipRouter;
}

/** Resolves once `from` knows that `to` listens to the topic. */
async function subscribed(from: Host, to: Host): Promise<void> {
  const router = routerOf(from);
  while (!router.getSubscribers(TOPIC).some((peer) => peer.equals(to.peerId))) {
    await new Promise((resolve) => router.addEventListener('subscription-change', resolve, { once: true }));
  }
}

describe('trap 1: the default connection monitor aborts healthy links of a busy process, and nothing redials', () => {
  it('the monitor is off', async () => {
    const host = await bareHost('a');
    const { components } = host as unknown as { components: { components: Record<string, unknown> } };
    expect(Object.keys(components.components)).toContain('connectionManager');
    expect(Object.keys(components.components)).not.toContain('connectionMonitor');
  });

  it('a lost connection comes back by the redial loop', async () => {
    nodes = await startMembers(['a', 'b']);
    await at(1).network.stop();
    await at(0).until('peer', () => !at(0).up.has(at(1).id));
    const members = nodes.map((node) => node.id);
    nodes[1] = await startNode('b', members, {}, { seeds: at(0).network.addresses(), limits: { redialMs: 50 } });
    await at(0).until('peer', () => at(0).up.has(at(1).id));
    expect(at(1).network.counters.redials).toBeGreaterThan(0);
  });

  it('one dial tries the seed and the recorded addresses of a peer: either may be out of date', async () => {
    const peer = '12D3KooWGatU6DxXN1NWW4ASVwjSyX5ABnyBxJBPw5uKzYuyFVzP';
    const dials: string[][] = [];
    const host = {
      getConnections: () => [],
      peerId: { toString: () => 'self' },
      dial: async (addresses: readonly unknown[]) => void dials.push(addresses.map(String)),
    };
    const record = { peerId: peer, addresses: ['/ip4/127.0.0.1/tcp/1', 'no address'] };
    const liveness = new Liveness({
      host: host as unknown as Host,
      router: {} as GossipRouter,
      book: { records: () => [record] } as unknown as PeerBook,
      limits: DEFAULT_LIMITS,
      counters: { redials: 0 } as NetworkCounters,
      seeds: [multiaddr(`/ip4/127.0.0.1/tcp/2/p2p/${peer}`)],
      isCutOff: () => false,
      gossipsWith: () => true,
      onTurn: () => undefined,
    });
    liveness.start();
    liveness.stop();
    expect(dials).toEqual([[`/ip4/127.0.0.1/tcp/2/p2p/${peer}`, `/ip4/127.0.0.1/tcp/1/p2p/${peer}`]]);
  });

  describe('silence is judged only while this process is awake', () => {
    let pings: PromiseWithResolvers<void>[];
    let aborted: number;
    let liveness: Liveness;
    const limits = { ...DEFAULT_LIMITS, redialMs: 1_000, silenceMs: 5_000 };
    const counters = { closedSilent: 0, closedDeaf: 0, redials: 0 } as NetworkCounters;
    const peer = '12D3KooWGatU6DxXN1NWW4ASVwjSyX5ABnyBxJBPw5uKzYuyFVzP';

    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
      pings = [];
      aborted = 0;
      counters.closedSilent = 0;
      const abort = (): void => {
        aborted += 1;
      };
      const connection = { remotePeer: { toString: () => peer }, status: 'open', abort };
      const ping = (): Promise<void> => {
        const result = Promise.withResolvers<void>();
        pings.push(result);
        return result.promise;
      };
      const host = {
        getConnections: () => [connection],
        peerId: { toString: () => 'self' },
        services: { ping: { ping } },
      };
      const streams = new Map([[peer, {}]]);
      liveness = new Liveness({
        host: host as unknown as Host,
        router: { streamsInbound: streams, streamsOutbound: streams } as unknown as GossipRouter,
        book: { isKnownPeer: () => true, records: () => [] } as unknown as PeerBook,
        limits,
        counters,
        seeds: [],
        isCutOff: () => false,
        gossipsWith: () => true,
        onTurn: () => undefined,
      });
      liveness.start();
    });
    afterEach(() => {
      liveness.stop();
      vi.restoreAllMocks();
      vi.useRealTimers();
    });

    it('a silent peer is probed, and closed when the probe fails', async () => {
      await vi.advanceTimersByTimeAsync(9_000);
      expect(pings).toHaveLength(1);
      pings[0]?.reject(new Error('no answer'));
      await vi.advanceTimersByTimeAsync(0);
      expect([aborted, counters.closedSilent]).toEqual([1, 1]);
    });

    it('a peer that is heard or answers stays', async () => {
      await vi.advanceTimersByTimeAsync(4_000);
      liveness.heard(peer);
      await vi.advanceTimersByTimeAsync(4_000);
      expect(pings).toHaveLength(0);
      await vi.advanceTimersByTimeAsync(3_000);
      pings[0]?.resolve();
      await vi.advanceTimersByTimeAsync(0);
      expect(aborted).toBe(0);
    });

    it('a process that slept blames nobody, neither for silence nor for a probe that ran meanwhile', async () => {
      await vi.advanceTimersByTimeAsync(9_000);
      const now = performance.now.bind(performance);
      vi.spyOn(performance, 'now').mockImplementation(() => now() + 60_000);
      pings[0]?.reject(new Error('no answer while asleep'));
      await vi.advanceTimersByTimeAsync(0);
      expect(aborted).toBe(0);
      await vi.advanceTimersByTimeAsync(2_000);
      expect([aborted, pings.length]).toEqual([0, 1]);
    });
  });
});

describe('trap 2: one message over the bound of a receiver leaves that pair deaf', () => {
  it('nothing above the bound is published', async () => {
    nodes = await startMembers(['a', 'b']);
    const large = new Uint8Array(DEFAULT_LIMITS.gossipBytesMax + 1);
    await expect(at(0).network.gossipBatch(large)).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    expect(DEFAULT_LIMITS.gossipBytesMax).toBeLessThan(GOSSIP_INBOUND_BYTES_MAX / 8);
  });

  it('a message between the bounds is rejected and the pair goes on hearing', async () => {
    const [sender, receiver] = [await bareHost('a'), await bareHost('b')];
    const events = new EventEmitter();
    const heard: number[] = [];
    const counters = { batchesReceived: 0, batchesRejected: 0 } as NetworkCounters;
    const handlers = {
      onConsensus: () => undefined,
      onBatch: (bytes: Uint8Array): 'accept' => {
        heard.push(bytes.length);
        events.emit('batch');
        return 'accept';
      },
      onRequest: async () => undefined,
      onPeer: () => undefined,
    };
    new BatchGossip(routerOf(receiver), TOPIC, DEFAULT_LIMITS, counters, handlers).start();
    await sender.dial(receiver.getMultiaddrs());
    await subscribed(sender, receiver);
    const next = once(events, 'batch');
    await routerOf(sender).publish(TOPIC, new Uint8Array(1 << 20));
    await routerOf(sender).publish(TOPIC, utf8('small'));
    await next;
    expect([heard, counters.batchesReceived, counters.batchesRejected]).toEqual([[5], 2, 1]);
  });

  it('a connection without gossip streams is closed by the watchdog', async () => {
    const members = ['a', 'mute'].map((name) => memberKey(name).id);
    const a = await startNode('a', members, {}, { limits: { gossipStreamsMs: 100, redialMs: 50 } });
    nodes = [a];
    // A member by all rights, without a gossip service.
    const mute = await startRaw('mute');
    hosts.push(mute.host);
    const connection = await mute.connect(a);
    const closed = new Promise((resolve) => connection.addEventListener('close', resolve));
    await showRecord(connection, 'mute', mute.peerId);
    await closed;
    expect(a.network.counters.closedDeaf).toBe(1);
  });
});

describe('trap 3: above 4 MiB a batched publish throws and a plain one silently reaches nobody', () => {
  it('the adapter answers with a code', async () => {
    nodes = await startMembers(['a', 'b']);
    const huge = new Uint8Array(GOSSIP_INBOUND_BYTES_MAX + 1);
    await expect(at(0).network.gossipBatch(huge)).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    expect(at(0).network.counters.batchesPublished).toBe(0);
  });
});

describe('trap 4: outbound buffers are unbounded by default', () => {
  it('what waits for a peer that stopped reading stays within the bound', async () => {
    const [sender, receiver] = [await bareHost('a'), await bareHost('b')];
    routerOf(receiver).subscribe(TOPIC);
    await sender.dial(receiver.getMultiaddrs());
    await subscribed(sender, receiver);
    const inbound = routerOf(receiver).streamsInbound.get(sender.peerId.toString()) as { rawStream: Stream };
    inbound.rawStream.pause();
    const outbound = routerOf(sender).streamsOutbound.get(receiver.peerId.toString()) as { rawStream: Stream };
    let most = 0;
    for (let i = 0; i < 700; i++) {
      const batch = new Uint8Array(64 * 1024);
      new DataView(batch.buffer).setUint32(0, i);
      await routerOf(sender).publish(TOPIC, batch);
      most = Math.max(most, (outbound.rawStream as unknown as { writeBufferLength: number }).writeBufferLength);
    }
    expect(most).toBeGreaterThan(1 << 20);
    expect(most).toBeLessThanOrEqual(GOSSIP_OUTBOUND_BUFFER_BYTES_MAX + 128 * 1024);
    expect(outbound.rawStream.status).not.toBe('open');
  });
});

describe('trap 5: the seen-cache fills before validation', () => {
  it('a batch that was ignored cannot be gossiped again, in a fresh envelope it can; votes may repeat', async () => {
    nodes = await startMembers(['a', 'b'], { verdict: (text) => (text.startsWith('probe') ? 'accept' : 'ignore') });
    for (let round = 0; at(1).batches.length === 0; round++) {
      await at(0).network.gossipBatch(utf8(`probe ${round}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await at(0).network.gossipBatch(utf8('same'));
    await at(0).network.gossipBatch(utf8('same'));
    await at(0).network.gossipBatch(utf8('same, in a fresh envelope'));
    await at(1).until('batch', () => at(1).batches.includes('same, in a fresh envelope'));
    expect(at(1).batches.filter((batch) => batch === 'same')).toHaveLength(1);
    at(0).network.sendConsensus(at(1).id as ValidatorId, utf8('again'), 1);
    at(0).network.sendConsensus(at(1).id as ValidatorId, utf8('again'), 1);
    await at(1).until('vote', () => at(1).votes.length === 2);
  });
});

describe("trap 6: a gater's refusal lets the dial resolve, and simultaneous dials make two connections", () => {
  it('connect() succeeds only once the other side answered', async () => {
    nodes = [await startNode('a', [], {}, { limits: { strangersMax: 0 } }), await startNode('s', [])];
    const refused = at(1).network.connect(String(at(0).network.addresses()[0]));
    await expect(refused).rejects.toMatchObject({ code: expect.stringMatching(/^(DIAL_FAILED|WRONG_CHAIN)$/) });
  });

  it('many dials at once end in one peer, told once, within the bound of connections', async () => {
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    nodes = [await startNode('a', members), await startNode('b', members)];
    let told = 0;
    at(0).events.on('peer', () => (told += at(0).up.has(at(1).id) ? 1 : 0));
    const [toA, toB] = [String(at(0).network.addresses()[0]), String(at(1).network.addresses()[0])];
    const dials = Array.from({ length: 6 }, () => [at(0).network.connect(toB), at(1).network.connect(toA)]).flat();
    await Promise.allSettled(dials);
    expect(at(0).network.peers()).toHaveLength(1);
    expect([told, at(0).up.size]).toEqual([1, 1]);
    at(0).network.broadcastConsensus(utf8('once'), 1);
    at(0).network.broadcastConsensus(utf8('last'), 1);
    await at(1).until('vote', () => at(1).votes.some((vote) => vote.text === 'last'));
    expect(at(1).votes.map((vote) => vote.text)).toEqual(['once', 'last']);
  });
});

describe('trap 7: after a partition queued votes arrive up to 28 s old', () => {
  it('nothing waits for a peer that is gone: its link goes with its connection', async () => {
    nodes = await startMembers(['a', 'b']);
    const members: AccountId[] = nodes.map((node) => node.id);
    await at(1).network.stop();
    at(0).network.sendConsensus(at(1).id as ValidatorId, utf8('of the partition'), 0);
    await at(0).until('peer', () => !at(0).up.has(at(1).id));
    at(0).network.sendConsensus(at(1).id as ValidatorId, utf8('of the partition, too'), 0);
    nodes[1] = await startNode('b', members, {}, { seeds: at(0).network.addresses(), limits: { redialMs: 50 } });
    await at(0).until('peer', () => at(0).up.has(at(1).id));
    at(0).network.sendConsensus(at(1).id as ValidatorId, utf8('fresh'), 0);
    await at(1).until('vote', () => at(1).votes.length > 0);
    expect(at(1).votes.map((vote) => vote.text)).toEqual(['fresh']);
    // What waits behind a connection that stands but does not move is dropped by age: see consensus-link.test.ts.
  });
});

describe('trap 8: a validation result that comes after some five heartbeats forwards nothing', () => {
  it('a batch judged in time reaches who is not connected to its author, a late verdict finds it gone', async () => {
    const [author, middle, far] = [await bareHost('a'), await bareHost('b'), await bareHost('c')];
    const router = routerOf(middle) as GossipRouter & {
      heartbeat(): Promise<void>;
      mcache: { msgs: ReadonlyMap<string, unknown> };
    };
    const waiting: { id: string; from: string; text: string }[] = [];
    const events = new EventEmitter();
    router.addEventListener('gossipsub:message', ({ detail: { msg, msgId, propagationSource } }) => {
      waiting.push({ id: msgId, from: propagationSource.toString(), text: new TextDecoder().decode(msg.data) });
      events.emit('message');
    });
    const arrived: string[] = [];
    routerOf(far).addEventListener('gossipsub:message', ({ detail: { msg } }) => {
      arrived.push(new TextDecoder().decode(msg.data));
      events.emit('arrived');
    });
    for (const host of [middle, far]) routerOf(host).subscribe(TOPIC);
    await middle.dial(author.getMultiaddrs());
    await middle.dial(far.getMultiaddrs());
    await Promise.all([subscribed(author, middle), subscribed(middle, far)]);

    const heard = once(events, 'message');
    await routerOf(author).publish(TOPIC, utf8('late'));
    await heard;
    for (let beat = 0; beat < 6; beat++) await router.heartbeat();
    const [late] = waiting;
    expect(router.mcache.msgs.has(late?.id ?? '')).toBe(false);
    router.reportMessageValidationResult(late?.id ?? '', late?.from ?? '', 'accept' as TopicValidatorResult);

    const heardNext = once(events, 'message');
    const reached = once(events, 'arrived');
    await routerOf(author).publish(TOPIC, utf8('in time'));
    await heardNext;
    const next = waiting[1];
    router.reportMessageValidationResult(next?.id ?? '', next?.from ?? '', 'accept' as TopicValidatorResult);
    await router.heartbeat();
    await reached;
    expect(arrived).toEqual(['in time']);
  });
});

describe('the mesh', () => {
  it('is chosen once at the start, by the number of members: flood to twenty, degree six beyond', async () => {
    const degree = (host: Host): unknown => (routerOf(host) as unknown as { opts: { D: number } }).opts.D;
    expect([degree(await bareHost('a', 20)), degree(await bareHost('b', 21))]).toEqual([0, 6]);
  });

  it('leaves strangers out: they are sent no batches', async () => {
    nodes = await startMembers(['a', 'b']);
    const stranger = await startNode(
      's',
      nodes.map((node) => node.id),
    );
    nodes.push(stranger);
    await stranger.network.connect(String(at(0).network.addresses()[0]));
    for (let round = 0; at(1).batches.length === 0; round++) {
      await at(0).network.gossipBatch(utf8(`${hash('test/batch', utf8(String(round)))}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // A request over the same connection comes after anything that gossip had sent before it.
    await expect(at(0).network.request(stranger.network.peerId, 'sync', utf8('?'))).rejects.toMatchObject({
      code: 'REQUEST_REFUSED',
    });
    expect(stranger.batches).toEqual([]);
  });
});
