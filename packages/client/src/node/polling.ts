/**
 * Waiting for something that a node will know later: with backoff, over passing failures of the node, until a deadline.
 */
import type { Digest } from '@cloister/encoding';
import type { Edge } from '../edge.ts';
import { ClientError, isTransientError } from '../errors.ts';

const FIRST_DELAY_MS = 50;
const LAST_DELAY_MS = 2_000;
const GROWTH = 1.4;

/** The instant at which waiting ends, shared by the steps of one operation. */
export interface Deadline {
  readonly atMs: number;
  /** Named in the error. */
  readonly transaction?: Digest | undefined;
}

export function deadlineAfter(edge: Edge, timeoutMs: number, transaction?: Digest): Deadline {
  return { atMs: edge.nowMs() + timeoutMs, transaction };
}

/** The first answer of `ask` that is not undefined. Throws TIMED_OUT at the deadline, and what `ask` throws for good. */
export async function poll<T>(
  edge: Edge,
  deadline: Deadline,
  what: string,
  ask: (attempt: number) => Promise<T | undefined>,
): Promise<T> {
  let delayMs = FIRST_DELAY_MS;
  let cause: unknown;
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await ask(attempt);
      if (answer !== undefined) return answer;
      cause = undefined;
    } catch (error) {
      if (!isTransientError(error)) throw error;
      cause = error;
    }
    const leftMs = deadline.atMs - edge.nowMs();
    if (leftMs <= 0) throw new ClientError('TIMED_OUT', what, { transaction: deadline.transaction, cause });
    await edge.sleep(Math.min(delayMs, leftMs));
    delayMs = Math.min(LAST_DELAY_MS, delayMs * GROWTH);
  }
}
