/**
 * The background check of everything, in small steps that other work fits between.
 *
 * Its position is stored, so that a log larger than one uptime still gets through.
 */

import type { OrderedStore } from '../store/store.ts';
import { decodeHead, emptyHead, encodeHead, type LogHead } from './head.ts';
import { SCRUB_KEY } from './keys.ts';
import { verifyEvents } from './verify.ts';

const STEP_EVENTS = 2_000;

export interface ScrubOptions {
  /** Events between two yields; some ten milliseconds' worth by default. */
  readonly stepEvents?: number | undefined;
  /** Begin at the first event even if an earlier run was interrupted. */
  readonly restart?: boolean | undefined;
}

export interface ScrubProgress {
  /** Events verified, from the first on. */
  readonly verified: number;
  /** Events in the log now. */
  readonly total: number;
}

async function readPosition(store: OrderedStore, head: LogHead): Promise<LogHead> {
  const stored = await store.get(SCRUB_KEY);
  const position = stored === undefined ? undefined : decodeHead(stored);
  // Begins anew when the position is unusable: it saves work and proves nothing.
  if (position === undefined || position.chainId !== head.chainId || position.count > head.count) {
    return emptyHead(head.chainId);
  }
  return position;
}

/** See `EventLog.scrub`; each yield also carries the verified position. */
export async function* scrubLog(
  store: OrderedStore,
  head: () => LogHead,
  options: ScrubOptions,
): AsyncGenerator<ScrubProgress & { readonly position: LogHead }, void, undefined> {
  let position = options.restart === true ? emptyHead(head().chainId) : await readPosition(store, head());
  while (position.count < head().count) {
    const to = Math.min(head().count, position.count + (options.stepEvents ?? STEP_EVENTS));
    position = await verifyEvents(store, position, to);
    await store.batch([{ type: 'put', key: SCRUB_KEY, value: encodeHead(position) }], { sync: false });
    yield { position, verified: position.count, total: head().count };
  }
  await store.batch([{ type: 'del', key: SCRUB_KEY }], { sync: false });
}
