/**
 * Generating and verifying quotes.
 *
 * The enclave says what it is (runtime data), the platform signs it (a report), and the enclave checks that the report it
 * gets back binds exactly that before it hands it on. For the ledger the nonce is the hash of a block that the enclave's own
 * light client proved final; for a challenge it is the challenger's.
 */
import {
  type Attester,
  answerChallenge,
  answerPresence,
  type BundleVerificationCode,
  type Challenge,
  checkBundleBinding,
  decodeChallenge,
  type EvidenceBundle,
  encodeChallengeAnswer,
  encodeEvidenceBundle,
  encodeRefresh,
  encodeRuntimeData,
  MAX_BUNDLE_BYTES,
  RUNTIME_DATA_DOMAIN,
  type RuntimeData,
  reportDataFor,
  signRefresh,
  verifyBundle,
} from '@cloister/attestation';
import { fail, ok, type Result } from '@cloister/encoding';
import type { EnclaveLightClient, FactsRefusal, FinalityRefusal } from './light-client.ts';
import type { Vault } from './vault.ts';

/** Why a quote is not one of this enclave, or not one that its chain can accept. */
type QuoteCode =
  | 'QUOTE_MALFORMED'
  | 'QUOTE_DATA_MISMATCH'
  | 'QUOTE_IMAGE_MISMATCH'
  /** Signature, certificates or revocation lists do not hold under the genesis' trust anchors. */
  | 'QUOTE_NOT_TRUSTED';

export type AttestCode =
  | FinalityRefusal
  | FactsRefusal
  | QuoteCode
  | 'PLATFORM_FAILED'
  | 'CHALLENGE_MALFORMED'
  | 'CHALLENGE_OTHER_CHAIN'
  | 'CHALLENGE_OTHER_NODE';

export interface AttestationContext {
  readonly vault: Vault;
  readonly lightClient: EnclaveLightClient;
  readonly attester: Attester;
}

/** What the enclave says of a bundle that failed; `otherwise` for whatever is not about what the report binds. */
function quoteRefusal(code: BundleVerificationCode, otherwise: QuoteCode): Result<never, QuoteCode> {
  if (code === 'REPORT_DATA_MISMATCH') return fail('QUOTE_DATA_MISMATCH');
  if (code === 'IMAGE_MISMATCH') return fail('QUOTE_IMAGE_MISMATCH');
  return fail(otherwise, code);
}

/**
 * Verifies a quote as far as an enclave can by itself: binding, and the whole endorsement chain under the genesis' trust
 * anchors at the newest proven block time. Which measurements and platforms are allowed is the ledger's to say.
 */
export function verifyQuote(lightClient: EnclaveLightClient, bundle: EvidenceBundle): Result<RuntimeData, QuoteCode> {
  const { trustAnchors } = lightClient.genesis.genesis;
  const verified = verifyBundle({ bundle, trustAnchors, atMs: lightClient.timeMs });
  return verified.ok ? verified : quoteRefusal(verified.code, 'QUOTE_NOT_TRUSTED');
}

/** Asks the platform for a quote over the enclave's keys and a nonce of 32 bytes in hex. */
async function generateQuote(
  { vault, attester }: AttestationContext,
  said: Pick<RuntimeData, 'purpose' | 'nonce' | 'nonce_height'>,
): Promise<Result<EvidenceBundle, QuoteCode | 'PLATFORM_FAILED'>> {
  const runtimeData = encodeRuntimeData({
    chain_id: vault.identity.chainId,
    domain: RUNTIME_DATA_DOMAIN,
    hpke_key: vault.hpkeKey,
    sign_key: vault.signKey,
    image: vault.identity.image,
    node_id: vault.identity.nodeId,
    ...said,
  });
  let bundle: EvidenceBundle;
  try {
    const { evidence, endorsements } = await attester.collect(reportDataFor(runtimeData));
    bundle = { evidence, endorsements, runtimeData };
  } catch {
    return fail('PLATFORM_FAILED');
  }
  const bound = checkBundleBinding(bundle);
  return bound.ok ? ok(bundle) : quoteRefusal(bound.code, 'QUOTE_MALFORMED');
}

/** Evidence for the ledger: an encoded bundle whose nonce is the hash of the newest block proven, `finality` included. */
export async function attestForLedger(
  context: AttestationContext,
  finality: Uint8Array,
): Promise<Result<Uint8Array, AttestCode>> {
  const followed = context.lightClient.follow(finality);
  if (!followed.ok) return followed;
  const { height, hash } = followed.value;
  const quote = await generateQuote(context, { purpose: 'ledger', nonce: hash, nonce_height: height });
  if (!quote.ok) return quote;
  const verified = verifyQuote(context.lightClient, quote.value);
  if (!verified.ok) return verified;
  const bytes = encodeEvidenceBundle(quote.value);
  return bytes.length > MAX_BUNDLE_BYTES ? fail('QUOTE_MALFORMED', 'too large') : ok(bytes);
}

/** Answers a challenge to this node on this chain: an encoded, signed answer. */
export async function answerChallengeBytes(
  context: AttestationContext,
  challengeBytes: Uint8Array,
): Promise<Result<Uint8Array, AttestCode>> {
  const challenge = decodeChallenge(challengeBytes);
  if (!challenge.ok) return challenge;
  const refused = checkChallenge(context.vault, challenge.value);
  if (refused !== undefined) return fail(refused);
  const { nonce } = challenge.value;
  const quote = await generateQuote(context, { purpose: 'challenge', nonce, nonce_height: context.lightClient.height });
  if (!quote.ok) return quote;
  return ok(encodeChallengeAnswer(answerChallenge(challenge.value, quote.value, context.vault.sign)));
}

/** Signs a challenge to this node on this chain with the attested key, without new evidence. */
export function provePresence(vault: Vault, challengeBytes: Uint8Array): Result<Uint8Array, AttestCode> {
  const challenge = decodeChallenge(challengeBytes);
  if (!challenge.ok) return challenge;
  const refused = checkChallenge(vault, challenge.value);
  return refused === undefined ? ok(answerPresence(challenge.value, vault.sign)) : fail(refused);
}

function checkChallenge({ identity }: Vault, challenge: Challenge): AttestCode | undefined {
  if (challenge.chainId !== identity.chainId) return 'CHALLENGE_OTHER_CHAIN';
  return challenge.target === identity.nodeId ? undefined : 'CHALLENGE_OTHER_NODE';
}

/** A signed sign of life at the newest block proven, that of `facts` included, about the evidence that they say is accepted. */
export function signOwnRefresh(
  { vault, lightClient }: Pick<AttestationContext, 'vault' | 'lightClient'>,
  facts: Uint8Array,
): Result<Uint8Array, AttestCode> {
  const shown = lightClient.show(facts);
  if (!shown.ok) return shown;
  const { chainId, nodeId } = vault.identity;
  const { height, hash } = lightClient.newest;
  const { evidenceDigest } = shown.value;
  return ok(encodeRefresh(signRefresh({ chainId, evidenceDigest, nodeId, height, blockHash: hash }, vault.sign)));
}
