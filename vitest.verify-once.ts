/**
 * Many validators live in one process of a simulation, and each verifies what the others have verified already. Whether a
 * signature is good follows from its bytes alone, so in tests the true answer is kept and each signature is verified once.
 */
import { hash } from 'node:crypto';
import { backend } from './packages/crypto/src/backends/backend-node.ts';

const ANSWERS_MAX = 100_000;

type Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

/** The lengths of key and signature are checked by the callers, so the bytes one after another say which is which. */
function once(verify: Verify): Verify {
  // Runs before each file; several files may share a process.
  if (verify.name === verifyOnce.name) return verify;
  const answers = new Map<string, boolean>();
  function verifyOnce(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    const key = hash('sha256', Buffer.concat([publicKey, signature, message]), 'latin1');
    const known = answers.get(key);
    if (known !== undefined) return known;
    const answer = verify(publicKey, message, signature);
    if (answers.size === ANSWERS_MAX) answers.clear();
    answers.set(key, answer);
    return answer;
  }
  return verifyOnce;
}

backend.ed25519Verify = once(backend.ed25519Verify);
backend.ed25519VerifyExact = once(backend.ed25519VerifyExact);
