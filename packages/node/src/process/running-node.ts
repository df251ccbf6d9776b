/** A node from the outside: what it is started with, and what is left of it to hold. */
import type { AccountId, Digest } from '@cloister/encoding';
import type { LaunchEnclave } from '../attest/enclave-supervisor.ts';
import type { Config } from '../config/config-options.ts';
import type { HomeLayout } from './home.ts';
import type { JoinTarget } from './join.ts';
import type { Log } from './log-lines.ts';
import type { NodeContext } from './node-context.ts';

export interface StartOptions {
  readonly layout: HomeLayout;
  readonly config: Config;
  /** Where to get the genesis when the home has none, and the first peer. */
  readonly join?: JoinTarget;
  /** Reads the addresses in the config file anew, for a node that lost everybody. */
  readonly readSeeds?: () => Promise<readonly string[]>;
  /** In place of the config's enclave. */
  readonly launch?: LaunchEnclave;
  /** In place of lines on standard error. */
  readonly log?: Log;
}

/** Why a node stopped; STOPPED when it was asked to. */
export interface StopReason {
  readonly code: string;
  readonly detail: string;
}

export interface RunningNode {
  readonly id: AccountId;
  readonly chainId: Digest;
  readonly simulated: boolean;
  /** Such as http://127.0.0.1:7480; undefined when the API is off. */
  readonly apiUrl: string | undefined;
  /** Multiaddrs under which peers reach it. */
  readonly addresses: readonly string[];
  /** What the API stands on; for programs in the same process. */
  readonly context: NodeContext;
  /** Resolves when the node has stopped, also when it stopped by itself. */
  readonly stopped: Promise<StopReason>;
  /** Takes no new work, finishes what runs, flushes and closes. Idempotent. */
  stop(): Promise<void>;
}
