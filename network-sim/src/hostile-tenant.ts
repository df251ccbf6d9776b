/** A tenant who hands in records of the largest size, as many as nodes take: what is then left to others is for the pool and the blocks to say. */

import type { Ed25519KeyPair, SeededRandom } from '@cloister/crypto';
import { asHeight, type Digest, toHex } from '@cloister/encoding';
import { signTransaction } from '@cloister/ledger';

const LIFETIME_HEIGHTS = 200;
/** Nearly all of what a transaction may hold. */
const VALUE_BYTES = 8_000;
/** Keys written to, over and over: what the account may leave in the state is another bound. */
const KEYS = 20;

export class HostileTenant {
  readonly #chainId: Digest;
  readonly #key: Ed25519KeyPair;
  readonly #random: SeededRandom;
  #made = 0;
  #taken = 0;

  constructor(chainId: Digest, key: Ed25519KeyPair, random: SeededRandom) {
    this.#chainId = chainId;
    this.#key = key;
    this.#random = random;
  }

  answered(taken: boolean): void {
    if (taken) this.#taken++;
  }

  summary(): { readonly sent: number; readonly taken: number } {
    return { sent: this.#made, taken: this.#taken };
  }

  /** Wire form of the next transaction. */
  next(height: number): Uint8Array | undefined {
    const signed = signTransaction(this.#key, {
      chainId: this.#chainId,
      sender: this.#key.id,
      nonce: toHex(this.#random.bytes(16)),
      expiryHeight: asHeight(height + LIFETIME_HEIGHTS),
      kind: 'put-record',
      payload: {
        namespace: `n-${this.#key.id.slice(0, 8)}`,
        key: `k${this.#made++ % KEYS}`,
        value: 'x'.repeat(VALUE_BYTES),
      },
    });
    return signed.ok ? signed.value.bytes : undefined;
  }
}
