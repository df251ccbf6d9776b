/** Clients that write records, each in a namespace of its own, and what became of their transactions. */

import type { Ed25519KeyPair, SeededRandom } from '@cloister/crypto';
import { asHeight, type Digest, toHex } from '@cloister/encoding';
import { type ExecutionFate, signTransaction } from '@cloister/ledger';

/** How far ahead of the height that the client sees its transactions expire. */
const LIFETIME_HEIGHTS = 200;
const KEYS = 20;

export class ClientLoad {
  readonly #chainId: Digest;
  readonly #clients: readonly Ed25519KeyPair[];
  readonly #random: SeededRandom;
  readonly #admitted = new Set<Digest>();
  readonly #executed = new Set<Digest>();
  #made = 0;

  constructor(chainId: Digest, clients: readonly Ed25519KeyPair[], random: SeededRandom) {
    this.#chainId = chainId;
    this.#clients = clients;
    this.#random = random;
  }

  /** Uniform in 0 … bound-1. */
  pick(bound: number): number {
    return this.#random.below(Math.max(1, bound));
  }

  /** Wire form of the next transaction. */
  next(height: number): Uint8Array | undefined {
    const client = this.#clients[this.pick(this.#clients.length)];
    if (client === undefined) return undefined;
    const made = this.#made++;
    const signed = signTransaction(client, {
      chainId: this.#chainId,
      sender: client.id,
      nonce: toHex(this.#random.bytes(16)),
      expiryHeight: asHeight(height + LIFETIME_HEIGHTS),
      kind: 'put-record',
      payload: { namespace: `n-${client.id.slice(0, 8)}`, key: `k${made % KEYS}`, value: `v${made}` },
    });
    return signed.ok ? signed.value.bytes : undefined;
  }

  admitted(id: Digest): void {
    this.#admitted.add(id);
  }

  executed(fates: readonly ExecutionFate[]): void {
    for (const { id, fate } of fates) if (fate !== 'IGNORED') this.#executed.add(id);
  }

  summary(): { readonly admitted: number; readonly executed: number } {
    const executed = [...this.#admitted].filter((id) => this.#executed.has(id)).length;
    return { admitted: this.#admitted.size, executed };
  }
}
