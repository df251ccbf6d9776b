/**
 * Decides which peers are cut off, why and for how long. An offence is something that no honest peer sends; the code
 * that saw it names the peer and the kind. Offences add up to points, points fade, and a peer that reaches the
 * threshold is cut off for a back-off that doubles each time. A back-off outlives the connection: it belongs to the
 * member's id, to the libp2p name, and, for whoever has no weight, to the network prefix, so that a new key from the
 * same place starts no new account.
 */
import type { Offence } from '@cloister/encoding';

/** Points at which a peer is cut off; they fade at the same number a minute, so that a rare mistake costs nothing. */
const POINTS_MAX = 100;
const FADE_POINTS_PER_MS = POINTS_MAX / 60_000;
/** A prefix stands for many peers: it takes four cut-offs' worth of offences within a minute to close it. */
const PREFIX_POINTS_MAX: number = 4 * POINTS_MAX;
/**
 * A silent peer costs only time, and a slow or partitioned peer looks the same. So silence is counted and never cuts a
 * peer off.
 */
const POINTS: Record<Offence, number> = { FORGED: 30, MALFORMED: 30, UNASKED: 30, LIED: 60, FLOOD: 12, SILENT: 0 };

const BACK_OFF_MS_MIN = 5_000;
const BACK_OFF_MS_MAX = 600_000;
/** One doubling is forgiven for each of these stretches without a cut-off. */
const FORGIVE_MS: number = 2 * BACK_OFF_MS_MAX;
/** Accounts kept of each kind; the one that was touched longest ago leaves first, one that is cut off last. */
const ACCOUNTS_MAX = 2_048;

type Account = {
  points: number;
  atMs: number;
  cutOffs: number;
  untilMs: number;
};

/** By what a peer is known. `prefix` is undefined where one address stands for everybody, as on loopback. */
export type Identity = { readonly key: string; readonly prefix: string | undefined };

export class PeerReputation {
  readonly #nowMs: () => number;
  readonly #peers = new Map<string, Account>();
  readonly #prefixes = new Map<string, Account>();

  /** `nowMs`: a clock that never goes back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Accounts held, of peers and of prefixes together. */
  get size(): number {
    return this.#peers.size + this.#prefixes.size;
  }

  /** Adds an offence up. @returns for how many milliseconds this offence cut the peer off; 0 when it did not. */
  blame({ key, prefix }: Identity, offence: Offence): number {
    const points = POINTS[offence];
    if (points === 0) return 0;
    if (prefix !== undefined) this.#charge(this.#prefixes, prefix, points, PREFIX_POINTS_MAX);
    return this.#charge(this.#peers, key, points, POINTS_MAX);
  }

  isCutOff(key: string): boolean {
    return this.#isRunning(this.#peers.get(key));
  }

  /** Concerns only those who are no known members: a member behind a closed prefix has an account of its own. */
  isPrefixCutOff(prefix: string | undefined): boolean {
    return prefix !== undefined && this.#isRunning(this.#prefixes.get(prefix));
  }

  /** A libp2p name turned out to be a member's: what it did before goes with it. */
  merge(from: string, to: string): void {
    const account = this.#peers.get(from);
    if (account === undefined || from === to) return;
    const known = this.#peers.get(to);
    if (known === undefined || known.untilMs < account.untilMs) this.#keep(this.#peers, to, { ...account });
  }

  #isRunning(account: Account | undefined): boolean {
    return account !== undefined && this.#nowMs() < account.untilMs;
  }

  #charge(accounts: Map<string, Account>, key: string, points: number, pointsMax: number): number {
    const nowMs = this.#nowMs();
    const account = accounts.get(key) ?? { points: 0, atMs: nowMs, cutOffs: 0, untilMs: nowMs };
    account.points = Math.max(0, account.points - (nowMs - account.atMs) * FADE_POINTS_PER_MS) + points;
    account.atMs = nowMs;
    this.#keep(accounts, key, account);
    if (account.points < pointsMax || nowMs < account.untilMs) return 0;
    const forgiven = Math.floor((nowMs - account.untilMs) / FORGIVE_MS);
    account.cutOffs = Math.max(0, account.cutOffs - forgiven);
    const backOffMs = Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** account.cutOffs);
    account.cutOffs = Math.min(16, account.cutOffs + 1);
    account.untilMs = nowMs + backOffMs;
    account.points = 0;
    return backOffMs;
  }

  #keep(accounts: Map<string, Account>, key: string, account: Account): void {
    accounts.delete(key);
    accounts.set(key, account);
    if (accounts.size <= ACCOUNTS_MAX) return;
    for (const [oldest, held] of accounts) {
      if (this.#isRunning(held) || oldest === key) continue;
      accounts.delete(oldest);
      return;
    }
    accounts.delete(accounts.keys().next().value ?? key);
  }
}
