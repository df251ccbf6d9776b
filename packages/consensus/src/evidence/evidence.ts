/**
 * Fault evidence: signatures of one validator that an honest validator never makes. Verifying it is pure and needs only
 * V_epoch.
 *
 * Notarize and nullify by one signer in one view are no fault. A justification is judged by its statements (coverage,
 * parent hash): its hash does not cover the signatures, so anyone could have put bad ones there, and they prove nothing
 * against the voter.
 */
import { type Digest, type Epoch, fail, ok, type Result } from '@cloister/encoding';
import { checkSignature, type SignatureCheck } from '../certificates/certificate.ts';
import { isSummaryUnjustified, summaryHash } from '../certificates/justification.ts';
import { validatorIndex } from '../certificates/validator-set.ts';
import { blockHashOf } from '../messages/block-codec.ts';
import { sameProposition, statementBytes } from '../messages/signed-bytes.ts';
import type {
  BadJustificationEvidence,
  ConflictType,
  FaultEvidence,
  Header,
  JustificationSummary,
  Proposition,
  ProvenFault,
  SignedStatement,
  ValidatorSet,
} from '../messages/types.ts';

/** Which fault two statements of one signer are together; undefined when they are not one. */
export function conflictOf(first: SignedStatement, second: SignedStatement): ConflictType | undefined {
  if (first.signer !== second.signer || first.epoch !== second.epoch || first.view !== second.view) return undefined;
  if (first.kind === 'nullify' || second.kind === 'nullify') {
    return first.kind === 'finalize' || second.kind === 'finalize' ? 'nullify-finalize' : undefined;
  }
  if (sameProposition(first.proposition, second.proposition)) return undefined;
  if (first.kind === second.kind) {
    return first.kind === 'propose'
      ? 'double-propose'
      : first.kind === 'notarize'
        ? 'double-notarize'
        : 'double-finalize';
  }
  return first.kind !== 'propose' && second.kind !== 'propose' ? 'notarize-finalize' : undefined;
}

/** Evidence of two statements, with the lower kind first; undefined when they do not conflict. */
export function conflictEvidence(a: SignedStatement, b: SignedStatement): FaultEvidence | undefined {
  const type = conflictOf(a, b);
  if (type === undefined) return undefined;
  const [first, second] = b.kind !== a.kind && (b.kind === 'notarize' || b.kind === 'nullify') ? [b, a] : [a, b];
  return { type, signer: a.signer, first, second };
}

/** The fault that the evidence proves. The validator set of the round's epoch judges it. */
export function faultOf(evidence: FaultEvidence): ProvenFault {
  const { epoch, view } = evidence.type === 'bad-justification' ? evidence.vote : evidence.first;
  return { validator: evidence.signer, kind: evidence.type, epoch, view };
}

/**
 * One fault of a kind convicts a validator for the epoch. A validator that signs twice in every view gives one piece of
 * evidence, and not one for each view, which would fill gigabytes of blocks a day.
 */
export function faultKey({ validator, kind, epoch }: ProvenFault): string {
  return `${epoch}/${validator}/${kind}`;
}

/** Deduplication key: (epoch, signer, kind). */
export function evidenceKey(evidence: FaultEvidence): string {
  return faultKey(faultOf(evidence));
}

/** Whether a justification that matches P's hash fails to justify P. The anchor is known for epoch 0 only: genesis. */
export function isUnjustified(
  chainId: Digest,
  proposition: Proposition,
  header: Header,
  summary: JustificationSummary,
): boolean {
  return isSummaryUnjustified(proposition, header, summary, anchorOf(chainId, proposition.epoch));
}

function anchorOf(chainId: Digest, epoch: Epoch): Digest | undefined {
  return epoch === 0 ? chainId : undefined;
}

export type FaultEvidenceCode =
  | 'UNKNOWN_SIGNER'
  | 'NOT_A_CONFLICT'
  | 'BAD_SIGNATURE'
  | 'HEADER_MISMATCH'
  | 'JUSTIFICATION_MISMATCH'
  | 'JUSTIFIED';

/**
 * Whether the evidence holds against `evidence.signer`, a member of `set` = V_epoch of its round. The ledger judges its
 * age.
 */
export function verifyFaultEvidence(
  set: ValidatorSet,
  chainId: Digest,
  evidence: FaultEvidence,
  check: SignatureCheck = checkSignature,
): Result<void, FaultEvidenceCode> {
  if (validatorIndex(set, evidence.signer) < 0) return fail('UNKNOWN_SIGNER');
  if (evidence.type === 'bad-justification') return verifyBadJustification(chainId, evidence, check);
  const { signer, first, second } = evidence;
  if (first.signer !== signer || conflictOf(first, second) !== evidence.type) return fail('NOT_A_CONFLICT');
  const signed = [first, second].every((each) => check(signer, statementBytes(chainId, each), each.signature));
  return signed ? ok(undefined) : fail('BAD_SIGNATURE');
}

function verifyBadJustification(
  chainId: Digest,
  evidence: BadJustificationEvidence,
  check: SignatureCheck,
): Result<void, FaultEvidenceCode> {
  const { signer, vote, header, justification } = evidence;
  const { proposition } = vote;
  if (vote.signer !== signer) return fail('NOT_A_CONFLICT');
  if (blockHashOf(header) !== proposition.blockHash) return fail('HEADER_MISMATCH');
  if (summaryHash(justification) !== proposition.justificationHash) return fail('JUSTIFICATION_MISMATCH');
  if (!isUnjustified(chainId, proposition, header, justification)) return fail('JUSTIFIED');
  return check(signer, statementBytes(chainId, vote), vote.signature) ? ok(undefined) : fail('BAD_SIGNATURE');
}
