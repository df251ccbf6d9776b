/**
 * Light client: trusts one validator set, follows headers by finalization certificates, changes sets by their hashes.
 *
 * A header is final when it, or a descendant linked to it by parent hashes, carries a finalization by the trusted set of the
 * certificate's epoch. The next epoch's set is trusted only through an accepted header of the current epoch (V_0 = V_1 by genesis).
 * Without a checkpoint the client assumes that no past set ever lost a quorum of keys.
 */
import { asEpoch, asHeight, type Digest, type Epoch, fail, type Height, ok, type Result } from '@cloister/encoding';
import {
  type CertificateCode,
  checkSignature,
  type SignatureCheck,
  verifyCertificate,
} from '../certificates/certificate.ts';
import { blockHashOf } from '../messages/block-codec.ts';
import { MAX_PROOF_PATH } from '../messages/limits.ts';
import type { FinalityProof, Header, ValidatorSet } from '../messages/types.ts';

/** What a client trusts. Immutable; persist it between runs. */
export interface LightClientState {
  readonly chainId: Digest;
  readonly epoch: Epoch;
  /** V_epoch. */
  readonly validators: ValidatorSet;
  /** Hash of V_{epoch+1}, once a header of this epoch was accepted (for epoch 0: from genesis). */
  readonly nextValidatorsHash: Digest | undefined;
  /** The highest accepted header. */
  readonly height: Height;
  readonly hash: Digest;
  readonly timestampMs: number;
}

export interface GenesisTrust {
  readonly chainId: Digest;
  /** V_0 = V_1. */
  readonly validators: ValidatorSet;
  readonly timestampMs: number;
}

export type FinalityCode =
  | CertificateCode
  | 'FOREIGN_CHAIN'
  | 'UNKNOWN_EPOCH'
  | 'PATH_TOO_LONG'
  | 'BROKEN_PATH'
  | 'HEADER_NOT_CERTIFIED'
  | 'VALIDATORS_HASH';

export function trustGenesis(genesis: GenesisTrust): LightClientState {
  return {
    chainId: genesis.chainId,
    epoch: asEpoch(0),
    validators: genesis.validators,
    nextValidatorsHash: genesis.validators.hash,
    height: asHeight(0),
    hash: genesis.chainId,
    timestampMs: genesis.timestampMs,
  };
}

/** Whether `child` may follow `parent` in one chain. */
function links(parent: Header, child: Header): boolean {
  return (
    child.parentHash === blockHashOf(parent) &&
    child.height === parent.height + 1 &&
    child.epoch >= parent.epoch &&
    child.timestampMs > parent.timestampMs
  );
}

/** Whether the proof shows `proof.header` final under the client's current set. Moves nothing. */
export function verifyFinality(
  client: LightClientState,
  proof: FinalityProof,
  check: SignatureCheck = checkSignature,
): Result<void, FinalityCode> {
  const { header, certificate, path } = proof;
  if (path.length > MAX_PROOF_PATH) return fail('PATH_TOO_LONG');
  if (certificate.epoch !== client.epoch) return fail('UNKNOWN_EPOCH', `certificate of epoch ${certificate.epoch}`);
  let certified = header;
  if (header.chainId !== client.chainId) return fail('FOREIGN_CHAIN');
  for (const next of path) {
    if (next.chainId !== client.chainId) return fail('FOREIGN_CHAIN');
    if (!links(certified, next)) return fail('BROKEN_PATH', `at height ${next.height}`);
    certified = next;
  }
  if (certified.epoch !== certificate.epoch || blockHashOf(certified) !== certificate.proposition.blockHash) {
    return fail('HEADER_NOT_CERTIFIED');
  }
  for (const each of [header, certified]) {
    if (each.epoch === client.epoch && each.validatorsHash !== client.validators.hash) return fail('VALIDATORS_HASH');
  }
  return verifyCertificate(client.validators, certificate, client.chainId, check);
}

/**
 * Accepts a final header: the client moves up to it; a header below the highest accepted one verifies and moves nothing.
 * 'CONFLICTING_FINALITY' means that agreement broke: keep both proofs as evidence.
 */
export function acceptHeader(
  client: LightClientState,
  proof: FinalityProof,
  check: SignatureCheck = checkSignature,
): Result<LightClientState, FinalityCode | 'CONFLICTING_FINALITY'> {
  const verified = verifyFinality(client, proof, check);
  if (!verified.ok) return verified;
  const { header } = proof;
  const hash = blockHashOf(header);
  if (header.height === client.height && hash !== client.hash) return fail('CONFLICTING_FINALITY');
  if (header.height <= client.height) return ok(client);
  return ok({
    ...client,
    nextValidatorsHash: header.epoch === client.epoch ? header.nextValidatorsHash : client.nextValidatorsHash,
    height: header.height,
    hash,
    timestampMs: header.timestampMs,
  });
}

/** Moves to the next epoch, given its set: the one that an accepted header of this epoch (or genesis) commits to. */
export function enterEpoch(
  client: LightClientState,
  validators: ValidatorSet,
): Result<LightClientState, 'NEXT_SET_UNKNOWN' | 'NEXT_SET_MISMATCH'> {
  if (client.nextValidatorsHash === undefined) return fail('NEXT_SET_UNKNOWN');
  if (validators.hash !== client.nextValidatorsHash) return fail('NEXT_SET_MISMATCH');
  return ok({ ...client, epoch: asEpoch(client.epoch + 1), validators, nextValidatorsHash: undefined });
}
