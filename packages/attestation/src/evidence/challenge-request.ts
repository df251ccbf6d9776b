/**
 * A challenge as it is handed in: alone, or followed by a signature of its challenger. A signed one is counted to the
 * challenger's account, and not to the address that it comes from.
 *     challenge 128 ‖ nothing | Ed25519 signature 64 over "CLOISTER/CHALLENGE-REQUEST/1\0" ‖ challenge digest
 */

import { verifyEd25519 } from '@cloister/crypto';
import { accountBytes, ByteWriter, concatBytes, fail, ok, type Result, utf8 } from '@cloister/encoding';
import { CHALLENGE_BYTES, type Challenge, challengeDigest, decodeChallenge, encodeChallenge } from './challenge.ts';

const SIGNATURE_BYTES = 64;
/** Bytes of the longer form. */
export const CHALLENGE_REQUEST_BYTES_MAX: number = CHALLENGE_BYTES + SIGNATURE_BYTES;

export interface ChallengeRequest {
  readonly challenge: Challenge;
  /** Undefined for one that nobody signed. */
  readonly signature: Uint8Array | undefined;
}

function signingBytes(challenge: Challenge): Uint8Array {
  return new ByteWriter(64).fixed(utf8('CLOISTER/CHALLENGE-REQUEST/1\0')).digest(challengeDigest(challenge)).finish();
}

/** A challenge signed by its challenger. */
export function signChallengeRequest(challenge: Challenge, sign: (message: Uint8Array) => Uint8Array): Uint8Array {
  return concatBytes(encodeChallenge(challenge), sign(signingBytes(challenge)));
}

/** Either form; the signature is not checked here. Never throws. */
export function decodeChallengeRequest(bytes: Uint8Array): Result<ChallengeRequest, 'CHALLENGE_MALFORMED'> {
  const signed = bytes.length === CHALLENGE_REQUEST_BYTES_MAX;
  if (!signed && bytes.length !== CHALLENGE_BYTES) return fail('CHALLENGE_MALFORMED', `${bytes.length} bytes`);
  const challenge = decodeChallenge(bytes.subarray(0, CHALLENGE_BYTES));
  if (!challenge.ok) return challenge;
  return ok({ challenge: challenge.value, signature: signed ? bytes.slice(CHALLENGE_BYTES) : undefined });
}

/** Whether the challenger itself asks. */
export function isSignedByChallenger({ challenge, signature }: ChallengeRequest): boolean {
  if (signature === undefined) return false;
  return verifyEd25519(accountBytes(challenge.challenger), signingBytes(challenge), signature);
}
