/**
 * Ed25519 as node:crypto has it, and nothing after its no.
 *
 * Validators agree on ZIP-215, which takes a few odd signatures more, at ten times the cost of a good one. A door may be
 * stricter than the consensus behind it: no honest signer makes such a signature, and rubbish costs one cheap check here.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type AccountId, accountBytes, BoundedMap } from '@cloister/encoding';

const SPKI_PREFIX: Buffer = Buffer.from('302a300506032b6570032100', 'hex');
export const KEYS_KEPT = 1_024;

/** The keys asked for last: making one costs as much as half a verification. */
const keys = new BoundedMap<AccountId, KeyObject>(KEYS_KEPT);

function keyOf(account: AccountId): KeyObject {
  let key = keys.get(account);
  key ??= createPublicKey({ key: Buffer.concat([SPKI_PREFIX, accountBytes(account)]), format: 'der', type: 'spki' });
  keys.set(account, key);
  return key;
}

/** Keys that are ready now. */
export function keysKept(): number {
  return keys.size;
}

/** Whether an account signed a message, as OpenSSL judges. Never throws. */
export function verifyNatively(account: AccountId, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, message, keyOf(account), signature);
  } catch {
    return false;
  }
}
