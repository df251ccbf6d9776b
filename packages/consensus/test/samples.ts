/**
 * Keys, sets and signed things for tests.
 */

import { type Ed25519KeyPair, ed25519KeyPair, hash, sha256 } from '@cloister/crypto';
import {
  asDigest,
  asEpoch,
  asHeight,
  asValidatorId,
  asView,
  type Digest,
  utf8,
  type ValidatorId,
} from '@cloister/encoding';
import {
  type Block,
  type Body,
  blockHashOf,
  bodyHashOf,
  type Certificate,
  type Finalization,
  HEADER_VERSION,
  type Header,
  makeCertificate,
  makeValidatorSet,
  type Notarization,
  type Nullification,
  type Proposition,
  type Statement,
  statementBytes,
  type ValidatorSet,
  type Vote,
  type VoteKind,
} from '../src/index.ts';

export const CHAIN: Digest = hash('test/chain');

export interface Member {
  readonly id: ValidatorId;
  readonly key: Ed25519KeyPair;
}

/** Members sorted by id, as in their set. */
export function members(count: number): Member[] {
  const all = Array.from({ length: count }, (_, index) => {
    const key = ed25519KeyPair(sha256(utf8(`member ${index}`)));
    return { id: asValidatorId(key.id), key };
  });
  return all.sort((a, b) => (a.id < b.id ? -1 : 1));
}

export function setOf(all: readonly Member[], weights?: readonly number[]): ValidatorSet {
  return makeValidatorSet(all.map(({ id }, index) => ({ id, weight: BigInt(weights?.[index] ?? 1) })));
}

export function proposition(view: number, parentView = view - 1, block: Digest = hash(`block ${view}`)): Proposition {
  return {
    epoch: asEpoch(0),
    view: asView(view),
    parentView: asView(parentView),
    blockHash: block,
    justificationHash: hash(`justification ${view}`),
  };
}

export function statement(kind: VoteKind | 'propose', p: Proposition): Statement {
  const { epoch, view } = p;
  return kind === 'nullify' ? { kind, epoch, view } : { kind, epoch, view, proposition: p };
}

export function voteBy(member: Member, kind: VoteKind, p: Proposition): Vote {
  const signature = member.key.sign(statementBytes(CHAIN, statement(kind, p)));
  const { epoch, view } = p;
  if (kind === 'nullify') return { type: 'vote', kind, epoch, view, signer: member.id, signature };
  return { type: 'vote', kind, epoch, view, proposition: p, signer: member.id, signature };
}

export function certificateBy(
  set: ValidatorSet,
  signers: readonly Member[],
  kind: 'finalize',
  p: Proposition,
): Finalization;
export function certificateBy(
  set: ValidatorSet,
  signers: readonly Member[],
  kind: 'notarize',
  p: Proposition,
): Notarization;
export function certificateBy(
  set: ValidatorSet,
  signers: readonly Member[],
  kind: 'nullify',
  p: Proposition,
): Nullification;
export function certificateBy(
  set: ValidatorSet,
  signers: readonly Member[],
  kind: VoteKind,
  p: Proposition,
): Certificate {
  const votes = signers.map((member) => voteBy(member, kind, p));
  const [first] = votes;
  if (first === undefined) throw new Error('no signers');
  return makeCertificate(set, first, votes);
}

export interface BlockFields {
  readonly set: ValidatorSet;
  readonly proposer: ValidatorId;
  readonly view: number;
  readonly height: number;
  readonly parentHash: Digest;
  readonly batches?: readonly Digest[];
  readonly epoch?: number;
}

/** A block whose lastFinal is genesis. */
export function sampleBlock({ set, proposer, view, height, parentHash, batches = [], epoch = 0 }: BlockFields): Block {
  const body: Body = { batches, evidence: [], lastFinalCert: undefined };
  const header: Header = {
    version: HEADER_VERSION,
    chainId: CHAIN,
    epoch: asEpoch(epoch),
    view: asView(view),
    height: asHeight(height),
    parentHash,
    proposer,
    timestampMs: 1_000 * height,
    bodyHash: bodyHashOf(body),
    validatorsHash: set.hash,
    nextValidatorsHash: set.hash,
    paramsHash: asDigest('11'.repeat(32)),
    lastFinal: {
      height: asHeight(0),
      hash: CHAIN,
      eventRoot: asDigest('22'.repeat(32)),
      eventCount: 0,
      factsRoot: asDigest('33'.repeat(32)),
    },
  };
  return { hash: blockHashOf(header), header, body };
}
