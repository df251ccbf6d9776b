/** Between nodes: frames, gossip, requests and answers, through the faulty network and past Byzantine behaviours and checkers. */
import { hash } from '@cloister/crypto';
import type { ReplicaEffect } from '@cloister/replica';
import { type Behaviour, TICK_MS, toAll } from './byzantine/behaviour.ts';
import type { Checkers } from './checkers.ts';
import type { FaultyNetwork } from './faulty-network.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimNode } from './sim-node.ts';

/** What a read of the own database takes. */
const OWN_READ_MS = 0.5;

export interface WiresParts {
  readonly scheduler: Scheduler;
  readonly network: FaultyNetwork;
  readonly nodes: readonly SimNode[];
  readonly validatorCount: number;
  readonly byzantine: ReadonlyMap<number, Behaviour>;
  readonly checkers: Checkers;
  readonly trace: (line: string) => void;
}

export class Wires {
  readonly #parts: WiresParts;

  constructor(parts: WiresParts) {
    this.#parts = parts;
  }

  /** Byzantine nodes that send on their own account do so from now on, as long as they are up. */
  startTicks(): void {
    for (const [index, behaviour] of this.#parts.byzantine) {
      if (behaviour.tick !== undefined || behaviour.clockOffMs !== undefined) this.#tickLater(index, behaviour);
    }
  }

  #tickLater(index: number, behaviour: Behaviour): void {
    this.#parts.scheduler.after(TICK_MS, () => {
      const node = this.#parts.nodes[index];
      if (node !== undefined && behaviour.clockOffMs !== undefined) node.context.skewMs = behaviour.clockOffMs();
      const burst = node?.up === true ? behaviour.tick?.() : undefined;
      if (node !== undefined && burst !== undefined) {
        for (const { to, bytes, afterMs } of burst.frames) this.#deliver(node, to, 'consensus', bytes, afterMs);
        for (const bytes of burst.gossip) this.#gossipOne(node, bytes);
      }
      this.#tickLater(index, behaviour);
    });
  }

  /** A frame of consensus to one validator or to all others. */
  send(node: SimNode, effect: Extract<ReplicaEffect, { type: 'send' }>): void {
    const { nodes, validatorCount, byzantine, checkers, trace } = this.#parts;
    const validators = nodes.slice(0, validatorCount).filter((other) => other !== node);
    const targets = validators.filter(({ id }) => effect.to === 'all' || effect.to === id).map(({ index }) => index);
    const outgoing = byzantine.get(node.index)?.send?.(targets, effect.bytes) ?? toAll(targets, effect.bytes);
    let last: Uint8Array | undefined;
    for (const { to, bytes, afterMs } of outgoing) {
      if (bytes !== last) checkers.frame(node.id, bytes);
      last = bytes;
      this.#deliver(node, to, 'consensus', bytes, afterMs);
    }
    trace(`${node.index} sends ${outgoing.length} ${hash('network-sim/frame', effect.bytes).slice(0, 12)}`);
  }

  gossip(node: SimNode, bytes: Uint8Array): void {
    for (const one of this.#parts.byzantine.get(node.index)?.gossip?.(bytes) ?? [bytes]) this.#gossipOne(node, one);
  }

  #gossipOne(node: SimNode, bytes: Uint8Array): void {
    for (const other of this.#parts.nodes) if (other !== node) this.#deliver(node, other.index, 'batch', bytes);
  }

  #deliver(from: SimNode, to: number, channel: 'consensus' | 'batch', bytes: Uint8Array, afterMs = 0): void {
    const { network, nodes, byzantine, scheduler } = this.#parts;
    const depart = () =>
      network.send(from.index, to, () => {
        byzantine.get(to)?.hear?.(from.index, channel, bytes);
        nodes[to]?.input({ type: 'frame', channel, from: from.id, bytes });
      });
    if (afterMs > 0) scheduler.after(afterMs, depart);
    else depart();
  }

  /** A request of the sync protocol, answered once or timed out. */
  request(node: SimNode, effect: Extract<ReplicaEffect, { type: 'request' }>): void {
    const { scheduler, network, nodes, byzantine } = this.#parts;
    const { requestId, to, bytes, timeoutMs } = effect;
    const target = to === 'any' ? undefined : nodes.find(({ id }) => id === to);
    const { crashes } = node;
    let answered = false;
    const respond = (answer: Uint8Array | undefined): void => {
      if (answered || node.crashes !== crashes) return;
      answered = true;
      node.input({
        type: 'response',
        requestId,
        ...(target === undefined ? {} : { from: target.id }),
        bytes: answer,
      });
    };
    scheduler.after(target === undefined ? 1 : timeoutMs, () => respond(undefined));
    if (target === undefined) return;
    if (target === node) {
      // Its own database: no wire, and no behaviour, lies in between.
      scheduler.after(OWN_READ_MS, async () => respond(await node.serve(bytes)));
      return;
    }
    network.send(node.index, target.index, async () => {
      const honest = await target.serve(bytes);
      if (honest === undefined) return;
      const behaviour = byzantine.get(target.index);
      const answer = behaviour?.serve === undefined ? honest : behaviour.serve(bytes, honest);
      if (answer === undefined) return;
      network.send(target.index, node.index, () => respond(answer));
    });
  }
}
