/**
 * The client's own check of an enclave, before anything is sealed to it: a challenge over fresh randomness, answered with
 * evidence that is appraised here, under the genesis' trust anchors and what a fresh head says of rules and standing. The node that
 * relays it is not believed.
 *
 * The head is asked for after the answer, so that it is never older than the evidence that it judges.
 */

import {
  type AttestationResult,
  decodeChallengeAnswer,
  makeChallenge,
  signChallengeRequest,
  verifyChallengeAnswer,
} from '@cloister/attestation';
import { type AccountId, asHeight, fromHex } from '@cloister/encoding';
import { type FactSubject, reasonsAgainst, referenceValuesOf, standingSubjects } from '@cloister/ledger';
import type { FreshFacts } from '../chain/trusted-chain.ts';
import type { ClientContext } from '../context.ts';
import { ClientError } from '../errors.ts';
import type { Deadline } from '../node/polling.ts';
import type { EnclaveAnswer } from './verified-enclaves.ts';

/** An enclave whose evidence stands. */
export interface VerifiedEnclave {
  readonly node: AccountId;
  readonly result: AttestationResult;
  /** X25519, 32 bytes. */
  readonly hpkeKey: Uint8Array;
}

/** Throws unless the caller accepts simulated platforms or the chain has none. */
export function refuseSimulated({ chain, acceptSimulated }: ClientContext): void {
  if (chain.simulated && !acceptSimulated) {
    throw new ClientError('SIMULATED_CHAIN_REFUSED', 'its platforms are SIMULATED: no guarantee holds against anyone');
  }
}

/** Challenges the enclave of a node, as the account that the caller has. */
export async function challengeEnclave(
  { api, chain, keyPair, edge, verified: kept }: ClientContext,
  node: AccountId,
): Promise<EnclaveAnswer> {
  const atMs = edge.nowMs();
  const nonce = edge.randomBytes(32);
  const challenge = makeChallenge({ chainId: chain.chainId, challenger: keyPair.id, target: node, nonce });
  const answer = decodeChallengeAnswer(await api.challenge(node, signChallengeRequest(challenge, keyPair.sign)));
  if (!answer.ok) {
    kept.forget(node);
    throw new ClientError('EVIDENCE_REFUSED', answer.code);
  }
  return { node, challenge, answer: answer.value, atMs };
}

/** The answer that was verified within the last minutes, or one to a challenge now. */
export async function recentAnswer(context: ClientContext, node: AccountId): Promise<EnclaveAnswer> {
  return context.verified.recent(node, context.edge.nowMs()) ?? challengeEnclave(context, node);
}

/**
 * Judges an answer by a fresh head's rules, and requires that the ledger lets this very keyset execute.
 *
 * The evidence is judged before the ledger's standing. An enclave with another measurement mostly has another keyset or no
 * attestation, too; its operator must read what is wrong with the enclave, not what follows from it.
 */
export function appraiseAnswer(
  { chain, edge, verified: kept }: ClientContext,
  answered: EnclaveAnswer,
  facts: FreshFacts,
): VerifiedEnclave {
  const { node, challenge, answer } = answered;
  const { rules, head } = facts;
  // An answer that does not stand must not leave an older one in use: this client has seen that the enclave cannot be trusted now.
  kept.forget(node);
  const verified = verifyChallengeAnswer({
    challenge,
    answer,
    peer: node,
    referenceValues: referenceValuesOf(rules.measurements, asHeight(head.height)),
    policy: rules.appraisalPolicy,
    crlFloors: rules.crlFloors,
    statementFloors: rules.statementFloors,
    trustAnchors: chain.genesis.genesis.trustAnchors,
    atMs: edge.nowMs(),
  });
  if (!verified.ok) throw new ClientError('EVIDENCE_REFUSED', verified.code);
  const standing = facts.attestation(node);
  if (standing === undefined) throw new ClientError('ENCLAVE_NOT_STANDING', 'NO_ATTESTATION');
  if (verified.value.keyset !== standing.keyset) throw new ClientError('EVIDENCE_REFUSED', 'KEYSET_MISMATCH');
  const reasons = reasonsAgainst(standing, rules, head.height, head.timeMs);
  if (reasons.length > 0) throw new ClientError('ENCLAVE_NOT_STANDING', reasons.join(' '));
  kept.keep(answered);
  return { node, result: verified.value, hpkeKey: fromHex(verified.value.runtime.hpke_key) };
}

/** Challenges the enclave of a node and judges its answer; `also` are further facts that the caller needs of the same head. */
export async function verifyEnclave(
  context: ClientContext,
  node: AccountId,
  deadline: Deadline,
  also: readonly FactSubject[] = [],
): Promise<{ readonly enclave: VerifiedEnclave; readonly facts: FreshFacts }> {
  refuseSimulated(context);
  const answer = await challengeEnclave(context, node);
  const facts = await context.chain.facts([...standingSubjects([node]), ...also], deadline);
  return { enclave: appraiseAnswer(context, answer, facts), facts };
}

/** The same by an answer of the last minutes, while it stands. */
export async function verifyRecentEnclave(
  context: ClientContext,
  node: AccountId,
  deadline: Deadline,
): Promise<VerifiedEnclave> {
  refuseSimulated(context);
  const recent = context.verified.recent(node, context.edge.nowMs());
  if (recent !== undefined) {
    const facts = await context.chain.facts(standingSubjects([node]), deadline);
    try {
      return appraiseAnswer(context, recent, facts);
    } catch (error) {
      // Its keys may be gone: new evidence tells.
      if (!(error instanceof ClientError)) throw error;
    }
  }
  return (await verifyEnclave(context, node, deadline)).enclave;
}
