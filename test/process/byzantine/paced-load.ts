/** Records written at a steady pace to honest validators, and what the network commits of them in a stretch of time. */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { asHeight, toHex } from '@cloister/encoding';
import { signTransaction } from '@cloister/ledger';
import type { Network } from '../harness.ts';
import { metric, statusOf } from '../node-api.ts';
import { submit } from '../transactions.ts';

const LIFETIME_HEIGHTS = 200;
/** Keys written to, over and over: the state does not grow. */
const KEYS = 20;

export type Pace = { readonly transactionsPerSecond: number; readonly blocksPerSecond: number };

export class PacedLoad {
  readonly #network: Network;
  readonly #key: Ed25519KeyPair;
  readonly #honest: readonly number[];
  #made = 0;
  #height = 0;
  #running = true;
  readonly #loop: Promise<void>;

  private constructor(network: Network, key: Ed25519KeyPair, honest: readonly number[], perSecond: number) {
    this.#network = network;
    this.#key = key;
    this.#honest = honest;
    this.#loop = this.#run(1_000 / perSecond);
  }

  static async start(network: Network, honest: readonly number[], perSecond: number): Promise<PacedLoad> {
    return new PacedLoad(network, await network.accountKey('tenant'), honest, perSecond);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
  }

  /** What the slowest honest validator executes during `forMs`. */
  async pace(forMs: number): Promise<Pace> {
    const startedMs = performance.now();
    const before = await Promise.all(this.#honest.map((index) => this.#counts(index)));
    await pause(forMs);
    const after = await Promise.all(this.#honest.map((index) => this.#counts(index)));
    const seconds = (performance.now() - startedMs) / 1_000;
    const least = (name: 'transactions' | 'height'): number =>
      Math.min(...after.map((counts, at) => counts[name] - (before[at]?.[name] ?? 0))) / seconds;
    return { transactionsPerSecond: least('transactions'), blocksPerSecond: least('height') };
  }

  async #counts(index: number): Promise<{ readonly transactions: number; readonly height: number }> {
    const api = this.#network.api(index);
    const [transactions, { height }] = await Promise.all([
      metric(api, 'cloister_transactions_total', '{outcome="committed"}'),
      statusOf(api),
    ]);
    this.#height = Math.max(this.#height, height);
    return { transactions, height };
  }

  async #run(intervalMs: number): Promise<void> {
    this.#height = (await statusOf(this.#network.api(this.#honest[0] ?? 0))).height;
    for (let nextMs = performance.now(); this.#running; nextMs += intervalMs) {
      await pause(Math.max(0, nextMs - performance.now()));
      const index = this.#honest[this.#made % this.#honest.length] ?? 0;
      // A refusal or a lost connection is part of what is measured: the record is not committed.
      submit(this.#network.api(index), this.#sign()).catch(() => undefined);
    }
  }

  #sign(): Uint8Array {
    const made = this.#made++;
    const signed = signTransaction(this.#key, {
      chainId: this.#network.layout.chainId,
      sender: this.#key.id,
      nonce: toHex(randomBytes(16)),
      expiryHeight: asHeight(this.#height + LIFETIME_HEIGHTS),
      kind: 'put-record',
      payload: { namespace: 'pace', key: `k${made % KEYS}`, value: `v${made}` },
    });
    if (!signed.ok) throw new Error(signed.code);
    return signed.value.bytes;
  }
}
