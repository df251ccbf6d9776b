/**
 * A sign of presence: the attested sign key signs a fresh challenge, without new evidence.
 *
 * It proves that the party that answers holds the key now. What the key's holder is, evidence has shown before: whoever
 * relies on presence must hold that evidence, still standing, and take new evidence when the key, the policy or its own
 * bound of age changes. Evidence costs a platform tens of milliseconds, a signature none to speak of.
 */

import { verifyEd25519 } from '@cloister/crypto';
import { ByteWriter, fromHex, utf8 } from '@cloister/encoding';
import { type Challenge, challengeDigest } from './challenge.ts';

/** Another domain than `challengeSigningBytes`: neither answer passes for the other. */
function signingBytes(challenge: Challenge): Uint8Array {
  return new ByteWriter(64).fixed(utf8('CLOISTER/PRESENCE/1\0')).digest(challengeDigest(challenge)).finish();
}

/** Signs a challenge inside the enclave: 64 bytes. */
export function answerPresence(challenge: Challenge, sign: (message: Uint8Array) => Uint8Array): Uint8Array {
  return sign(signingBytes(challenge));
}

/** Whether the holder of `signKey` (32 bytes of hex) answered this very challenge. */
export function verifyPresence(challenge: Challenge, answer: Uint8Array, signKey: string): boolean {
  return answer.length === 64 && verifyEd25519(fromHex(signKey), signingBytes(challenge), answer);
}
