/** A node outside the validator set hands its transactions to one validator, and to the next one when that fails. */
import type { Transaction } from '@cloister/ledger';
import { FORWARD_ATTEMPTS_MAX, FORWARD_TRANSACTIONS_MAX, SYNC_TIMEOUT_MS } from '../limits.ts';
import type { RequestDesk } from '../sync/request-desk.ts';
import type { SyncPeers } from '../sync/sync-peers.ts';

/** Refusals that another validator may not share. */
const RETRY_CODES: ReadonlySet<string> = new Set(['BACKPRESSURE', 'HALTED', 'NOT_ACCEPTING']);
/** An answer holds one code for each transaction. */
const ANSWER_BYTES_MAX = 4 * 1024;

export class Forwarder {
  readonly #peers: SyncPeers;
  readonly #desk: RequestDesk;

  constructor(peers: SyncPeers, desk: RequestDesk) {
    this.#peers = peers;
    this.#desk = desk;
  }

  forward(transactions: readonly Transaction[], attempt = 0): void {
    for (let start = 0; start < transactions.length; start += FORWARD_TRANSACTIONS_MAX) {
      this.#forwardSome(transactions.slice(start, start + FORWARD_TRANSACTIONS_MAX), attempt);
    }
  }

  #forwardSome(transactions: readonly Transaction[], attempt: number): void {
    const peer = this.#peers.pick(attempt, this.#peers.validators());
    const request = { type: 'submit', transactions: transactions.map(({ bytes }) => bytes) } as const;
    const options = { timeoutMs: SYNC_TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX };
    this.#desk.ask(peer, request, options, ({ response }) => {
      const refused =
        response === undefined
          ? transactions
          : transactions.filter((_, index) => RETRY_CODES.has(response.codes[index] ?? ''));
      if (refused.length > 0 && attempt + 1 < FORWARD_ATTEMPTS_MAX) this.#forwardSome(refused, attempt + 1);
    });
  }
}
