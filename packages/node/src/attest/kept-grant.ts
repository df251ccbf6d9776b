/**
 * A model owner's lasting order: these nodes may hold the model's key, also after their enclave was started anew.
 *
 * Keys die with an enclave's process, so a node whose enclave was killed has nothing until its new keyset is granted the key
 * again. Nobody but the owner can do that here: the order looks at what the ledger accepted and grants each new keyset
 * once, after the owner's own client has verified the enclave behind it as for the first grant. A grant that the owner took back
 * is not made again by it.
 */
import type { NodeApi } from '@cloister/client';
import type { AccountId, Digest } from '@cloister/encoding';
import { messageOf } from '../process/errors.ts';

const LOOK_MS = 2_000;
const RETRY_MS_FIRST = 5_000;
const RETRY_MS_MAX = 300_000;

export interface KeptGrant {
  readonly model: Digest;
  readonly nodes: readonly AccountId[];
  readonly api: Pick<NodeApi, 'attestations' | 'model'>;
  /** Verifies the node's enclave and grants it the key. */
  readonly grant: (node: AccountId) => Promise<void>;
  readonly onRefused: (node: AccountId, reason: string) => void;
  readonly nowMs: () => number;
  /** Ends early, without an error, when `signal` is aborted. */
  readonly sleep: (delayMs: number, signal: AbortSignal) => Promise<void>;
}

interface Attempt {
  readonly keyset: Digest;
  /** Granted, or found granted: over. */
  settled: boolean;
  failures: number;
  notBeforeMs: number;
}

/** Keeps the order until it is aborted. */
export async function keepGranted(order: KeptGrant, signal: AbortSignal): Promise<void> {
  const attempts = new Map<AccountId, Attempt>();
  while (!signal.aborted) {
    try {
      await lookOnce(order, attempts);
    } catch (error) {
      // A node that cannot be asked now is asked again.
      for (const node of order.nodes) order.onRefused(node, messageOf(error));
    }
    await order.sleep(LOOK_MS, signal);
  }
}

async function lookOnce(order: KeptGrant, attempts: Map<AccountId, Attempt>): Promise<void> {
  const [attested, listed] = await Promise.all([order.api.attestations(), order.api.model(order.model)]);
  for (const node of order.nodes) {
    const keyset = attested.find((one) => one.node === node)?.keyset;
    if (keyset === undefined) continue;
    const known = attempts.get(node);
    const attempt = known?.keyset === keyset ? known : { keyset, settled: false, failures: 0, notBeforeMs: 0 };
    attempts.set(node, attempt);
    attempt.settled ||= listed?.grants.includes(keyset) === true;
    if (!attempt.settled && order.nowMs() >= attempt.notBeforeMs) await tryOnce(order, node, attempt);
  }
}

async function tryOnce(order: KeptGrant, node: AccountId, attempt: Attempt): Promise<void> {
  try {
    await order.grant(node);
    attempt.settled = true;
  } catch (error) {
    attempt.notBeforeMs = order.nowMs() + Math.min(RETRY_MS_FIRST * 2 ** attempt.failures, RETRY_MS_MAX);
    attempt.failures++;
    order.onRefused(node, messageOf(error));
  }
}
