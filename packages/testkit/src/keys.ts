/** Keys and digests that a label makes, and the parties of the test network. */
import { type Ed25519KeyPair, ed25519KeyPair, hash } from '@cloister/crypto';
import { type Digest, fromHex, utf8 } from '@cloister/encoding';

export function seed(label: string): Uint8Array {
  return fromHex(hash('test/seed', utf8(label)));
}
export function keyOf(label: string): Ed25519KeyPair {
  return ed25519KeyPair(seed(label));
}
export function digestOf(label: string): Digest {
  return hash('test/digest', utf8(label));
}

export const v0: Ed25519KeyPair = keyOf('v0');
export const v1: Ed25519KeyPair = keyOf('v1');
export const v2: Ed25519KeyPair = keyOf('v2');
export const v3: Ed25519KeyPair = keyOf('v3');
export const validators: readonly Ed25519KeyPair[] = [v0, v1, v2, v3];
export const tenant: Ed25519KeyPair = keyOf('tenant');
export const owner: Ed25519KeyPair = keyOf('owner');
export const stranger: Ed25519KeyPair = keyOf('stranger');
