/** Real nodes on loopback for the tests: ports chosen by the system, events recorded and awaited. */
import { EventEmitter, once } from 'node:events';
import { BlockList } from 'node:net';
import { ed25519KeyPair, hash } from '@cloister/crypto';
import { type AccountId, type Digest, utf8 } from '@cloister/encoding';
import { GossipDoor } from '../src/gates/gossip-door.ts';
import { WorkBudget } from '../src/gates/work-budget.ts';
import type { HostOptions } from '../src/host/host.ts';
import {
  type BatchVerdict,
  createNetwork,
  type Network,
  type NetworkLimits,
  type NetworkOptions,
  type Requester,
  type TwinSeen,
} from '../src/index.ts';

export const chainId: Digest = hash('test/chain', utf8('network'));

export type TestNode = {
  readonly network: Network;
  readonly id: AccountId;
  readonly events: EventEmitter;
  readonly votes: { from: string; text: string }[];
  readonly batches: string[];
  readonly up: Set<string>;
  readonly twins: TwinSeen[];
  /** Awaits an event until `condition` holds, checked at once and after each event. */
  until(event: string, condition: () => boolean): Promise<void>;
};

export function seedOf(name: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hash('test/seed', utf8(name)), 'hex'));
}

export function memberKey(name: string): ReturnType<typeof ed25519KeyPair> {
  return ed25519KeyPair(seedOf(`member ${name}`));
}

export type Behaviour = {
  readonly verdict?: (text: string) => BatchVerdict;
  readonly answer?: (protocol: string, requester: Requester, bytes: Uint8Array) => Promise<Uint8Array | undefined>;
};

const text = new TextDecoder();

/** Parts of a bare host that turns nobody away. */
export function openToAll(): Pick<HostOptions, 'acceptGate' | 'door' | 'gossips' | 'purse' | 'handledMs'> {
  const budget = new WorkBudget({
    msPerSecond: 1_000,
    burstMs: 1_000,
    waitingMax: 100,
    nowMs: () => performance.now(),
    spent: () => undefined,
  });
  return {
    acceptGate: new BlockList(),
    door: new GossipDoor(() => true),
    gossips: () => true,
    purse: (peer) => ({ budget, party: { group: peer, peer } }),
    handledMs: () => 0,
  };
}

export async function startNode(
  name: string,
  members: readonly AccountId[],
  behaviour: Behaviour = {},
  extra: Partial<NetworkOptions> & { readonly limits?: Partial<NetworkLimits> } = {},
): Promise<TestNode> {
  const events = new EventEmitter();
  const votes: TestNode['votes'] = [];
  const batches: string[] = [];
  const up = new Set<string>();
  const twins: TwinSeen[] = [];
  const key = memberKey(name);
  const network = await createNetwork({
    chainId,
    nodeKeySeed: seedOf(`node ${name}`),
    member: { id: key.id, sign: (message) => key.sign(message) },
    listen: ['/ip4/127.0.0.1/tcp/0'],
    members,
    handlers: {
      onConsensus(from, bytes) {
        votes.push({ from, text: text.decode(bytes) });
        events.emit('vote');
      },
      onBatch(bytes) {
        const batch = text.decode(bytes);
        batches.push(batch);
        events.emit('batch');
        return behaviour.verdict?.(batch) ?? 'accept';
      },
      async onRequest(protocol, requester, bytes) {
        return behaviour.answer?.(protocol, requester, bytes);
      },
      onPeer(id, isUp) {
        if (isUp) up.add(id);
        else up.delete(id);
        events.emit('peer');
      },
      onTwin(twin) {
        twins.push(twin);
        events.emit('twin');
      },
    },
    ...extra,
  });
  return {
    network,
    id: key.id,
    events,
    votes,
    batches,
    up,
    twins,
    async until(event, condition) {
      while (!condition()) await once(events, event);
    },
  };
}

/** Starts `names` as members, each dialling the first, and waits until everyone is connected to everyone. */
export async function startMembers(
  names: readonly string[],
  behaviour: Behaviour = {},
  limits: Partial<NetworkLimits> = {},
): Promise<TestNode[]> {
  const members = names.map((name) => memberKey(name).id);
  const nodes: TestNode[] = [];
  for (const name of names) {
    const seeds = nodes[0]?.network.addresses() ?? [];
    nodes.push(await startNode(name, members, behaviour, { seeds, limits: { redialMs: 100, ...limits } }));
  }
  await Promise.all(
    nodes.map((node) => node.until('peer', () => members.every((id) => id === node.id || node.up.has(id)))),
  );
  return nodes;
}

export async function stopAll(nodes: readonly TestNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.network.stop()));
}
