/**
 * The log against what the sign guard remembers of it.
 *
 * LevelDB opens a log file with a flipped byte and silently drops what follows, head included: what is left is an intact
 * but shorter log, and only a memory outside of it can tell. The guard's database, which no rollback or restore
 * touches, holds that memory: the head at each signature (`LogPosition`, part of the guard's records), and a witness, the
 * head at each commit.
 */
import { type Digest, fail, ok, type Result } from '@cloister/encoding';
import type { OrderedStore, StoreOp } from '../store/store.ts';
import { EventLogDamaged } from './damage.ts';
import { decodeHead, encodeHead, type LogHead } from './head.ts';
import { WITNESS_KEY } from './keys.ts';

/** A position of the log as the sign guard recorded it. */
export interface LogPosition {
  readonly count: number;
  /** As `LogHead.hash` at that count. */
  readonly hash: Digest;
}

/**
 * Whether a log continues what its guard has seen. `hashAtGuard`: the log's hash after `guardHead.count` events, needed
 * when the log is longer than that.
 */
export function checkAgainstGuard(
  head: Pick<LogHead, 'count' | 'hash'>,
  guardHead: LogPosition,
  hashAtGuard: Digest | undefined,
): Result<void, 'LOG_BEHIND_SIGN_GUARD' | 'LOG_CONFLICTS_WITH_SIGN_GUARD'> {
  if (head.count < guardHead.count) {
    const detail = `the log holds ${head.count} events, the sign guard has seen ${guardHead.count}`;
    return fail('LOG_BEHIND_SIGN_GUARD', detail);
  }
  const hash = head.count === guardHead.count ? head.hash : hashAtGuard;
  if (hash === guardHead.hash) return ok(undefined);
  const detail = `after ${guardHead.count} events the log's hash is ${hash}, the sign guard has seen ${guardHead.hash}`;
  return fail('LOG_CONFLICTS_WITH_SIGN_GUARD', detail);
}

/** The write that makes a store (the sign guard's) remember `head`. */
export function witnessOp(head: LogHead): StoreOp {
  return { type: 'put', key: WITNESS_KEY, value: encodeHead(head) };
}

/** The head that a store was last made to remember. Throws `EventLogDamaged` when that record is damaged. */
export async function readWitness(store: OrderedStore): Promise<LogPosition | undefined> {
  const stored = await store.get(WITNESS_KEY);
  if (stored === undefined) return undefined;
  const head = decodeHead(stored);
  if (head === undefined) {
    throw new EventLogDamaged('HEAD_CHECKSUM', undefined, 'the witness in the sign guard does not match its checksum');
  }
  return { count: head.count, hash: head.hash };
}
