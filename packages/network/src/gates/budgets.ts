/**
 * Which budget a peer draws on. Validators have one for what they send and one for what is served to them; members without
 * weight and strangers have one each for everything. What a handshake costs is charged to the place that it came from, before
 * anybody knows who is there, and given back when it was a validator.
 */
import type { Connection, MultiaddrConnection } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { ARRIVAL_WAIT_MS, ARRIVALS_BURST_MS, ARRIVALS_WAITING_MAX, HANDSHAKE_MS } from '../limits.ts';
import { prefixOf, SHARED_ADDRESS } from '../peers/addresses.ts';
import type { PeerBook } from '../peers/peer-book.ts';
import type { NetworkCounters, NetworkLimits } from '../types.ts';
import { type Party, WorkBudget } from './work-budget.ts';

export type Purse = { readonly budget: WorkBudget; readonly party: Party };

export class WorkBudgets {
  readonly #book: PeerBook;
  readonly #validatorsSend: WorkBudget;
  readonly #validatorsAsk: WorkBudget;
  readonly #weightless: WorkBudget;
  readonly #strangers: WorkBudget;
  readonly #arrivals: WorkBudget;
  /** Connections of each group that wait for their handshake. */
  readonly #arriving = new Map<string, number>();
  /** Connections whose handshake was given back. */
  readonly #welcomed = new WeakSet<Connection>();
  /** Time that handlers of whole messages took, which is not the cost of receiving them. */
  handledMs = 0;

  constructor(book: PeerBook, limits: NetworkLimits, counters: NetworkCounters) {
    this.#book = book;
    const nowMs = (): number => performance.now();
    const budget = (msPerSecond: number, burstMs: number, spent: (ms: number) => void): WorkBudget =>
      new WorkBudget({ msPerSecond, burstMs, waitingMax: limits.turnsWaitingMax, nowMs, spent });
    const free = (): void => undefined;
    this.#validatorsSend = budget(limits.validatorWorkMsPerSecond, 1_000, free);
    this.#validatorsAsk = budget(limits.validatorServeMsPerSecond, 1_000, free);
    this.#weightless = budget(limits.weightlessWorkMsPerSecond, 4 * limits.weightlessWorkMsPerSecond, (ms) => {
      counters.weightlessWorkMs += ms;
    });
    this.#strangers = budget(limits.strangerWorkMsPerSecond, 4 * limits.strangerWorkMsPerSecond, (ms) => {
      counters.strangerWorkMs += ms;
    });
    this.#arrivals = budget(limits.arrivalWorkMsPerSecond, ARRIVALS_BURST_MS, (ms) => {
      counters.arrivalWorkMs += ms;
    });
  }

  /** For what a peer sends. */
  sending(peerId: string, address: Multiaddr): Purse {
    return this.#purse(peerId, address, this.#validatorsSend);
  }

  /** For what a peer asks. */
  asking(peerId: string, address: Multiaddr): Purse {
    return this.#purse(peerId, address, this.#validatorsAsk);
  }

  /** Resolves true when a connection of a peer that nobody knows yet may begin its handshake. */
  async arrive(connection: Pick<MultiaddrConnection, 'remoteAddr' | 'status'>): Promise<boolean> {
    const group = groupOf(connection.remoteAddr);
    const waiting = this.#arriving.get(group) ?? 0;
    if (waiting >= ARRIVALS_WAITING_MAX) return false;
    this.#arriving.set(group, waiting + 1);
    try {
      const party = { group, peer: group };
      if (!(await this.#arrivals.turn(party, HANDSHAKE_MS, ARRIVAL_WAIT_MS))) return false;
      if (connection.status === 'open') return true;
      // It left while it waited: no handshake begins.
      this.#arrivals.charge(party, -HANDSHAKE_MS);
      return false;
    } finally {
      const left = (this.#arriving.get(group) ?? 1) - 1;
      if (left > 0) this.#arriving.set(group, left);
      else this.#arriving.delete(group);
    }
  }

  /** The peer behind a connection is a member, so its handshake is not charged to strangers. */
  welcome(connection: Connection): void {
    if (connection.direction !== 'inbound' || this.#welcomed.has(connection)) return;
    this.#welcomed.add(connection);
    const group = groupOf(connection.remoteAddr);
    this.#arrivals.charge({ group, peer: group }, -HANDSHAKE_MS);
  }

  /** Runs a handler of a whole message, apart from the cost of receiving it. */
  handle(handler: () => void): void {
    const startMs = performance.now();
    try {
      handler();
    } finally {
      this.handledMs += performance.now() - startMs;
    }
  }

  stop(): void {
    for (const budget of [this.#validatorsSend, this.#validatorsAsk, this.#weightless, this.#strangers, this.#arrivals])
      budget.stop();
  }

  #purse(peerId: string, address: Multiaddr, validators: WorkBudget): Purse {
    const member = this.#book.isKnownPeer(peerId) ? this.#book.accountOf(peerId) : undefined;
    if (member === undefined) return { budget: this.#strangers, party: { group: groupOf(address), peer: peerId } };
    const party = { group: member, peer: peerId };
    return { budget: this.#book.hasWeight(member) ? validators : this.#weightless, party };
  }
}

export function groupOf(address: Multiaddr): string {
  return prefixOf(address) ?? SHARED_ADDRESS;
}
