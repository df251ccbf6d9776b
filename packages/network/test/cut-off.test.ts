/** Whoever is blamed often enough loses its connections and stays out for a while; nobody else notices. */
import { utf8, type ValidatorId } from '@cloister/encoding';
import type { Connection, Stream } from '@libp2p/interface';
import { afterEach, describe, expect, it } from 'vitest';
import { encodePeerRecords } from '../src/peers/peer-record.ts';
import { frameBytes } from '../src/streams/framing.ts';
import type { CutOff } from '../src/types.ts';
import { startMembers, startNode, stopAll, type TestNode } from './cluster.ts';
import { answerOf, ended, protocolName, startRaw } from './raw-peer.ts';

let nodes: TestNode[] = [];
afterEach(() => stopAll(nodes));

function at(index: number): TestNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`no node ${index}`);
  return node;
}

describe('a member that is blamed', () => {
  it('is closed, refused and not dialled, while the others go on', async () => {
    nodes = await startMembers(['a', 'b', 'c']);
    for (let i = 0; i < 3; i++) at(0).network.blame(at(2).id, 'FORGED');
    expect(at(0).up.has(at(2).id)).toBe(true);
    at(0).network.blame(at(2).id, 'FORGED');
    await at(0).until('peer', () => !at(0).up.has(at(2).id));
    const { counters } = at(0).network;
    expect(counters).toMatchObject({ offences: 4, cutOffs: 1 });
    // Both redial every tenth of a second: the offender is turned away each time, and the blamer does not dial it.
    const redials = counters.redials;
    while (counters.connectionsRefused < 3) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(counters.redials).toBe(redials);
    expect(
      at(0)
        .network.peers()
        .map(({ member }) => member),
    ).toEqual([at(1).id]);
    at(1).network.sendConsensus(at(0).id as ValidatorId, utf8('still here'), 1);
    await at(0).until('vote', () => at(0).votes.length > 0);
    expect(at(1).up.size).toBe(2);
  });

  it('is heard no more, down to the frames that came together with the one too many', async () => {
    const cutOffs: CutOff[] = [];
    const heard: string[] = [];
    const [b] = await startMembers(['b']);
    if (b === undefined) throw new Error('no b');
    const a: TestNode = await startNode(
      'a',
      [b.id],
      {},
      {
        seeds: b.network.addresses(),
        limits: { redialMs: 50 },
        handlers: {
          onConsensus: (from, bytes) => {
            heard.push(new TextDecoder().decode(bytes));
            a.network.blame(from, 'LIED');
          },
          onBatch: () => 'ignore',
          onRequest: async () => undefined,
          onPeer: () => undefined,
          onCutOff: (cutOff) => void cutOffs.push(cutOff),
        },
      },
    );
    nodes = [b, a];
    b.network.setMembers([b.id, a.id]);
    a.network.setMembers([b.id, a.id]);
    await b.until('peer', () => b.up.has(a.id));
    for (let i = 0; i < 10; i++) b.network.sendConsensus(a.id as ValidatorId, utf8(`lie ${i}`), 1);
    await b.until('peer', () => !b.up.has(a.id));
    expect(heard).toEqual(['lie 0', 'lie 1']);
    expect(cutOffs).toMatchObject([{ peer: b.id, offence: 'LIED', forMs: 5_000 }]);
  });
});

describe('a stranger that asks far beyond its limits', () => {
  it('is cut off, and one that keeps to them is not', async () => {
    const never = Promise.withResolvers<undefined>();
    nodes = await startMembers(['a'], { answer: () => never.promise }, { strangerWorkMsPerSecond: 1_000 });
    const [greedy, modest] = await Promise.all([startRaw('greedy'), startRaw('modest')]);
    try {
      const connections = await Promise.all([greedy.connect(at(0)), modest.connect(at(0))]);
      const ask = async (connection: Connection): Promise<Stream> => {
        const stream = await connection.newStream(protocolName('sync'));
        stream.send(frameBytes([utf8('?')]));
        return stream;
      };
      // Refused while eight of its requests wait.
      const askInVain = async (connection: Connection): Promise<void> => {
        const stream = await ask(connection);
        await answerOf(stream);
        stream.abort(new Error('next'));
      };
      await Promise.all(connections.flatMap((connection) => Array.from({ length: 8 }, () => ask(connection))));
      const [flooding] = connections;
      while (flooding?.status === 'open') await askInVain(flooding).catch(() => undefined);
      expect(at(0).network.counters.cutOffs).toBe(1);
      expect(connections[1]?.status).toBe('open');
    } finally {
      never.resolve(undefined);
      await Promise.all([greedy.host.stop(), modest.host.stop()]);
    }
  });
});

describe('a stranger that is blamed', () => {
  it('does not come back under the same name', async () => {
    nodes = await startMembers(['a']);
    const raw = await startRaw('stranger');
    try {
      const connection = await raw.connect(at(0));
      const stream = await connection.newStream(protocolName('peers'));
      const answer = answerOf(stream);
      stream.send(frameBytes([encodePeerRecords([])]));
      expect((await answer)?.[0]).toBe(0);
      for (let i = 0; i < 4; i++) at(0).network.blame(raw.peerId, 'FLOOD');
      expect(connection.status).toBe('open');
      for (let i = 0; i < 5; i++) at(0).network.blame(raw.peerId, 'FLOOD');
      await ended(stream);
      expect(at(0).network.peers()).toEqual([]);
      const again = await raw.connect(at(0)).catch(() => undefined);
      while (again?.status === 'open') await new Promise((resolve) => setTimeout(resolve, 10));
      expect(at(0).network.peers()).toEqual([]);
    } finally {
      await raw.host.stop();
    }
  });
});
