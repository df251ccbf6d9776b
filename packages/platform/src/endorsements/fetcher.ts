/**
 * The port through which endorsements are fetched, and its adapter over HTTPS.
 *
 * The services are Intel's PCS and AMD's KDS, or mirrors of them. What they answer is hostile until it is verified: bounded
 * in size and time, from hosts that are named beforehand, without following redirects. KDS answers 429 to those who ask
 * often, so that waits are the service's to choose, up to a bound.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { concatBytes } from '@cloister/encoding';
import { EndorsementError } from './endorsement-error.ts';

/** An answer with any status; header names are in lower case. */
export interface FetchedAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

export interface EndorsementFetcher {
  /** GET. Rejects with `EndorsementError` when there is no answer. */
  get(url: string): Promise<FetchedAnswer>;
}

export interface HttpsFetcherOptions {
  /** Names (with port, unless it is 443) of the hosts that may be asked. */
  readonly hosts: readonly string[];
  /** Time for one attempt, body included. */
  readonly timeoutMs?: number;
  readonly attempts?: number;
  /** Longest wait between attempts; a service that asks for more is not asked again. */
  readonly waitMsMax?: number;
  readonly bytesMax?: number;
  readonly fetch?: typeof fetch;
  readonly wait?: (ms: number) => Promise<unknown>;
  readonly now?: () => number;
}

const TIMEOUT_MS = 15_000;
const ATTEMPTS = 4;
const WAIT_MS_MAX = 30_000;
const FIRST_WAIT_MS = 500;
/** PCK CRLs are the longest that the services have. */
const BYTES_MAX: number = 2 * 1024 * 1024;

/** Statuses after which the same request may succeed. */
const PASSING: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** The port over HTTPS with Node's own fetch. */
export function httpsFetcher(options: HttpsFetcherOptions): EndorsementFetcher {
  const { timeoutMs = TIMEOUT_MS, attempts = ATTEMPTS, waitMsMax = WAIT_MS_MAX, bytesMax = BYTES_MAX } = options;
  const { fetch: request = fetch, wait = delay, now = Date.now } = options;
  const hosts = new Set(options.hosts);

  async function attempt(url: URL): Promise<FetchedAnswer> {
    // Covers connection, headers and body alike.
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const response = await request(url, { signal, redirect: 'manual', headers: { accept: '*/*' } });
      return { status: response.status, headers: new Map(response.headers), body: await bodyOf(response, bytesMax) };
    } catch (cause) {
      if (cause instanceof EndorsementError) throw cause;
      const code = signal.aborted ? 'FETCH_TIMEOUT' : 'FETCH_FAILED';
      throw new EndorsementError(code, `no answer from ${url.host}`, { cause });
    }
  }

  return {
    async get(address) {
      const url = URL.parse(address);
      if (url === null || url.protocol !== 'https:' || url.username !== '' || !hosts.has(url.host)) {
        throw new EndorsementError('FETCH_ADDRESS_REFUSED', `${address} is not of an allowed host`);
      }
      for (let count = 1; ; count++) {
        const outcome = await attempt(url).catch((error: unknown) => error);
        const isLast = count >= attempts;
        let waitMs = FIRST_WAIT_MS * 2 ** (count - 1);
        if (outcome instanceof Error) {
          const isPassing =
            outcome instanceof EndorsementError &&
            (outcome.code === 'FETCH_FAILED' || outcome.code === 'FETCH_TIMEOUT');
          if (isLast || !isPassing) throw outcome;
        } else {
          const answer = outcome as FetchedAnswer;
          if (isLast || !PASSING.has(answer.status)) return answer;
          const asked = retryAfterMs(answer.headers.get('retry-after'), now());
          if (asked !== undefined && asked > waitMsMax) {
            throw new EndorsementError('FETCH_RATE_LIMITED', `${url.host} asks for a wait of ${asked} ms`);
          }
          waitMs = asked ?? waitMs;
        }
        await wait(Math.min(waitMs, waitMsMax));
      }
    },
  };
}

async function bodyOf(response: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    // Leaving the loop cancels the stream.
    if (length > bytesMax) throw new EndorsementError('FETCH_TOO_LARGE', `more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return concatBytes(...chunks);
}

/** RFC 9110 section 10.2.3: seconds, or a date. Undefined for anything else. */
function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
