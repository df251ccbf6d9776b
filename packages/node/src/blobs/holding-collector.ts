/**
 * Has validators hold this node's own large response. It asks as few as are enough, and others when those are slow or
 * refuse.
 */
import { type AccountId, asValidatorId, type Digest } from '@cloister/encoding';
import { isHeldByEnough, type LedgerState, verifyHolding } from '@cloister/ledger';
import type { ClockPort, HoldingPort, LargeResponse } from '@cloister/validator';
import type { AskMember } from './blob-pieces.ts';
import { decodeHoldAnswer, encodeHoldRequest, HOLD_ANSWER_BYTES_MAX, type HoldAnswer } from './holding-messages.ts';

/** How long a validator may take before another is asked beside it, and how long all may take: each, and a second for each MiB. */
export const HOLDER_PATIENCE_MS = 3_000;
export const COLLECT_MS = 30_000;
const MS_PER_BYTE: number = 1_000 / (1024 * 1024);
const RETRY_MS_FIRST = 50;
const RETRY_MS_MAX = 1_000;
/** Refusals after which the same validator may say something else. */
const PASSING: ReadonlySet<string> = new Set(['BUSY', 'TASK_UNKNOWN']);

export interface HoldingCollectorOptions {
  readonly chainId: Digest;
  readonly self: AccountId;
  readonly state: () => LedgerState;
  /** Connected members. */
  readonly connected: () => readonly AccountId[];
  /** One request of the hold protocol. */
  readonly request: AskMember;
  readonly clock: ClockPort;
  readonly isStopped: () => boolean;
}

/** One response on its way to its holders. */
class Collection {
  readonly response: LargeResponse;
  readonly held = new Map<AccountId, string>();
  /** Those who were asked → when they count as slow. */
  readonly asked = new Map<AccountId, number>();
  readonly refused = new Set<AccountId>();
  isOver = false;
  #wake: () => void = () => undefined;
  changed: Promise<void> = Promise.resolve();

  constructor(response: LargeResponse) {
    this.response = response;
    this.#renew();
  }

  #renew(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.changed = promise;
    this.#wake = resolve;
  }

  /** To be called when a validator has said its last word. */
  announce(): void {
    this.#wake();
    this.#renew();
  }
}

export class HoldingCollector implements HoldingPort {
  readonly #options: HoldingCollectorOptions;
  /** Validators that were slow or refused when they were asked last: they are asked after all others. At most one entry for each. */
  readonly #slow = new Set<AccountId>();

  constructor(options: HoldingCollectorOptions) {
    this.#options = options;
  }

  async collect(response: LargeResponse): Promise<ReadonlyMap<AccountId, string>> {
    const { clock } = this.#options;
    const collection = new Collection(response);
    const { held, refused } = collection;
    const moreMs = response.size * MS_PER_BYTE;
    const untilMs = clock.monotonicMs() + COLLECT_MS + moreMs;
    try {
      while (!this.#isEnough([...held.keys()]) && !this.#options.isStopped()) {
        const willing = this.#others().filter((id) => !refused.has(id));
        if (clock.monotonicMs() > untilMs || !this.#isEnough(willing)) break;
        this.#askMore(collection, HOLDER_PATIENCE_MS + moreMs);
        await Promise.race([collection.changed, clock.sleep(HOLDER_PATIENCE_MS / 6)]);
      }
    } finally {
      collection.isOver = true;
    }
    return held;
  }

  #isEnough(holders: readonly AccountId[]): boolean {
    return isHeldByEnough(this.#options.state(), this.#options.self, holders);
  }

  /** Validators other than this node. */
  #others(): readonly AccountId[] {
    const { self, state } = this.#options;
    return [...state().members.values()].flatMap(({ id, weight }) => (weight > 0 && id !== self ? [id] : []));
  }

  /** Asks further validators until those who hold or may still answer soon would be enough. */
  #askMore(collection: Collection, patienceMs: number): void {
    const { clock } = this.#options;
    const { asked, held, refused, response } = collection;
    const nowMs = clock.monotonicMs();
    const hopeful = [...held.keys()];
    for (const [id, slowMs] of asked) {
      if (held.has(id) || refused.has(id)) continue;
      if (nowMs < slowMs) hopeful.push(id);
      else this.#slow.add(id);
    }
    for (const id of this.#candidates(response.task)) {
      if (this.#isEnough(hopeful)) return;
      if (asked.has(id)) continue;
      asked.set(id, nowMs + patienceMs);
      hopeful.push(id);
      void this.#ask(id, collection);
    }
  }

  /** Connected validators: the quick ones first, then by weight; among equals each task begins with another. */
  #candidates(task: Digest): readonly AccountId[] {
    const { connected, state } = this.#options;
    const { members } = state();
    const there = new Set(connected());
    const ids = this.#others()
      .filter((id) => there.has(id))
      .sort();
    const first = ids.length === 0 ? 0 : Number.parseInt(task.slice(0, 8), 16) % ids.length;
    const weightOf = (id: AccountId): number => members.get(asValidatorId(id))?.weight ?? 0;
    const slowness = (id: AccountId): number => (this.#slow.has(id) ? 1 : 0);
    return [...ids.slice(first), ...ids.slice(0, first)].sort(
      (a, b) => slowness(a) - slowness(b) || weightOf(b) - weightOf(a),
    );
  }

  /** Asks one validator until it holds the response, refuses for good, or nobody waits any more. Never rejects. */
  async #ask(id: AccountId, collection: Collection): Promise<void> {
    const { chainId, clock, isStopped } = this.#options;
    const { held, refused, response } = collection;
    const bytes = encodeHoldRequest(response);
    for (
      let pauseMs = RETRY_MS_FIRST;
      !collection.isOver && !isStopped();
      pauseMs = Math.min(2 * pauseMs, RETRY_MS_MAX)
    ) {
      const answer = await this.#request(id, bytes);
      if (answer?.status === 'held') {
        const { task, responseDigest } = response;
        if (verifyHolding(answer.statement, { chainId, task, responseDigest }) === id) {
          held.set(id, answer.statement);
          this.#slow.delete(id);
        } else refused.add(id);
        break;
      }
      if (answer?.status === 'refused' && !PASSING.has(answer.code)) {
        refused.add(id);
        break;
      }
      await clock.sleep(pauseMs);
    }
    if (refused.has(id)) this.#slow.add(id);
    collection.announce();
  }

  async #request(id: AccountId, bytes: Uint8Array): Promise<HoldAnswer | undefined> {
    const answer = await this.#options.request(id, bytes, HOLD_ANSWER_BYTES_MAX).catch(() => undefined);
    const decoded = answer === undefined ? undefined : decodeHoldAnswer(answer);
    return decoded?.ok === true ? decoded.value : undefined;
  }
}
