/** What the shell of a replica is given: the replica, its stores, the network, the clocks, and who is told of what. */
import type { Offence, ValidatorId } from '@cloister/encoding';
import type { EventLog, OrderedStore } from '@cloister/event-log';
import type { ReplicaEffect, ReplicaInput, SendPriority } from '@cloister/replica';
import type { CommittedBlock } from './event-bus.ts';

export interface SteppedReplica {
  step(input: ReplicaInput): readonly ReplicaEffect[];
}

/** What the shell needs of the network. */
export interface ShellNetwork {
  sendConsensus(to: ValidatorId, bytes: Uint8Array, priority: SendPriority): void;
  broadcastConsensus(bytes: Uint8Array, priority: SendPriority): void;
  gossipBatch(bytes: Uint8Array): Promise<void>;
  /** Connected peers in the order in which to ask for anything: members first. */
  syncPeers(): readonly string[];
  /** The peer sent what no honest peer sends. */
  blame(peer: string, offence: Offence): void;
  request(peer: string, bytes: Uint8Array, options: { timeoutMs: number; maxBytes: number }): Promise<Uint8Array>;
}

export type ShellEffect<Type extends ReplicaEffect['type']> = Extract<ReplicaEffect, { readonly type: Type }>;

export interface ReplicaShellOptions {
  readonly replica: SteppedReplica;
  readonly chain: OrderedStore;
  readonly guard: OrderedStore;
  readonly log: Pick<EventLog, 'adopt'>;
  readonly network: ShellNetwork;
  /** Wall clock. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  readonly onCommitted: (block: CommittedBlock) => void;
  readonly onExecute: (effect: ShellEffect<'execute'>) => void;
  readonly onEvidence: (effect: ShellEffect<'evidence'>) => void;
  readonly onRefused: (effect: ShellEffect<'refused'>) => void;
  /** A batch was not published; peers that need it will ask for it. */
  readonly onUnpublished: (error: unknown) => void;
  /** The replica halted or a write failed: nothing more is stepped. Called once. */
  readonly onHalt: (code: string, detail: string) => void;
}
