/**
 * The client's own check of an enclave, before anything is sealed to it: a challenge over fresh randomness, answered with
 * evidence that is appraised here, under the genesis' trust anchors and the policy in force. The node that relays it is not believed.
 */
import {
  type AttestationResult,
  decodeChallengeAnswer,
  encodeChallenge,
  makeChallenge,
  verifyChallengeAnswer,
} from '@cloister/attestation';
import { type AccountId, fromHex } from '@cloister/crypto';
import type { ClientContext } from './context.ts';
import { ClientError } from './errors.ts';
import type { Deadline } from './polling.ts';

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

/** Challenges the enclave of a node and appraises its answer. */
export async function verifyEnclave(
  context: ClientContext,
  node: AccountId,
  deadline: Deadline,
): Promise<VerifiedEnclave> {
  refuseSimulated(context);
  const { api, chain, keyPair, edge } = context;
  const nonce = edge.randomBytes(32);
  const challenge = makeChallenge({ chainId: chain.chainId, challenger: keyPair.id, target: node, nonce });
  const referenceValues = await chain.referenceValues(deadline);
  const policy = await chain.appraisalPolicy(deadline);
  const answer = decodeChallengeAnswer(await api.challenge(node, encodeChallenge(challenge)));
  if (!answer.ok) throw new ClientError('EVIDENCE_REFUSED', answer.code);
  const verified = verifyChallengeAnswer({
    challenge,
    answer: answer.value,
    peer: node,
    referenceValues,
    policy,
    trustAnchors: chain.genesis.genesis.trustAnchors,
    atMs: edge.nowMs(),
  });
  if (!verified.ok) throw new ClientError('EVIDENCE_REFUSED', verified.code);
  return { node, result: verified.value, hpkeKey: fromHex(verified.value.runtime.hpke_key) };
}
