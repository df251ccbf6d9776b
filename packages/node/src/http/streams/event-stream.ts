/**
 * Events as they happen, as server-sent events: the id of each is its sequence, so a reader that comes back with
 * Last-Event-ID misses nothing. A reader that does not keep up waits on its own socket and costs one page of memory; what is
 * read for it is paid from its client's budget, page by page.
 */
import type { ServerResponse } from 'node:http';
import type { ApiContext } from '../api-context.ts';
import type { ClientBudgets } from '../gate/budgets.ts';
import { eventJson, pageCost, readPage } from './event-pages.ts';

const PAGE_EVENTS = 256;
const PAGE_BYTES: number = 512 * 1024;
/** Tokens for looking whether there is anything new. */
const LOOK_COST = 0.2;
const KEEP_ALIVE_MS = 15_000;
/** A stream ends after this time and its reader comes back, so that a stream that nobody reads is not held for ever. */
const STREAM_MS_MAX = 900_000;

export interface StreamQuery {
  /** First sequence wanted. */
  readonly from: number;
  readonly type: string | undefined;
}

export interface StreamReader {
  readonly client: string;
  readonly budgets: ClientBudgets;
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
  context: ApiContext,
  response: ServerResponse,
  query: StreamQuery,
  { client, budgets }: StreamReader,
  signal: AbortSignal,
): Promise<void> {
  const { follow, simulated } = context;
  const wake = new Wake();
  let open = true;
  const close = (): void => {
    open = false;
    wake.announce();
  };
  const unsubscribe = follow.subscribe(() => wake.announce());
  response.once('close', close);
  response.once('error', close);
  signal.addEventListener('abort', close, { once: true });
  const oldAge = setTimeout(close, STREAM_MS_MAX);
  oldAge.unref();
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
    await write(simulated ? ': cloister events of a SIMULATED chain\n\n' : ': cloister events\n\n');
    let next = query.from;
    while (open && !signal.aborted) {
      const request = { from: next, limit: PAGE_EVENTS, type: query.type, bytesMax: PAGE_BYTES };
      const page = await budgets.run(client, 'bulk', () => readPage(context, request));
      for (const event of page.events) {
        if (!open) break;
        const data = eventJson(event, simulated);
        await write(`id: ${event.sequence}\nevent: ${event.type}\ndata: ${data}\n\n`);
      }
      if (page.end === next) {
        if (!(await wake.wait(KEEP_ALIVE_MS))) await write(': alive\n\n');
        continue;
      }
      next = page.end;
      await budgets.payPatiently(client, 'bulk', LOOK_COST + pageCost(page), () => open);
    }
  } catch {
    // The log cannot be read, too many wait, or the socket is gone: the reader comes back with Last-Event-ID.
  } finally {
    clearTimeout(oldAge);
    unsubscribe();
    signal.removeEventListener('abort', close);
    response.end();
  }
}
