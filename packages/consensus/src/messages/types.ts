/**
 * What consensus talks about: validators, blocks, votes, certificates, messages and evidence.
 *
 * Every digest is opaque here, and a round is always (epoch, view). In memory `epoch` and `view` stand beside a
 * proposition for convenience; on the wire they are written once, so the two cannot disagree.
 */
import type { Digest, Epoch, Height, ValidatorId, View } from '@cloister/encoding';

/** A member of a set with its voting weight, greater than zero. */
export interface Validator {
  readonly id: ValidatorId;
  readonly weight: bigint;
}

/** The validators of one epoch. Made by `makeValidatorSet` only. */
export interface ValidatorSet {
  /** Sorted by id, distinct. The position is the validator's bit in a certificate. */
  readonly validators: readonly Validator[];
  readonly totalWeight: bigint;
  /** floor(2W/3) + 1. */
  readonly quorum: bigint;
  readonly hash: Digest;
}

/** One attempt to agree on a block, led by one validator. Views of an epoch start at 1; view 0 is its anchor. */
export interface Round {
  readonly epoch: Epoch;
  readonly view: View;
}

/** The finalized ancestor whose execution a header vouches for. */
export interface LastFinal {
  readonly height: Height;
  readonly hash: Digest;
  /** RFC 9162 root over all events up to and including that block's. */
  readonly eventRoot: Digest;
  readonly eventCount: number;
  /** Root over what holds in the state after that block: opaque here, checked like the event root (ledger's `facts.ts`). */
  readonly factsRoot: Digest;
}

/** What a block hash commits to. The genesis "block" has height 0, view 0 and the chain id as its hash. */
export interface Header {
  readonly version: number;
  readonly chainId: Digest;
  readonly epoch: Epoch;
  /** The view in which the block was first proposed. */
  readonly view: View;
  readonly height: Height;
  readonly parentHash: Digest;
  readonly proposer: ValidatorId;
  readonly timestampMs: number;
  readonly bodyHash: Digest;
  /** Hash of this epoch's validator set. */
  readonly validatorsHash: Digest;
  /** Hash of the next epoch's validator set. */
  readonly nextValidatorsHash: Digest;
  readonly paramsHash: Digest;
  readonly lastFinal: LastFinal;
}

/** What is voted on. All of it is signed, so a badly justified vote is provable. */
export interface Proposition {
  readonly epoch: Epoch;
  readonly view: View;
  readonly parentView: View;
  readonly blockHash: Digest;
  readonly justificationHash: Digest;
}

export type PropositionKind = 'notarize' | 'finalize';
export type VoteKind = PropositionKind | 'nullify';
export type StatementKind = VoteKind | 'propose';

/** What a signature of this protocol says. */
export type Statement = PropositionStatement<PropositionKind | 'propose'> | NullifyStatement;
export interface PropositionStatement<Kind extends PropositionKind | 'propose'> {
  readonly kind: Kind;
  readonly epoch: Epoch;
  readonly view: View;
  readonly proposition: Proposition;
}
export interface NullifyStatement {
  readonly kind: 'nullify';
  readonly epoch: Epoch;
  readonly view: View;
}

interface Signed {
  readonly signer: ValidatorId;
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}
/** A statement with its signature: one half of most evidence. */
export type SignedStatement = Statement & Signed;
export type PropositionVote = { readonly type: 'vote' } & PropositionStatement<PropositionKind> & Signed;
export type NullifyVote = { readonly type: 'vote' } & NullifyStatement & Signed;
export type Vote = PropositionVote | NullifyVote;

interface Certified {
  readonly type: 'certificate';
  /** Bit i (byte i >> 3, least significant first) is validator i of the epoch's set; padding bits are zero. */
  readonly bitmap: Uint8Array;
  /** One Ed25519 signature for each set bit, in the order of the bits. */
  readonly signatures: readonly Uint8Array[];
}
export type PropositionCertificate<Kind extends PropositionKind = PropositionKind> = Certified &
  PropositionStatement<Kind>;
/** A quorum notarized a proposition. */
export type Notarization = PropositionCertificate<'notarize'>;
/** A quorum finalized a proposition. */
export type Finalization = PropositionCertificate<'finalize'>;
/** A quorum gave up a view. */
export type Nullification = Certified & NullifyStatement;
export type Certificate = Notarization | Finalization | Nullification;

/**
 * Why a proposal may build on its parent: the parent's certificate, and a nullification for each skipped view.
 *
 * A certificate with an empty bitmap is bare: it names the statement, and the receiver supplies or pulls the signatures.
 */
export interface Justification {
  /** Undefined when the parent is the epoch's anchor. */
  readonly parentCert: Notarization | Finalization | undefined;
  /** For the views parentView + 1 … view − 1, ascending. */
  readonly nullifications: readonly Nullification[];
}

/** A justification without its nullifications: what H(J) covers. */
export interface JustificationSummary {
  readonly parent: PropositionStatement<'notarize' | 'finalize'> | undefined;
  /** How many nullifications, and the hash over their rounds. */
  readonly nullified: number;
  readonly nullifiedHash: Digest;
}

export interface Body {
  /** Batch ids in order of execution. */
  readonly batches: readonly Digest[];
  /** Encoded `Evidence`. */
  readonly evidence: readonly Uint8Array[];
  /** The finalization of header.lastFinal; undefined exactly when its height is 0. */
  readonly lastFinalCert: Finalization | undefined;
}

/** A header with its body and hash. */
export interface Block {
  readonly hash: Digest;
  readonly header: Header;
  readonly body: Body;
}

export interface Proposal {
  readonly type: 'proposal';
  readonly proposition: Proposition;
  readonly header: Header;
  readonly body: Body;
  readonly justification: Justification;
  /** By the leader of (epoch, view). */
  readonly signature: Uint8Array;
}
/** Where a peer stands; answered with what it lacks. */
export interface Status {
  readonly type: 'status';
  readonly epoch: Epoch;
  readonly view: View;
  readonly finalization: Finalization | undefined;
}
/** Asks for the certificates of fromView … toView (inclusive). */
export interface CertRequest {
  readonly type: 'cert-request';
  readonly epoch: Epoch;
  readonly fromView: View;
  readonly toView: View;
}
export interface BlockRequest {
  readonly type: 'block-request';
  readonly hash: Digest;
}
/** Answers a `BlockRequest`. */
export interface BlockMessage {
  readonly type: 'block';
  readonly header: Header;
  readonly body: Body;
}
/** Sent by a validator that starts, before its first signature: asks what others know of its own votes. */
export interface RecallRequest {
  readonly type: 'recall-request';
  /** Comes back in the answer, so that an answer to an earlier start is not taken for one to this start. */
  readonly nonce: number;
}
/** Answers a `RecallRequest`. */
export interface Recall {
  readonly type: 'recall';
  readonly nonce: number;
  readonly epoch: Epoch;
  /** Where the answerer is. */
  readonly view: View;
  /**
   * A certificate of view − 1, which shows why the answerer is in its view. Undefined in the first view of an epoch.
   */
  readonly certificate: Certificate | undefined;
  /** The asker's votes above the answerer's highest finalization and in its round, the highest views first. */
  readonly votes: readonly Vote[];
}
export type ConsensusMessage =
  | Proposal
  | Vote
  | Certificate
  | Status
  | CertRequest
  | BlockRequest
  | BlockMessage
  | RecallRequest
  | Recall
  | EvidenceMessage;

export type ConflictType =
  | 'double-propose'
  | 'double-notarize'
  | 'double-finalize'
  | 'notarize-finalize'
  | 'nullify-finalize';
/** Two statements of one signer in one round that an honest validator never signs both. */
export interface ConflictEvidence {
  readonly type: ConflictType;
  readonly signer: ValidatorId;
  readonly first: SignedStatement;
  readonly second: SignedStatement;
}
/** A notarize vote for a proposition whose justification (matched by hash) does not justify it. */
export interface BadJustificationEvidence {
  readonly type: 'bad-justification';
  readonly signer: ValidatorId;
  readonly vote: PropositionStatement<'notarize'> & Signed;
  readonly header: Header;
  readonly justification: JustificationSummary;
}
export type FaultEvidence = ConflictEvidence | BadJustificationEvidence;
export type FaultEvidenceType = FaultEvidence['type'];

/** What evidence proves, for the ledger. */
export interface ProvenFault extends Round {
  readonly validator: ValidatorId;
  readonly kind: FaultEvidenceType;
}
/** A fault that a node saw. It is sent to all, because the next leader need not have seen it. */
export interface EvidenceMessage {
  readonly type: 'evidence';
  readonly evidence: FaultEvidence;
}

/** Proof that `header` is final, for whoever knows the validator set of the certificate's epoch. */
export interface FinalityProof {
  readonly header: Header;
  readonly certificate: Finalization;
  /** The headers after `header`, each the child of the one before, up to the certified one; empty when `header` is it. */
  readonly path: readonly Header[];
}
