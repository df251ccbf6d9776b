/** What befalls the network and its nodes: crashes, lost disks, partitions, clocks that step, nodes that join. */
import { recoverGuard } from '@cloister/consensus';
import type { Digest } from '@cloister/encoding';
import { guardKeyOf } from '@cloister/replica';
import type { Checkers } from './checkers.ts';
import type { FaultyNetwork } from './faulty-network.ts';
import { SIM_START_MS } from './genesis.ts';
import type { Incident } from './scenario.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimNode } from './sim-node.ts';

export interface IncidentParts {
  readonly chainId: Digest;
  readonly scheduler: Scheduler;
  readonly network: FaultyNetwork;
  readonly nodes: readonly SimNode[];
  /** Executed heights by node; a start sets its own. */
  readonly heights: number[];
  readonly checkers: Checkers;
  readonly trace: (line: string) => void;
}

export class Incidents {
  readonly #parts: IncidentParts;
  /** When the last incident is over. */
  calmAtMs: number = SIM_START_MS;

  constructor(parts: IncidentParts) {
    this.#parts = parts;
  }

  schedule(incident: Incident): void {
    const endsMs = incident.atMs + ('forMs' in incident ? incident.forMs : 0);
    this.calmAtMs = Math.max(this.calmAtMs, SIM_START_MS + endsMs);
    this.#parts.scheduler.after(incident.atMs, () => this.#befall(incident));
  }

  async #befall(incident: Incident): Promise<void> {
    switch (incident.type) {
      case 'crash':
      case 'lose-disk': {
        const node = this.#parts.nodes[incident.node];
        if (node?.up !== true) return;
        this.#parts.trace(`${incident.type} ${node.index}`);
        if (incident.type === 'crash') node.crash();
        else node.loseDisk();
        this.#tellPeers(node, false);
        this.#parts.scheduler.after(incident.forMs, () => this.startNode(node));
        return;
      }
      case 'partition':
        this.#parts.trace(`partition ${incident.groups.join('')}`);
        this.#parts.network.partition(incident.groups);
        this.#parts.scheduler.after(incident.forMs, () => {
          this.#parts.trace(`heal`);
          this.#parts.network.heal();
        });
        return;
      case 'clock':
        this.#stepClock(incident.node, incident.stepMs);
        this.#parts.scheduler.after(incident.forMs, () => this.#stepClock(incident.node, -incident.stepMs));
        return;
      case 'profile':
        this.#parts.network.profile = incident.profile;
        return;
      case 'join': {
        const node = this.#parts.nodes[incident.node];
        if (node?.up === false) await this.startNode(node);
      }
    }
  }

  #stepClock(index: number, stepMs: number): void {
    const node = this.#parts.nodes[index];
    if (node === undefined) return;
    this.#parts.trace(`clock of ${index} by ${stepMs}`);
    node.context.skewMs += stepMs;
  }

  /** Starts a node, which says so to the others; what it recovers is checked against what it sent before. */
  async startNode(node: SimNode): Promise<void> {
    this.#parts.trace(`start ${node.index}`);
    try {
      // What was lost with a disk is known to be lost; the start rule must make up for it.
      if (node.crashes > 0 && !node.isNew) await this.#checkRecovery(node);
      await node.start();
    } catch (error) {
      this.#parts.checkers.fail(
        'S10',
        `node ${node.index} does not start: ${error instanceof Error ? error.message : String(error)}`,
      );
      return;
    }
    this.#parts.heights[node.index] = node.replica?.status().executedHeight ?? 0;
    this.#tellPeers(node, true);
    for (const other of this.#parts.nodes) {
      if (other !== node && other.up) node.input({ type: 'peer', id: other.id, up: true });
    }
  }

  #tellPeers(node: SimNode, up: boolean): void {
    for (const other of this.#parts.nodes) if (other !== node) other.input({ type: 'peer', id: node.id, up });
  }

  async #checkRecovery(node: SimNode): Promise<void> {
    const stored: Uint8Array[] = [];
    const [first] = guardKeyOf(new Uint8Array(0));
    for await (const [key, value] of node.guardStore.range({})) if (key[0] === first) stored.push(value);
    const guard = recoverGuard(this.#parts.chainId, stored);
    if (!guard.ok) {
      this.#parts.checkers.fail('S10', `node ${node.index}: ${guard.code}`);
      return;
    }
    const records = new Set(guard.value.records.map(({ signed }) => `${signed.view} ${signed.kind}`));
    this.#parts.checkers.recovered(node.id, records, guard.value.floor.view);
  }
}
