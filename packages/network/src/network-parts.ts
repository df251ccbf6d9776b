/** What the adapter is made of, made before it. */
import type { Multiaddr } from '@multiformats/multiaddr';
import type { WorkBudgets } from './gates/budgets.ts';
import type { GossipDoor } from './gates/gossip-door.ts';
import type { PeerGate } from './gates/peer-gate.ts';
import type { PeerConnections } from './host/connections.ts';
import type { Host } from './host/host.ts';
import type { PeerBook } from './peers/peer-book.ts';
import type { NetworkCounters, NetworkLimits } from './types.ts';

export type NetworkParts = {
  readonly limits: NetworkLimits;
  readonly host: Host;
  readonly book: PeerBook;
  readonly gate: PeerGate;
  readonly door: GossipDoor;
  readonly budgets: WorkBudgets;
  readonly connections: PeerConnections;
  readonly counters: NetworkCounters;
  readonly seeds: readonly Multiaddr[];
};
