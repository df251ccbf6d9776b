/** Between nodes: frames, gossip, requests and answers, through the faulty network and past mocks and checkers. */
import { hash } from '@cloister/crypto';
import type { ReplicaEffect } from '@cloister/validator';
import type { ByzantineMock } from './byzantine.ts';
import type { Checkers } from './checkers.ts';
import type { FaultyNetwork } from './faulty-network.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimNode } from './sim-node.ts';

export interface WiresParts {
  readonly scheduler: Scheduler;
  readonly network: FaultyNetwork;
  readonly nodes: readonly SimNode[];
  readonly validatorCount: number;
  readonly mocks: ReadonlyMap<number, ByzantineMock>;
  readonly checkers: Checkers;
  readonly trace: (line: string) => void;
}

export class Wires {
  readonly #parts: WiresParts;

  constructor(parts: WiresParts) {
    this.#parts = parts;
  }

  /** A frame of consensus to one validator or to all others. */
  send(node: SimNode, effect: Extract<ReplicaEffect, { type: 'send' }>): void {
    const { nodes, validatorCount, mocks, checkers, trace } = this.#parts;
    const validators = nodes.slice(0, validatorCount).filter((other) => other !== node);
    const targets = validators.filter(({ id }) => effect.to === 'all' || effect.to === id).map(({ index }) => index);
    const mock = mocks.get(node.index);
    const outgoing = mock?.send(targets, effect.bytes) ?? targets.map((to) => ({ to, bytes: effect.bytes }));
    let last: Uint8Array | undefined;
    for (const { to, bytes } of outgoing) {
      if (bytes !== last) checkers.frame(node.id, bytes);
      last = bytes;
      this.#deliver(node, to, 'vote', bytes);
    }
    trace(`${node.index} sends ${outgoing.length} ${hash('network-sim/frame', effect.bytes).slice(0, 12)}`);
  }

  gossip(node: SimNode, bytes: Uint8Array): void {
    for (const other of this.#parts.nodes) if (other !== node) this.#deliver(node, other.index, 'batch', bytes);
  }

  #deliver(from: SimNode, to: number, channel: 'vote' | 'batch', bytes: Uint8Array): void {
    const { network, nodes, mocks } = this.#parts;
    network.send(from.index, to, () => {
      mocks.get(to)?.hear(bytes);
      nodes[to]?.input({ type: 'frame', channel, from: from.id, bytes });
    });
  }

  /** A request of the sync protocol, answered once or timed out. */
  request(node: SimNode, effect: Extract<ReplicaEffect, { type: 'request' }>): void {
    const { scheduler, network, nodes, mocks } = this.#parts;
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
    network.send(node.index, target.index, async () => {
      const honest = await target.serve(bytes);
      if (honest === undefined) return;
      const answer = mocks.get(target.index)?.serve(honest) ?? honest;
      network.send(target.index, node.index, () => respond(answer));
    });
  }
}
