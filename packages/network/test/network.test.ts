import { setTimeout as sleep } from 'node:timers/promises';
import { utf8, type ValidatorId } from '@cloister/encoding';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { afterEach, describe, expect, it } from 'vitest';
import { NetworkError } from '../src/index.ts';
import { memberKey, seedOf, startMembers, startNode, stopAll, type TestNode } from './cluster.ts';

let nodes: TestNode[] = [];
afterEach(async () => {
  await stopAll(nodes);
  nodes = [];
});

function at(index: number): TestNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`no node ${index}`);
  return node;
}

async function code(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof NetworkError) return error.code;
    throw error;
  }
  return 'none';
}

describe('members', () => {
  it('find each other from one address, and votes reach everyone in order of importance', async () => {
    nodes = await startMembers(['a', 'b', 'c', 'd']);
    at(0).network.broadcastConsensus(utf8('rest'), 3);
    at(0).network.broadcastConsensus(utf8('certificate'), 0);
    for (const node of nodes.slice(1)) {
      await node.until('vote', () => node.votes.length === 2);
      expect(node.votes).toEqual([
        { from: at(0).id, text: 'certificate' },
        { from: at(0).id, text: 'rest' },
      ]);
    }
    at(3).network.sendConsensus(at(1).id as ValidatorId, utf8('for b alone'), 1);
    await at(1).until('vote', () => at(1).votes.length === 3);
    expect(at(2).votes).toHaveLength(2);
  });

  it('gossip a batch to everyone once, whatever the verdict of some', async () => {
    nodes = await startMembers(['a', 'b', 'c'], { verdict: (batch) => (batch === 'bad' ? 'reject' : 'accept') });
    // Subscriptions travel just after the connection: publish until the first arrives, each in a fresh envelope.
    for (let round = 0; at(1).batches.length === 0 || at(2).batches.length === 0; round++) {
      await at(0).network.gossipBatch(utf8(`batch ${round}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await at(0).network.gossipBatch(utf8('bad'));
    await at(1).until('batch', () => at(1).batches.includes('bad'));
    await at(2).until('batch', () => at(2).batches.includes('bad'));
    expect(at(1).batches.filter((batch) => batch === 'bad')).toHaveLength(1);
    expect(at(1).network.counters.batchesRejected).toBe(1);
  });

  it('publish nothing above the bound: it would leave the pair deaf', async () => {
    nodes = await startMembers(['a', 'b']);
    expect(await code(at(0).network.gossipBatch(new Uint8Array(64 * 1024 + 1)))).toBe('MESSAGE_TOO_LARGE');
    expect(await code(at(0).network.gossipBatch(new Uint8Array(5 * 1024 * 1024)))).toBe('MESSAGE_TOO_LARGE');
  });

  it('answer requests by member id, refuse by handler, and bound the answer', async () => {
    nodes = await startMembers(['a', 'b'], {
      answer: async (protocol, requester, bytes) => {
        if (protocol === 'attest') return undefined;
        if (protocol === 'blob') throw new Error('broken handler');
        return utf8(`${requester.isMember} ${requester.member} ${bytes.length}`);
      },
    });
    const answer = await at(0).network.request(at(1).id, 'sync', new Uint8Array(7));
    expect(new TextDecoder().decode(answer)).toBe(`true ${at(0).id} 7`);
    expect(await code(at(0).network.request(at(1).id, 'attest', utf8('?')))).toBe('REQUEST_REFUSED');
    expect(await code(at(0).network.request(at(1).id, 'blob', utf8('?')))).toBe('REQUEST_FAILED');
    expect(await code(at(0).network.request(at(1).id, 'sync', utf8('?'), { maxBytes: 10 }))).toBe('RESPONSE_TOO_LARGE');
    expect(await code(at(0).network.request('nobody', 'sync', utf8('?')))).toBe('NOT_CONNECTED');
    expect(await code(at(0).network.request(at(1).id, 'sync', new Uint8Array(2 << 20)))).toBe('REQUEST_TOO_LARGE');
  });

  it('time out on a handler that never answers', async () => {
    nodes = await startMembers(['a', 'b'], { answer: () => new Promise(() => undefined) });
    expect(await code(at(0).network.request(at(1).id, 'sync', utf8('?'), { timeoutMs: 50 }))).toBe('REQUEST_TIMEOUT');
  });

  it('redial a member whose process came back on another port', async () => {
    nodes = await startMembers(['a', 'b']);
    const members = nodes.map((node) => node.id);
    await at(1).network.stop();
    await at(0).until('peer', () => !at(0).up.has(at(1).id));
    nodes[1] = await startNode('b', members, {}, { seeds: at(0).network.addresses(), limits: { redialMs: 100 } });
    await at(0).until('peer', () => at(0).up.has(at(1).id));
    at(0).network.sendConsensus(at(1).id as ValidatorId, utf8('welcome back'), 1);
    await at(1).until('vote', () => at(1).votes.length === 1);
  });

  it('stay one peer when both dial at once', async () => {
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    nodes = [await startNode('a', members), await startNode('b', members)];
    const [toA, toB] = [String(at(0).network.addresses()[0]), String(at(1).network.addresses()[0])];
    expect(await Promise.all([at(0).network.connect(toB), at(1).network.connect(toA)])).toEqual([at(1).id, at(0).id]);
    expect(at(0).network.peers()).toHaveLength(1);
    at(0).network.broadcastConsensus(utf8('once'), 1);
    at(0).network.broadcastConsensus(utf8('last'), 1);
    await at(1).until('vote', () => at(1).votes.some((vote) => vote.text === 'last'));
    expect(at(1).votes.map((vote) => vote.text)).toEqual(['once', 'last']);
  });
});

describe('a stranger', () => {
  it('may sync and attest but sends no votes and gets no blobs, and becomes a peer when it becomes a member', async () => {
    nodes = await startMembers(['a', 'b'], { answer: async (_, requester) => utf8(String(requester.isMember)) });
    const known = nodes.map((node) => node.id);
    // It takes itself for a validator: nobody else does.
    const all = [...known, memberKey('s').id];
    const stranger = await startNode('s', all, {}, { limits: { redialMs: 100 } });
    nodes.push(stranger);
    expect(await stranger.network.connect(String(at(0).network.addresses()[0]))).toBe(at(0).id);
    // One address is enough: the exchange of records names the others, the redial loop connects them.
    await stranger.until('peer', () => stranger.up.has(at(1).id));
    expect(new TextDecoder().decode(await stranger.network.request(at(0).id, 'sync', utf8('?')))).toBe('false');
    for (const protocol of ['blob', 'hold'] as const) {
      expect(await code(stranger.network.request(at(0).id, protocol, utf8('?')))).toBe('REQUEST_REFUSED');
    }
    stranger.network.broadcastConsensus(utf8('let me vote'), 0);
    const voted = at(0).network;
    while (voted.counters.framesRefused === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(at(0).votes).toEqual([]);
    // A member without weight is a peer, and has no vote either.
    for (const node of nodes.slice(0, 2)) node.network.setMembers(all, [stranger.id]);
    await at(0).until('peer', () => at(0).up.has(stranger.id));
    const refused = voted.counters.framesRefused;
    stranger.network.sendConsensus(at(0).id as ValidatorId, utf8('and now?'), 0);
    while (voted.counters.framesRefused === refused) await new Promise((resolve) => setImmediate(resolve));
    at(0).network.sendConsensus(stranger.id as ValidatorId, utf8('nor is it sent any'), 0);
    expect([...at(0).votes, ...stranger.votes]).toEqual([]);
    for (const node of nodes) node.network.setMembers(all);
    stranger.network.sendConsensus(at(0).id as ValidatorId, utf8('now'), 0);
    await at(0).until('vote', () => at(0).votes.length === 1);
    expect(at(0).votes[0]).toEqual({ from: stranger.id, text: 'now' });
  });

  it('of another chain is told so', async () => {
    nodes = await startMembers(['a']);
    const other = await startNode('o', [], {}, { chainId: memberKey('other chain').id as never });
    nodes.push(other);
    expect(await code(other.network.connect(String(at(0).network.addresses()[0])))).toBe('WRONG_CHAIN');
    expect(await code(other.network.connect('/ip4/127.0.0.1/tcp/9'))).toBe('ADDRESS_INVALID');
    expect(await code(other.network.connect('no address'))).toBe('ADDRESS_INVALID');
  });

  it('beyond the cap may show a membership and is sent away when it has none', async () => {
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    const a = await startNode('a', [memberKey('a').id], {}, { limits: { strangersMax: 1 } });
    nodes = [a];
    const address = String(a.network.addresses()[0]);
    const first = await startNode('s1', []);
    nodes.push(first);
    await first.network.connect(address);
    const second = await startNode('s2', []);
    nodes.push(second);
    await second.network.connect(address).catch(() => undefined);
    await a.until('peer', () => !a.up.has(second.network.peerId));
    expect(a.network.peers().map((peer) => peer.peerId)).toEqual([first.network.peerId]);
    // The cap is full, and still a member finds its place.
    a.network.setMembers(members);
    const b = await startNode('b', members, {}, { seeds: [address], limits: { redialMs: 50 } });
    nodes.push(b);
    await Promise.all([a.until('peer', () => a.up.has(b.id)), b.until('peer', () => b.up.has(a.id))]);
  });
});

describe('a member', () => {
  it('that moved to another node is up until the last of its connections is gone', async () => {
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    const a = await startNode('a', members);
    const told: boolean[] = [];
    a.events.on('peer', () => told.push(a.up.has(memberKey('b').id)));
    nodes = [a];
    const former = await startNode('b', members);
    nodes.push(former);
    await former.network.connect(String(a.network.addresses()[0]));
    await a.until('peer', () => a.up.has(former.id));
    const successor = await startNode('b', members, {}, { nodeKeySeed: seedOf('another node of b') });
    nodes.push(successor);
    await successor.network.connect(String(a.network.addresses()[0]));
    // Both are heard while both are here, and the member came up once.
    const nodesOfB = (): string[] => a.network.peers().flatMap((peer) => (peer.isMember ? [peer.peerId] : []));
    expect(nodesOfB().sort()).toEqual([former.network.peerId, successor.network.peerId].sort());
    for (const node of [former, successor]) {
      node.network.sendConsensus(a.id as ValidatorId, utf8(`from ${node.network.peerId}`), 1);
      await a.until('vote', () => a.votes.some(({ text }) => text === `from ${node.network.peerId}`));
    }
    await former.network.stop();
    while (nodesOfB().includes(former.network.peerId)) await sleep(10);
    a.network.sendConsensus(successor.id as ValidatorId, utf8('hello'), 1);
    await successor.until('vote', () => successor.votes.length === 1);
    expect(told.slice(told.indexOf(true)).every(Boolean)).toBe(true);
    await successor.network.stop();
    await a.until('peer', () => !a.up.has(former.id));
  });

  it('whose twin was started and stopped is heard, told and asked as before', async () => {
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    const a = await startNode('a', members);
    const told: boolean[] = [];
    nodes = [a];
    const real = await startNode('b', members, { answer: async () => utf8('the real one') });
    nodes.push(real);
    await real.network.connect(String(a.network.addresses()[0]));
    await a.until('peer', () => a.up.has(real.id));
    a.events.on('peer', () => told.push(a.up.has(real.id)));
    const twin = await startNode('b', members, {}, { nodeKeySeed: seedOf('a twin of b') });
    nodes.push(twin);
    await twin.network.connect(String(a.network.addresses()[0]));
    a.network.sendConsensus(real.id as ValidatorId, utf8('to both'), 1);
    await Promise.all([real, twin].map((node) => node.until('vote', () => node.votes.length === 1)));
    await twin.network.stop();
    while (a.network.peers().some(({ peerId }) => peerId === twin.network.peerId)) await sleep(10);
    real.network.sendConsensus(a.id as ValidatorId, utf8('still here'), 1);
    a.network.sendConsensus(real.id as ValidatorId, utf8('so we see'), 1);
    await Promise.all([
      a.until('vote', () => a.votes.some(({ text }) => text === 'still here')),
      real.until('vote', () => real.votes.length === 2),
    ]);
    const answer = await a.network.request(real.id, 'sync', utf8('who?'));
    expect(Uint8Array.from(answer)).toEqual(utf8('the real one'));
    expect(told.every(Boolean)).toBe(true);
  });

  it('whose only address leads to a stranger finds the others once it is given an address of one', async () => {
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    const stranger = await startNode('s', members);
    const a = await startNode('a', members);
    const limits = { redialMs: 50 };
    const b = await startNode('b', members, {}, { seeds: stranger.network.addresses(), limits });
    nodes = [stranger, a, b];
    await b.until('peer', () => b.up.size === 1);
    b.network.addSeeds(a.network.addresses());
    await b.until('peer', () => b.up.has(a.id));
    expect(() => b.network.addSeeds(['there'])).toThrow(NetworkError);
  });

  it('dials the newest of too many addresses', async () => {
    const members = ['a', 'b'].map((name) => memberKey(name).id);
    const a = await startNode('a', members);
    const b = await startNode('b', members, {}, { limits: { redialMs: 200 } });
    nodes = [a, b];
    const [address = ''] = a.network.addresses();
    const dials = b.network.counters.redials;
    // Nobody listens at port 1; each stands for a peer of its own.
    const nowhere = await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        const key = await generateKeyPairFromSeed('Ed25519', seedOf(`nowhere ${i}`));
        return `/ip4/127.0.0.1/tcp/1/p2p/${peerIdFromPrivateKey(key).toString()}`;
      }),
    );
    b.network.addSeeds([address, ...nowhere]);
    while (b.network.counters.redials < dials + 64) await sleep(10);
    expect(b.up.has(a.id)).toBe(false);
    b.network.addSeeds([address]);
    await b.until('peer', () => b.up.has(a.id));
  });

  it('whose address is taken or wrong gets a typed error', async () => {
    nodes = [await startNode('a', [])];
    const taken = String(at(0).network.addresses()[0]).replace(/\/p2p.*/, '');
    expect(await code(startNode('b', [], {}, { listen: [taken] }))).toBe('LISTEN_FAILED');
    expect(await code(startNode('b', [], {}, { listen: ['here'] }))).toBe('ADDRESS_INVALID');
    expect(await code(startNode('b', [], {}, { seeds: ['there'] }))).toBe('ADDRESS_INVALID');
  });
});
