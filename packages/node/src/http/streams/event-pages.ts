/** Pages of the log: a bounded read, whole or of one type by the index, and what it costs. */
import { parseUtf8 } from '@cloister/encoding';
import type { StoredEvent } from '@cloister/event-log';
import type { ApiContext } from '../api-context.ts';
import { EVENT_BYTES_PER_TOKEN, ITEMS_PER_TOKEN } from '../gate/costs.ts';

export interface PageRequest {
  readonly from: number;
  readonly limit: number;
  readonly type?: string | undefined;
  /** Payload bytes after which the page ends; its first event comes whatever its size. */
  readonly bytesMax: number;
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  readonly bytes: number;
  /** Where to read on: everything before it was looked at. */
  readonly end: number;
}

/** The log's own JSON of an event: payloads are canonical JSON and not parsed again. `simulated`: for one that stands alone. */
export function eventJson({ sequence, height, type, hash, payload }: StoredEvent, simulated?: boolean): string {
  const text = parseUtf8(payload) ?? '{}';
  const said = simulated === undefined ? '' : `,"simulated":${simulated}`;
  return `{"sequence":${sequence},"height":${height},"type":${JSON.stringify(type)},"hash":"${hash}","payload":${text}${said}}`;
}

/** Tokens for what a page brought. */
export function pageCost({ events, bytes }: EventPage): number {
  return Math.floor(events.length / ITEMS_PER_TOKEN + bytes / EVENT_BYTES_PER_TOKEN);
}

/** Matches of one type that lie so close are read in one go, with what is between them. */
const DENSE = 4;

/** Events of a page, ascending. */
export async function readPage(context: ApiContext, request: PageRequest): Promise<EventPage> {
  const { chain, types, follow } = context;
  const { from, limit, type, bytesMax } = request;
  const head = type === undefined ? chain.log.head.count : Math.min(chain.log.head.count, follow.position.indexed);
  if (from >= head) return { events: [], bytes: 0, end: from };
  const wanted = type === undefined ? undefined : await types.sequences(type, from, head, limit);
  const [first, last] = wanted === undefined ? [from, Math.min(head, from + limit) - 1] : [wanted[0], wanted.at(-1)];
  if (first === undefined || last === undefined) return { events: [], bytes: 0, end: head };
  const events: StoredEvent[] = [];
  let bytes = 0;
  const take = (event: StoredEvent): boolean => {
    if (events.length > 0 && bytes + event.payload.length > bytesMax) return false;
    bytes += event.payload.length;
    events.push(event);
    return true;
  };
  const end = wanted !== undefined && wanted.length < limit ? head : last + 1;
  if (wanted === undefined || last - first < DENSE * wanted.length) {
    for await (const event of chain.log.read({ from: first, to: last + 1 })) {
      if (type !== undefined && event.type !== type) continue;
      if (!take(event)) return { events, bytes, end: event.sequence };
    }
    return { events, bytes, end };
  }
  for (const sequence of wanted) {
    const event = await chain.log.get(sequence);
    if (event !== undefined && !take(event)) return { events, bytes, end: sequence };
  }
  return { events, bytes, end };
}
