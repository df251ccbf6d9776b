/**
 * Which transactions' signatures were verified here, so that each is checked once however often it arrives.
 *
 * Keyed by id, which leaves the signature out, so the very signature is compared too. Two generations bound the memory:
 * when the young one is full it becomes the old one, and what was there is forgotten.
 */
import { type Digest, equalBytes } from '@cloister/encoding';
import { type Transaction, verifyTransaction } from '@cloister/ledger';

const GENERATION_SIZE = 65_536;
const SIGNATURE_BYTES = 64;

export class SignatureCache {
  #young = new Map<Digest, Uint8Array>();
  #old = new Map<Digest, Uint8Array>();

  /** Whether exactly these wire bytes passed before. */
  has(transaction: Transaction): boolean {
    const known = this.#young.get(transaction.id) ?? this.#old.get(transaction.id);
    return known !== undefined && equalBytes(known, signatureOf(transaction));
  }

  /** Verifies unless it passed before. */
  verify(transaction: Transaction): boolean {
    if (this.has(transaction)) return true;
    if (!verifyTransaction(transaction)) return false;
    this.add(transaction);
    return true;
  }

  /** Remembers a transaction whose signature was verified. */
  add(transaction: Transaction): void {
    if (this.#young.size >= GENERATION_SIZE) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(transaction.id, signatureOf(transaction));
  }
}

function signatureOf(transaction: Transaction): Uint8Array {
  return transaction.bytes.subarray(transaction.bytes.length - SIGNATURE_BYTES);
}
