/**
 * A network that delays, loses, repeats and reorders, and that can be cut in two.
 */
import type { SeededRandom } from '@cloister/crypto';
import type { Scheduler } from './scheduler.ts';

/** Delays in milliseconds, chances from 0 to 1. */
export interface NetworkProfile {
  readonly delayMsMin: number;
  /** Most of what lies above the minimum is small; this is the far end. */
  readonly delayMsMax: number;
  readonly loss: number;
  readonly duplication: number;
}

export const LOCAL_NETWORK: NetworkProfile = { delayMsMin: 1, delayMsMax: 12, loss: 0, duplication: 0 };
export const WIDE_NETWORK: NetworkProfile = { delayMsMin: 20, delayMsMax: 180, loss: 0.01, duplication: 0.01 };
export const LOSSY_NETWORK: NetworkProfile = { delayMsMin: 2, delayMsMax: 80, loss: 0.12, duplication: 0.08 };

function pairOf(a: number, b: number): string {
  return `${Math.min(a, b)} ${Math.max(a, b)}`;
}

export class FaultyNetwork {
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  profile: NetworkProfile;
  /** Group of each node; nodes in different groups do not hear each other. */
  #groups: readonly number[] | undefined;
  /** Pairs that do not talk to each other, smaller index first, and until when. */
  readonly #severed = new Map<string, number>();
  delivered = 0;
  lost = 0;

  constructor(scheduler: Scheduler, random: SeededRandom, profile: NetworkProfile) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.profile = profile;
  }

  /** Cuts the network: `groups[i]` is the side of node i. */
  partition(groups: readonly number[]): void {
    this.#groups = groups;
  }

  heal(): void {
    this.#groups = undefined;
  }

  /** Disconnects two nodes for a time, whatever else holds. */
  sever(a: number, b: number, untilMs: number): void {
    const pair = pairOf(a, b);
    this.#severed.set(pair, Math.max(untilMs, this.#severed.get(pair) ?? 0));
  }

  connected(from: number, to: number): boolean {
    if ((this.#severed.get(pairOf(from, to)) ?? 0) > this.#scheduler.nowMs) return false;
    return this.#groups === undefined || this.#groups[from] === this.#groups[to];
  }

  #chance(probability: number): boolean {
    return probability > 0 && this.#random.below(1_000_000) < probability * 1_000_000;
  }

  #delayMs(): number {
    const { delayMsMin, delayMsMax } = this.profile;
    // The product of two uniform draws: many short delays, a tail of long ones.
    const share = (this.#random.below(1000) * this.#random.below(1000)) / 1_000_000;
    return delayMsMin + share * (delayMsMax - delayMsMin);
  }

  /** Delivers later, perhaps twice, perhaps never; `deliver` runs at arrival. */
  send(from: number, to: number, deliver: () => void | Promise<void>): void {
    if (!this.connected(from, to) || this.#chance(this.profile.loss)) {
      this.lost++;
      return;
    }
    const copies = this.#chance(this.profile.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#scheduler.after(this.#delayMs(), () => {
        if (!this.connected(from, to)) {
          this.lost++;
          return undefined;
        }
        this.delivered++;
        return deliver();
      });
    }
  }
}
