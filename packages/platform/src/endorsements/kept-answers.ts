/**
 * Answers that are fetched when needed, kept while they hold, and renewed before they end.
 *
 * Upon a request: a kept answer that is not due for renewal is given back; one that is due is fetched anew, and given back all
 * the same when that fails and it still holds; one that no longer holds is never given back. Requests for one address at the
 * same time share one fetch.
 */
import type { EndorsementRequest } from './answers.ts';
import { EndorsementError } from './endorsement-error.ts';
import type { EndorsementStore, KeptAnswer } from './endorsement-store.ts';
import type { EndorsementFetcher } from './fetcher.ts';

/** Something that went wrong without keeping endorsements from being had. */
export interface EndorsementNotice {
  readonly code:
    | 'RENEWAL_FAILED'
    /** The service gave an older answer than the kept one. */
    | 'ANSWER_OLDER'
    | 'STORE_IO'
    /** The host's certificates did not verify with the evidence; others were used. */
    | 'OFFERED_REFUSED'
    /** Kept endorsements did not verify with the evidence; they were fetched anew. */
    | 'KEPT_REFUSED';
  readonly detail: string;
}

/** An answer with its dates, in milliseconds of the Unix epoch. */
export interface HeldAnswer<T> {
  readonly value: T;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly fetchedAtMs: number;
  /** From then on it is fetched anew. */
  readonly renewAtMs: number;
  /** Fetched before this request. */
  readonly isKept: boolean;
}

const HOUR_MS = 3_600_000;
/** Renewal begins when a third of the life is left, ten days at most. */
const MARGIN_MS_MAX: number = 240 * HOUR_MS;
/**
 * Statements and CRLs are asked for once an hour also while they are valid, because the ledger refuses evidence with
 * older ones as soon as it has seen newer ones.
 */
const CHANGES_MS: number = HOUR_MS;
/** Nothing that holds is asked for more often. */
const PAUSE_MS: number = HOUR_MS / 6;

/** When an answer is due: by its remaining life, and by its age if it changes meanwhile. */
export function renewalTimeMs(
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
  fetchedAtMs: number,
  changes: boolean,
): number {
  const byLife = untilMs - Math.min(MARGIN_MS_MAX, Math.floor((untilMs - fromMs) / 3));
  const byAge = changes ? fetchedAtMs + CHANGES_MS : Number.POSITIVE_INFINITY;
  return Math.max(Math.min(byLife, byAge), fetchedAtMs + PAUSE_MS);
}

export class KeptAnswers {
  readonly #store: EndorsementStore;
  readonly #fetcher: EndorsementFetcher;
  readonly #onNotice: (notice: EndorsementNotice) => void;
  readonly #fetching = new Map<string, Promise<KeptAnswer>>();
  readonly #failedAtMs = new Map<string, number>();

  constructor(store: EndorsementStore, fetcher: EndorsementFetcher, onNotice: (notice: EndorsementNotice) => void) {
    this.#store = store;
    this.#fetcher = fetcher;
    this.#onNotice = onNotice;
  }

  /** `isFresh`: whatever is kept is of no use. Rejects with `EndorsementError`. */
  async get<T>(request: EndorsementRequest<T>, nowMs: number, isFresh = false): Promise<HeldAnswer<T>> {
    const kept = isFresh ? undefined : await this.#kept(request, nowMs);
    const failedAtMs = this.#failedAtMs.get(request.url);
    const isPausing = failedAtMs !== undefined && nowMs >= failedAtMs && nowMs < failedAtMs + PAUSE_MS;
    // An answer from the future was fetched by a clock that was wrong, or is read by one.
    const isDue = kept !== undefined && (nowMs >= kept.renewAtMs || nowMs < kept.fetchedAtMs);
    if (kept !== undefined && (!isDue || isPausing)) return kept;
    try {
      const fetched = await this.#fetched(request, nowMs, isFresh);
      this.#failedAtMs.delete(request.url);
      if (kept === undefined || fetched.fromMs >= kept.fromMs) return fetched;
      this.#onNotice({ code: 'ANSWER_OLDER', detail: request.url });
      return kept;
    } catch (error) {
      if (kept === undefined || !(error instanceof EndorsementError)) throw error;
      this.#failedAtMs.set(request.url, nowMs);
      this.#onNotice({ code: 'RENEWAL_FAILED', detail: `${request.url}: ${error.code} ${error.message}` });
      return kept;
    }
  }

  /** The kept answer if it holds. */
  async #kept<T>(request: EndorsementRequest<T>, nowMs: number): Promise<HeldAnswer<T> | undefined> {
    const kept = await this.#store.read(request.url);
    const held = kept === undefined ? undefined : hold(request, kept, true);
    return held !== undefined && 'value' in held && isCurrent(held, nowMs) ? held : undefined;
  }

  async #fetched<T>(request: EndorsementRequest<T>, nowMs: number, isFresh: boolean): Promise<HeldAnswer<T>> {
    let running = this.#fetching.get(request.url);
    if (running === undefined) {
      running = this.#fetch(request, nowMs, isFresh).finally(() => this.#fetching.delete(request.url));
      this.#fetching.set(request.url, running);
    }
    const held = hold(request, await running, false);
    if (!('value' in held)) throw new EndorsementError('ANSWER_MALFORMED', `${request.url}: ${held.refused}`);
    return held;
  }

  /** Only what can be read and holds now is kept; in place of what holds and is newer only when that is of no use. */
  async #fetch<T>(request: EndorsementRequest<T>, nowMs: number, isFresh: boolean): Promise<KeptAnswer> {
    const { url } = request;
    const { status, headers: all, body } = await this.#fetcher.get(url);
    if (status !== 200) throw new EndorsementError('ANSWER_STATUS', `${url}: status ${status}`);
    const headers = new Map([...all].filter(([name]) => request.headers.includes(name)));
    const answer = { fetchedAtMs: nowMs, headers, body };
    const held = hold(request, answer, false);
    if (!('value' in held)) throw new EndorsementError('ANSWER_MALFORMED', `${url}: ${held.refused}`);
    if (!isCurrent(held, nowMs)) throw new EndorsementError('ANSWER_NOT_CURRENT', url);
    const known = isFresh ? undefined : await this.#kept(request, nowMs);
    if (known === undefined || held.fromMs >= known.fromMs) {
      await this.#store.write(url, answer).catch((error: unknown) => {
        if (!(error instanceof EndorsementError)) throw error;
        this.#onNotice({ code: 'STORE_IO', detail: error.message });
      });
    }
    return answer;
  }
}

function isCurrent({ fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number }, nowMs: number): boolean {
  return fromMs <= nowMs && nowMs <= untilMs;
}

function hold<T>(
  request: EndorsementRequest<T>,
  { fetchedAtMs, headers, body }: KeptAnswer,
  isKept: boolean,
): HeldAnswer<T> | { readonly refused: string } {
  const read = request.read({ headers, body });
  if (!read.ok) return { refused: read.detail ?? read.code };
  const { value, period } = read.value;
  return { value, ...period, fetchedAtMs, renewAtMs: renewalTimeMs(period, fetchedAtMs, request.changes), isKept };
}
