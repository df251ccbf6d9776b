/**
 * Challenge and response between a challenger (validator or tenant) and an enclave, before a workload is sent.
 *
 * The challenger draws 32 random bytes; the answer's evidence carries them as nonce, for the purpose "challenge", so it is
 * never admitted on the ledger. The enclave's sign key also signs challenge and evidence digest, which binds the answer to
 * this challenger. A replay fails on the nonce, a relayed answer of another node on the node id, which must be that of the
 * peer that the connection authenticated.
 */

import { hash, verifyEd25519 } from '@cloister/crypto';
import {
  type AccountId,
  accountBytes,
  ByteWriter,
  type Digest,
  decodeWith,
  digestToBytes,
  fail,
  fromHex,
  ok,
  type Result,
  toHex,
  utf8,
} from '@cloister/encoding';
import { type Appraisal, type AppraisalCode, appraise } from '../appraisal/appraise.ts';
import type { AttestationResult } from '../appraisal/attestation-result.ts';
import {
  type BundleCode,
  decodeEvidenceBundle,
  type EvidenceBundle,
  encodeEvidenceBundle,
  evidenceDigest,
  MAX_BUNDLE_BYTES,
} from './evidence.ts';

/** A question put to one node's enclave. */
export interface Challenge {
  readonly chainId: Digest;
  /** Who asks: a validator or a tenant. */
  readonly challenger: AccountId;
  /** The node whose enclave is asked. */
  readonly target: AccountId;
  /** 32 fresh random bytes, hex. */
  readonly nonce: string;
}

/** Evidence made for one challenge, signed by the attested sign key. */
export interface ChallengeAnswer {
  readonly bundle: EvidenceBundle;
  /** Ed25519, 64 bytes, over `challengeSigningBytes`. */
  readonly signature: Uint8Array;
}

/** Bytes of an encoded challenge. */
export const CHALLENGE_BYTES = 128;
/** Largest encoded answer, in bytes: what a transport need accept. */
export const MAX_ANSWER_BYTES: number = MAX_BUNDLE_BYTES + 68;

/** A challenge over fresh randomness: `nonce` has 32 bytes, never used before. */
export function makeChallenge(fields: {
  readonly chainId: Digest;
  readonly challenger: AccountId;
  readonly target: AccountId;
  readonly nonce: Uint8Array;
}): Challenge {
  const { chainId, challenger, target, nonce } = fields;
  return { chainId, challenger, target, nonce: toHex(nonce) };
}

/** Chain id, challenger, target and nonce, 32 bytes each. */
export function encodeChallenge(challenge: Challenge): Uint8Array {
  return new ByteWriter(CHALLENGE_BYTES)
    .digest(challenge.chainId)
    .account(challenge.challenger)
    .account(challenge.target)
    .fixed(fromHex(challenge.nonce))
    .finish();
}

/** Inverse of `encodeChallenge`. Never throws. */
export function decodeChallenge(bytes: Uint8Array): Result<Challenge, 'CHALLENGE_MALFORMED'> {
  const decoded = decodeWith(bytes, (reader) => ({
    chainId: reader.digest(),
    challenger: reader.account(),
    target: reader.account(),
    nonce: toHex(reader.fixed(32)),
  }));
  return decoded.ok ? decoded : fail('CHALLENGE_MALFORMED', decoded.detail);
}

/** Names a challenge. */
export function challengeDigest(challenge: Challenge): Digest {
  const { chainId, challenger, target, nonce } = challenge;
  return hash(
    'cloister/challenge/v1',
    digestToBytes(chainId),
    accountBytes(challenger),
    accountBytes(target),
    fromHex(nonce),
  );
}

/** What the sign key signs: "CLOISTER/CHALLENGE/1\0" ‖ challenge digest ‖ evidence digest. */
export function challengeSigningBytes(challenge: Challenge, bundle: EvidenceBundle): Uint8Array {
  return new ByteWriter(96)
    .fixed(utf8('CLOISTER/CHALLENGE/1\0'))
    .digest(challengeDigest(challenge))
    .digest(evidenceDigest(bundle))
    .finish();
}

/** Answers with evidence whose runtime data names this challenge's nonce. Runs inside the enclave. */
export function answerChallenge(
  challenge: Challenge,
  bundle: EvidenceBundle,
  sign: (message: Uint8Array) => Uint8Array,
): ChallengeAnswer {
  return { bundle, signature: sign(challengeSigningBytes(challenge, bundle)) };
}

/** Length-prefixed bundle, then the signature. */
export function encodeChallengeAnswer(answer: ChallengeAnswer): Uint8Array {
  return new ByteWriter(8192).var(encodeEvidenceBundle(answer.bundle)).fixed(answer.signature).finish();
}

/** Inverse of `encodeChallengeAnswer`. Never throws. */
export function decodeChallengeAnswer(bytes: Uint8Array): Result<ChallengeAnswer, 'ANSWER_MALFORMED' | BundleCode> {
  const decoded = decodeWith(bytes, (reader) => ({
    bundle: reader.var(MAX_BUNDLE_BYTES),
    signature: reader.fixed(64),
  }));
  if (!decoded.ok) return fail('ANSWER_MALFORMED', decoded.detail);
  const bundle = decodeEvidenceBundle(decoded.value.bundle);
  return bundle.ok ? ok({ bundle: bundle.value, signature: decoded.value.signature }) : bundle;
}

export type ChallengeCode = 'CHALLENGE_PEER_MISMATCH' | 'CHALLENGE_SIGNATURE' | AppraisalCode;

export interface ChallengeVerification extends Omit<Appraisal, 'bundle' | 'expected'> {
  readonly challenge: Challenge;
  readonly answer: ChallengeAnswer;
  /** The node that the connection authenticated. */
  readonly peer: AccountId;
  /** The node's keyset on the ledger, when it has one. */
  readonly ledgerKeyset?: Digest | undefined;
}

/**
 * Verifies an answer in full: right peer, then everything `appraise` checks with the challenge's chain, node and nonce and
 * the purpose "challenge", then the signature. PURPOSE_MISMATCH is evidence made for the ledger, NONCE_MISMATCH a replay,
 * NODE_ID_MISMATCH a relay.
 */
export function verifyChallengeAnswer(input: ChallengeVerification): Result<AttestationResult, ChallengeCode> {
  const { challenge, answer, peer, ledgerKeyset, ...appraisal } = input;
  if (challenge.target !== peer) return fail('CHALLENGE_PEER_MISMATCH');
  const result = appraise({
    ...appraisal,
    bundle: answer.bundle,
    expected: {
      chainId: challenge.chainId,
      purpose: 'challenge',
      nodeId: challenge.target,
      nonce: challenge.nonce,
      ...(ledgerKeyset === undefined ? {} : { keyset: ledgerKeyset }),
    },
  });
  if (!result.ok) return result;
  const signed = challengeSigningBytes(challenge, answer.bundle);
  const signKey = fromHex(result.value.runtime.sign_key);
  return verifyEd25519(signKey, signed, answer.signature) ? result : fail('CHALLENGE_SIGNATURE');
}
