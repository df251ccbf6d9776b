/**
 * Events as they happen, as server-sent events: the id of each is its sequence, so a reader that comes back with
 * Last-Event-ID misses nothing. A reader that does not keep up waits on its own socket and costs one page of memory.
 */
import type { ServerResponse } from 'node:http';
import type { ApiContext } from './api-context.ts';
import { eventJson } from './chain-routes.ts';

const PAGE_EVENTS = 256;
const KEEP_ALIVE_MS = 15_000;

export interface StreamQuery {
  /** First sequence wanted. */
  readonly from: number;
  readonly type: string | undefined;
}

/** Where a stream begins: after Last-Event-ID, else at `from`, else with what comes next. Undefined: not a number. */
export function streamStart(
  lastEventId: string | undefined,
  from: number | undefined,
  head: number,
): number | undefined {
  if (lastEventId === undefined || lastEventId === '') return from ?? head;
  return /^(0|[1-9][0-9]{0,14})$/.test(lastEventId) ? Number(lastEventId) + 1 : undefined;
}

/** Waits for whichever comes first: a new block, the reader's end, or time for a sign of life. */
class Wake {
  #wake: (() => void) | undefined;
  #set = false;

  announce(): void {
    this.#set = true;
    this.#wake?.();
  }

  async wait(ms: number): Promise<boolean> {
    if (!this.#set) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        timer.unref();
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    const woken = this.#set;
    this.#set = false;
    return woken;
  }
}

/** Writes events to a response until its reader leaves or `signal` aborts. Never rejects. */
export async function streamEvents(
  { chain, bus }: Pick<ApiContext, 'chain' | 'bus'>,
  response: ServerResponse,
  query: StreamQuery,
  signal: AbortSignal,
): Promise<void> {
  const wake = new Wake();
  let open = true;
  const close = (): void => {
    open = false;
    wake.announce();
  };
  const unsubscribe = bus.subscribe(() => wake.announce());
  response.once('close', close);
  response.once('error', close);
  signal.addEventListener('abort', close, { once: true });
  const write = async (text: string): Promise<void> => {
    if (!open || response.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        response.off('drain', done).off('close', done);
        resolve();
      };
      response.on('drain', done).on('close', done);
    });
  };
  try {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    await write(': cloister events\n\n');
    let next = query.from;
    while (open && !signal.aborted) {
      const end = chain.log.head.count;
      if (next >= end) {
        if (!(await wake.wait(KEEP_ALIVE_MS))) await write(': alive\n\n');
        continue;
      }
      const to = Math.min(end, next + PAGE_EVENTS);
      for await (const event of chain.log.read({ from: next, to })) {
        if (!open) break;
        if (query.type !== undefined && event.type !== query.type) continue;
        await write(`id: ${event.sequence}\nevent: ${event.type}\ndata: ${eventJson(event)}\n\n`);
      }
      next = to;
    }
  } catch {
    // The log cannot be read or the socket is gone: the reader comes back with Last-Event-ID.
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', close);
    response.end();
  }
}
