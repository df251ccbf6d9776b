/**
 * What a scenario says: the network's size and manners, who is Byzantine, and what happens when.
 */
import type { createMachine } from '@cloister/consensus';
import type { SeededRandom } from '@cloister/crypto';
import type { ByzantineName } from './byzantine/index.ts';
import type { NetworkProfile } from './faulty-network.ts';

/** Something that befalls the network; instants are virtual milliseconds from the start. */
export type Incident =
  | { readonly atMs: number; readonly type: 'crash'; readonly node: number; readonly forMs: number }
  /** A crash after which only the key is left: chain and sign guard are empty. */
  | { readonly atMs: number; readonly type: 'lose-disk'; readonly node: number; readonly forMs: number }
  /** The wall clock of a node is set wrong by `stepMs`, and right again after `forMs`. */
  | {
      readonly atMs: number;
      readonly type: 'clock';
      readonly node: number;
      readonly stepMs: number;
      readonly forMs: number;
    }
  /** Sides by node; heals after `forMs`. */
  | { readonly atMs: number; readonly type: 'partition'; readonly groups: readonly number[]; readonly forMs: number }
  | { readonly atMs: number; readonly type: 'profile'; readonly profile: NetworkProfile }
  /** A node that has been off from the beginning starts. */
  | { readonly atMs: number; readonly type: 'join'; readonly node: number };

export interface ScenarioPlan {
  readonly profile: NetworkProfile;
  readonly byzantine?: ReadonlyMap<number, ByzantineName>;
  readonly incidents?: readonly Incident[];
  /** Nodes that are off until they join or for good. */
  readonly offline?: readonly number[];
  /** Milliseconds between two transactions of the clients; 0 for none. */
  readonly loadIntervalMs?: number;
  /** A tenant beside the clients who hands in the largest transactions, at each node in turn. */
  readonly hostileTenant?: { readonly intervalMs: number; readonly each: number };
  /** Crashed nodes lose their sign guard: a broken rule, to see it caught. */
  readonly forgetsGuard?: boolean;
  /** In place of consensus' machine: a broken rule, to see it caught. */
  readonly createMachine?: typeof createMachine;
}

export interface Scenario {
  readonly name: string;
  readonly description: string;
  readonly validators: number;
  /** Nodes without a vote. */
  readonly observers?: number;
  readonly blocks: number;
  plan(random: SeededRandom, size: { readonly validators: number; readonly observers: number }): ScenarioPlan;
}
