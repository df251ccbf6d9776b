/**
 * Remembers which transactions' signatures were verified here, so that each is checked once however often it arrives.
 *
 * The key is the transaction's id, which does not cover the signature, so the signature is compared too. A copy of it is
 * kept: a part of the transaction's bytes would keep the whole transaction, as many times as signatures are remembered.
 */
import { BoundedMap, type Digest, equalBytes } from '@cloister/encoding';
import { type Transaction, verifyTransaction } from '@cloister/ledger';

const REMEMBERED = 131_072;
const SIGNATURE_BYTES = 64;

export class TransactionSignatureCache {
  readonly #signatures: BoundedMap<Digest, Uint8Array>;

  constructor(capacity: number = REMEMBERED) {
    this.#signatures = new BoundedMap(capacity);
  }

  /** Whether exactly these wire bytes passed before. */
  has(transaction: Transaction): boolean {
    const known = this.#signatures.get(transaction.id);
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
    this.#signatures.set(transaction.id, signatureOf(transaction).slice());
  }
}

function signatureOf(transaction: Transaction): Uint8Array {
  return transaction.bytes.subarray(transaction.bytes.length - SIGNATURE_BYTES);
}
