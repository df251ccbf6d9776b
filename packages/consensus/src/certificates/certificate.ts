/**
 * A certificate is one statement with signatures of members of weight ≥ q.
 *
 * It is checked whole: one forged signature makes it invalid, also beside q good ones. So a node that relays a
 * certificate vouches for each signer in it, and fault evidence taken from it names only validators that signed.
 */

import { verifyEd25519Exact } from '@cloister/crypto';
import { accountBytes, assert, type Digest, fail, ok, type Result, type ValidatorId } from '@cloister/encoding';
import { statementBytes } from '../messages/signed-bytes.ts';
import type {
  Certificate,
  NullifyStatement,
  PropositionKind,
  PropositionStatement,
  ValidatorSet,
  Vote,
} from '../messages/types.ts';
import { validatorIndex } from './validator-set.ts';

export type CertificateCode =
  | 'BITMAP_LENGTH'
  | 'BITMAP_PADDING'
  | 'SIGNATURE_COUNT'
  | 'INSUFFICIENT_WEIGHT'
  | 'BAD_SIGNATURE';

/** `checkSignature` or something that remembers its answers. */
export type SignatureCheck = (signer: ValidatorId, bytes: Uint8Array, signature: Uint8Array) => boolean;

/**
 * The exact rule: genesis and governance admit acceptable keys only, so all agree, and a forgery costs no more than a good
 * signature. Under ZIP-215 it cost fourteen times as much, which let one validator stop the others with forged votes.
 */
export const checkSignature: SignatureCheck = (signer, bytes, signature) =>
  verifyEd25519Exact(accountBytes(signer), bytes, signature);

/** Whether it only names its statement (see `Justification`). */
export function isBare(certificate: Certificate): boolean {
  return certificate.bitmap.length === 0;
}

/** The same statement without signatures. */
export function bareCertificate<C extends Certificate>(certificate: C): C {
  return { ...certificate, bitmap: new Uint8Array(0), signatures: [] };
}

/** Members whose bits are set, in order; bits beyond the set are ignored. */
export function signersOf(set: ValidatorSet, certificate: Certificate): ValidatorId[] {
  return set.validators.filter((_, index) => isSet(certificate.bitmap, index)).map((validator) => validator.id);
}

function isSet(bitmap: Uint8Array, index: number): boolean {
  return (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

/** Bytes of a bitmap over `count` members. */
export function bitmapLength(count: number): number {
  return (count + 7) >> 3;
}

/**
 * Checks form, weight (≥ `quorum`, by default the set's) and every signature against the set of the certificate's
 * epoch. The caller must give the set of the certificate's epoch.
 */
export function verifyCertificate(
  set: ValidatorSet,
  certificate: Certificate,
  chainId: Digest,
  check: SignatureCheck = checkSignature,
  quorum: bigint = set.quorum,
): Result<void, CertificateCode> {
  const { bitmap, signatures } = certificate;
  const count = set.validators.length;
  if (bitmap.length !== bitmapLength(count)) return fail('BITMAP_LENGTH');
  if (count % 8 !== 0 && (bitmap[bitmap.length - 1] ?? 0) >> (count % 8) !== 0) return fail('BITMAP_PADDING');
  const signers = set.validators.filter((_, index) => isSet(bitmap, index));
  if (signatures.length !== signers.length) return fail('SIGNATURE_COUNT');
  const weight = signers.reduce((sum, validator) => sum + validator.weight, 0n);
  if (weight < quorum) return fail('INSUFFICIENT_WEIGHT');
  const bytes = statementBytes(chainId, certificate);
  for (const [index, signer] of signers.entries()) {
    const signature = signatures[index];
    if (signature === undefined || !check(signer.id, bytes, signature)) return fail('BAD_SIGNATURE', signer.id);
  }
  return ok(undefined);
}

/**
 * A certificate of verified votes that all say `statement`; each signer at most once, all members of the set. The
 * caller knows whether they reach the quorum.
 */
export function makeCertificate(
  set: ValidatorSet,
  statement: PropositionStatement<PropositionKind> | NullifyStatement,
  votes: Iterable<Vote>,
): Certificate {
  const bitmap = new Uint8Array(bitmapLength(set.validators.length));
  const byIndex = new Map<number, Uint8Array>();
  for (const vote of votes) {
    const index = validatorIndex(set, vote.signer);
    assert(index >= 0 && !byIndex.has(index), 'certificate: a signer twice, or not a member');
    byIndex.set(index, vote.signature);
    bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
  }
  const signatures = [...byIndex].sort(([a], [b]) => a - b).map(([, signature]) => signature);
  if (statement.kind === 'nullify') {
    return { type: 'certificate', kind: 'nullify', epoch: statement.epoch, view: statement.view, bitmap, signatures };
  }
  const { kind, epoch, view, proposition } = statement;
  const certified: Certificate =
    kind === 'notarize'
      ? { type: 'certificate', kind, epoch, view, proposition, bitmap, signatures }
      : { type: 'certificate', kind, epoch, view, proposition, bitmap, signatures };
  return certified;
}

/** The votes that a verified certificate is made of. */
export function votesOf(set: ValidatorSet, certificate: Certificate): Vote[] {
  return signersOf(set, certificate).map((signer, index) => {
    const signature = certificate.signatures[index];
    assert(signature !== undefined, 'certificate: fewer signatures than signers');
    if (certificate.kind === 'nullify') {
      return { type: 'vote', kind: 'nullify', epoch: certificate.epoch, view: certificate.view, signer, signature };
    }
    const { kind, epoch, view, proposition } = certificate;
    return { type: 'vote', kind, epoch, view, proposition, signer, signature };
  });
}
