/**
 * Processor time for a class of peers: a bucket of milliseconds that refills at a share of one core. Work waits for its
 * turn while the bucket is empty. The turn goes to the party that used the least lately: first among groups (an address
 * prefix, a member), then among the peers of a group. So a peer that floods waits behind one that asks now and then,
 * and all of a class together never take more than their share from the thread that votes.
 */
import { BoundedMap } from '@cloister/encoding';

/** Who works. What a group used is remembered across connections. */
export type Party = { readonly group: string; readonly peer: string };

type Waiting = {
  readonly party: Party;
  readonly estimateMs: number;
  readonly untilMs: number;
  readonly resolve: (granted: boolean) => void;
};

/** What was used is forgotten with this half-life. */
const HALF_LIFE_MS = 5_000;
const ACCOUNTS_MAX = 1_024;
/** One measurement may hold a pause of the whole process: it never counts as more than this. */
const CHARGE_MS_MAX = 60;

/** Milliseconds used of late by each name. */
class Usage {
  readonly #used = new BoundedMap<string, { ms: number; atMs: number }>(ACCOUNTS_MAX);

  get size(): number {
    return this.#used.size;
  }

  of(name: string, nowMs: number): number {
    const entry = this.#used.get(name);
    return entry === undefined ? 0 : entry.ms * 2 ** ((entry.atMs - nowMs) / HALF_LIFE_MS);
  }

  add(name: string, ms: number, nowMs: number): void {
    const sum = Math.max(0, this.of(name, nowMs) + ms);
    this.#used.set(name, { ms: sum, atMs: nowMs });
  }
}

export class WorkBudget {
  readonly #msPerMs: number;
  readonly #burstMs: number;
  readonly #waitingMax: number;
  readonly #nowMs: () => number;
  readonly #spent: (ms: number) => void;
  readonly #groups = new Usage();
  readonly #peers = new Usage();
  readonly #waiting: Waiting[] = [];
  #tokensMs: number;
  #filledAtMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    /** Milliseconds of work in a second: 50 is a twentieth of a core. */
    readonly msPerSecond: number;
    readonly burstMs: number;
    /** Turns waited for at once; what is beyond is refused. */
    readonly waitingMax: number;
    readonly nowMs: () => number;
    /** Told what was used, for the metrics. */
    readonly spent: (ms: number) => void;
  }) {
    this.#msPerMs = options.msPerSecond / 1_000;
    this.#burstMs = options.burstMs;
    this.#waitingMax = options.waitingMax;
    this.#nowMs = options.nowMs;
    this.#spent = options.spent;
    this.#tokensMs = options.burstMs;
    this.#filledAtMs = options.nowMs();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Accounts held. */
  get size(): number {
    return this.#groups.size + this.#peers.size;
  }

  /** Takes a turn at once, or leaves it: false while the bucket is empty or others wait. */
  tryTurn(party: Party, estimateMs: number): boolean {
    this.#fill();
    if (this.#tokensMs <= 0 || this.#waiting.length > 0) return false;
    this.charge(party, estimateMs);
    return true;
  }

  /**
   * Resolves true when it is this party's turn, with `estimateMs` charged already; false when it did not come within
   * `waitMs` or too many wait.
   */
  turn(party: Party, estimateMs: number, waitMs: number): Promise<boolean> {
    if (this.tryTurn(party, estimateMs)) return Promise.resolve(true);
    if (this.#waiting.length >= this.#waitingMax) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push({ party, estimateMs, untilMs: this.#nowMs() + waitMs, resolve });
      this.#arm();
    });
  }

  /** Counts work that was done; a negative number gives back what a turn charged too much. */
  charge({ group, peer }: Party, ms: number): void {
    const counted = Math.min(ms, CHARGE_MS_MAX);
    const nowMs = this.#nowMs();
    this.#fill();
    this.#tokensMs = Math.min(this.#burstMs, this.#tokensMs - counted);
    this.#groups.add(group, counted, nowMs);
    this.#peers.add(peer, counted, nowMs);
    this.#spent(counted);
  }

  /** Whoever waits is refused. */
  stop(): void {
    clearTimeout(this.#timer);
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
  }

  #fill(): void {
    const nowMs = this.#nowMs();
    this.#tokensMs = Math.min(this.#burstMs, this.#tokensMs + (nowMs - this.#filledAtMs) * this.#msPerMs);
    this.#filledAtMs = nowMs;
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#waiting.length === 0) return;
    // One long piece of work may leave a debt that outlasts a deadline. Those whose time is up are told in time.
    const delayMs = Math.min(250, Math.max(1, Math.ceil(-this.#tokensMs / this.#msPerMs)));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#grant();
      this.#arm();
    }, delayMs);
    this.#timer.unref();
  }

  #grant(): void {
    const nowMs = this.#nowMs();
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const waiting = this.#waiting[i];
      if (waiting === undefined || waiting.untilMs > nowMs) continue;
      this.#waiting.splice(i, 1);
      waiting.resolve(false);
    }
    this.#fill();
    while (this.#tokensMs > 0) {
      const next = this.#leastUsed(nowMs);
      if (next === undefined) return;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      this.charge(next.party, next.estimateMs);
      next.resolve(true);
    }
  }

  /** The first of those whose group, then whose peer, used the least. */
  #leastUsed(nowMs: number): Waiting | undefined {
    let best: { waiting: Waiting; group: number; peer: number } | undefined;
    for (const waiting of this.#waiting) {
      const group = this.#groups.of(waiting.party.group, nowMs);
      const peer = this.#peers.of(waiting.party.peer, nowMs);
      if (best === undefined || group < best.group || (group === best.group && peer < best.peer)) {
        best = { waiting, group, peer };
      }
    }
    return best?.waiting;
  }
}
