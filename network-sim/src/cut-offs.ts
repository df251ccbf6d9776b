/**
 * What becomes of blame: each honest node keeps the reputation of the others by the rules of production, and a peer that is cut
 * off is disconnected from that node for the growing time. An honest node that cuts off an honest one breaks C1.
 */
import { PeerReputation } from '@cloister/network/reputation';
import type { ReplicaEffect } from '@cloister/replica';
import type { Behaviour } from './byzantine/behaviour.ts';
import type { Checkers } from './checkers.ts';
import type { FaultyNetwork } from './faulty-network.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimNode } from './sim-node.ts';

/** A redial loop finds out some time later that the other is willing again. */
const REDIAL_MS = 1_000;

export interface CutOffParts {
  readonly scheduler: Scheduler;
  readonly network: FaultyNetwork;
  readonly nodes: readonly Pick<SimNode, 'id' | 'index' | 'crashes' | 'input'>[];
  readonly byzantine: ReadonlyMap<number, Behaviour>;
  readonly checkers: Pick<Checkers, 'fail'>;
  readonly trace: (line: string) => void;
}

export class CutOffs {
  readonly #parts: CutOffParts;
  /** By node. What it thinks of others is lost with its memory. */
  readonly #reputations = new Map<number, { readonly crashes: number; readonly reputation: PeerReputation }>();
  /** How often whom was cut off by whom, as "by>whom". */
  readonly counts: Map<string, number> = new Map();

  constructor(parts: CutOffParts) {
    this.#parts = parts;
  }

  blame(node: CutOffParts['nodes'][number], { peer, offence }: Extract<ReplicaEffect, { type: 'blame' }>): void {
    const { nodes, byzantine, checkers, network, scheduler, trace } = this.#parts;
    const blamed = nodes.find(({ id }) => id === peer);
    if (blamed === undefined || byzantine.has(node.index)) return;
    const forMs = this.#reputationOf(node).blame({ key: peer, prefix: undefined }, offence);
    if (forMs === 0) return;
    trace(`${node.index} cuts off ${blamed.index} for ${forMs} ms: ${offence}`);
    const name = `${node.index}>${blamed.index}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    if (!byzantine.has(blamed.index)) {
      checkers.fail('C1', `node ${node.index} cuts off the honest ${blamed.index}: ${offence}`);
    }
    network.sever(node.index, blamed.index, scheduler.nowMs + forMs + REDIAL_MS);
    this.#tell(node, blamed, false);
    scheduler.after(forMs + REDIAL_MS, () => this.#tell(node, blamed, true));
  }

  #reputationOf({ index, crashes }: CutOffParts['nodes'][number]): PeerReputation {
    const known = this.#reputations.get(index);
    if (known?.crashes === crashes) return known.reputation;
    const reputation = new PeerReputation(() => this.#parts.scheduler.nowMs);
    this.#reputations.set(index, { crashes, reputation });
    return reputation;
  }

  #tell(a: CutOffParts['nodes'][number], b: CutOffParts['nodes'][number], up: boolean): void {
    if (up && !this.#parts.network.connected(a.index, b.index)) return;
    a.input({ type: 'peer', id: b.id, up });
    b.input({ type: 'peer', id: a.id, up });
  }
}
