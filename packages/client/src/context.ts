/**
 * What every function of the SDK works with: the node's API, the trusted chain, the caller's key, and the edge (clock and
 * randomness), which tests replace.
 */

import type { Ed25519KeyPair } from '@cloister/crypto';
import type { Digest } from '@cloister/encoding';
import type { TrustedChain } from './chain/trusted-chain.ts';
import type { Edge } from './edge.ts';
import type { ExecutorLists } from './executors/executor-lists.ts';
import type { VerifiedEnclaves } from './executors/verified-enclaves.ts';
import type { NodeApi } from './node/api.ts';
import type { NodePool } from './node/node-pool.ts';

export interface ClientContext {
  readonly nodes: NodePool;
  /** The node that showed the newest head last. */
  readonly api: NodeApi;
  readonly chain: TrustedChain;
  readonly executorLists: ExecutorLists;
  /** Signs the caller's transactions. */
  readonly keyPair: Ed25519KeyPair;
  readonly edge: Edge;
  /** Whether the caller takes a chain under simulated trust anchors, where no guarantee holds against anyone. */
  readonly acceptSimulated: boolean;
  readonly verified: VerifiedEnclaves;
}

export interface WaitOptions {
  /** Milliseconds until `TIMED_OUT`. */
  readonly timeoutMs?: number;
}

export const DEFAULT_WAIT_MS = 120_000;

/** What is known of a transaction once the log proves it. */
export interface ProvenTransaction {
  readonly transaction: Digest;
  /** Height of the block that executed it. */
  readonly height: number;
  /** Sequence of its event. */
  readonly sequence: number;
}
