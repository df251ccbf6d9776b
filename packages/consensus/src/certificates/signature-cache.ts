/**
 * Remembers good signatures: a vote is verified once, whether it comes alone or again inside certificates.
 *
 * Only good ones are kept, so a flood of forgeries pushes nothing out. Keyed by a digest of (signer, bytes, signature).
 */

import { hash } from '@cloister/crypto';
import { accountBytes, BoundedMap, type Digest, type ValidatorId } from '@cloister/encoding';
import { SIGNATURE_CACHE_SIZE } from '../messages/limits.ts';
import { checkSignature, type SignatureCheck } from './certificate.ts';

export class SignatureCache {
  readonly #check: SignatureCheck;
  readonly #good: BoundedMap<Digest, true>;
  #checked = 0;

  constructor(check: SignatureCheck = checkSignature, capacity: number = SIGNATURE_CACHE_SIZE) {
    this.#check = check;
    this.#good = new BoundedMap(capacity);
  }

  /** How many signatures were really checked so far, good and bad, those found in the cache not counted. */
  get checked(): number {
    return this.#checked;
  }

  /** As the check it was made with. */
  readonly check: SignatureCheck = (signer: ValidatorId, bytes: Uint8Array, signature: Uint8Array): boolean => {
    const key = hash('cloister/signature-cache', accountBytes(signer), bytes, signature);
    if (this.#good.has(key)) return true;
    this.#checked += 1;
    if (!this.#check(signer, bytes, signature)) return false;
    this.#good.set(key, true);
    return true;
  };
}
