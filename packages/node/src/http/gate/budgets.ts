/** The limits of the API's routes, put together: a budget for each client and group, and the groups' slots. */

import { type BucketTerms, TokenBuckets } from '@cloister/encoding';
import { ApiError } from '../api-error.ts';
import {
  ACCOUNT_TRANSACTIONS_PER_SECOND,
  BUDGET_PATIENCE_MS,
  BURST_SECONDS,
  CLIENTS_MAX,
  GROUP_LIMITS,
  ROUTE_GROUPS,
  type RouteGroup,
  WAITING_MAX,
  WAITING_PER_CLIENT_MAX,
} from './costs.ts';
import { FairGate } from './fair-gate.ts';

interface Group {
  readonly buckets: TokenBuckets;
  readonly gate: FairGate;
}

function termsOf(perSecond: number): BucketTerms {
  return { perSecond, burst: BURST_SECONDS * perSecond };
}

const ACCOUNT_TERMS = termsOf(ACCOUNT_TRANSACTIONS_PER_SECOND);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class ClientBudgets {
  readonly #groups: { readonly [Name in RouteGroup]: Group };
  readonly #accounts = new TokenBuckets(CLIENTS_MAX);
  readonly #terms: BucketTerms;
  readonly #monotonicMs: () => number;
  /** Requests that were told to come back later. */
  refused = 0;

  constructor(options: { readonly tokensPerSecond: number; readonly monotonicMs: () => number }) {
    this.#terms = termsOf(options.tokensPerSecond);
    this.#monotonicMs = options.monotonicMs;
    const group = (name: RouteGroup): Group => ({
      buckets: new TokenBuckets(CLIENTS_MAX),
      gate: new FairGate({
        ...GROUP_LIMITS[name],
        waitingPerClientMax: WAITING_PER_CLIENT_MAX,
        waitingMax: WAITING_MAX,
      }),
    });
    this.#groups = Object.fromEntries(ROUTE_GROUPS.map((name) => [name, group(name)])) as {
      [Name in RouteGroup]: Group;
    };
  }

  #take(client: string, group: RouteGroup, tokens: number): number {
    return this.#groups[group].buckets.take(client, this.#terms, tokens, this.#monotonicMs());
  }

  /**
   * Lets a request begin that costs so much. Over budget by a moment it waits; by more it is refused, after a wait: a client
   * that asks again at once on each connection costs a few refusals a second, and not as many as it can send.
   */
  async pay(client: string, group: RouteGroup, tokens: number): Promise<void> {
    const waitMs = this.#take(client, group, tokens);
    if (waitMs === 0) return;
    await sleep(Math.min(waitMs, BUDGET_PATIENCE_MS));
    const leftMs = waitMs <= BUDGET_PATIENCE_MS ? this.#take(client, group, tokens) : waitMs - BUDGET_PATIENCE_MS;
    if (leftMs > 0) throw this.#refusal(leftMs);
  }

  #refusal(waitMs: number): ApiError {
    this.refused++;
    const retryAfterS = Math.max(1, Math.ceil(waitMs / 1000));
    return new ApiError(429, 'RATE_LIMITED', 'too many requests of this client', { retryAfterS });
  }

  /** Refuses a client that is in debt for what it got since it was let in. */
  checkDebt(client: string, group: RouteGroup): void {
    const waitMs = this.#take(client, group, 0);
    if (waitMs > 0) throw this.#refusal(waitMs);
  }

  /** Waits for as long as it takes, or until `goesOn` says no; for streams, which nobody asks again for. */
  async payPatiently(client: string, group: RouteGroup, tokens: number, goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      const waitMs = this.#take(client, group, tokens);
      if (waitMs === 0) return;
      await sleep(Math.min(waitMs, BUDGET_PATIENCE_MS));
    }
  }

  /** What an answer turned out to cost beside; negative gives back. */
  charge(client: string, group: RouteGroup, tokens: number): void {
    if (tokens !== 0) this.#groups[group].buckets.charge(client, this.#terms, tokens, this.#monotonicMs());
  }

  /** A transaction of an account: its own budget, wherever it comes from. */
  payAccount(account: string): void {
    const waitMs = this.#accounts.take(account, ACCOUNT_TERMS, 1, this.#monotonicMs());
    if (waitMs > 0) throw this.#refusal(waitMs);
  }

  /** Runs when the group has a slot, the clients by turns. */
  run<T>(client: string, group: RouteGroup, work: () => Promise<T>): Promise<T> {
    return this.#groups[group].gate.run(client, work);
  }
}
