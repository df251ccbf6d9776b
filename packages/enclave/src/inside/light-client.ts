/**
 * The light client of the enclave: it knows of the chain only what was proven to it, from the genesis that it got at
 * launch.
 *
 * The host brings every proof and can withhold them, but never show what is not final, and heights never go back. The
 * light client moves on whatever becomes of the task that a proof came with.
 */
import { decodeFinalityProof } from '@cloister/consensus';
import { type Digest, fail, type Height, ok, type Result } from '@cloister/encoding';
import type { AttestationFact, InferenceRequested, ModelKeyGrantAuthorised, ParsedGenesis } from '@cloister/ledger';
import {
  type AuthorisationCode,
  type Authorised,
  authoriseInference,
  authoriseModelKey,
  currentStanding,
  decodeAuthorityProof,
  decodeFactsProof,
  followHeader,
  launchedStanding,
  lightClientOf,
  type OwnFactsCode,
  type OwnIdentity,
  type Standing,
  type StandingCode,
  showFacts,
} from '@cloister/proof';

export type FinalityRefusal = 'FINALITY_MALFORMED' | 'FINALITY_REFUSED';
export type FactsRefusal = OwnFactsCode | 'PROOF_MALFORMED';
export type AuthorisationRefusal = AuthorisationCode | 'PROOF_MALFORMED';

/** The newest block that was proven final. */
export interface FinalBlock {
  readonly height: Height;
  readonly hash: Digest;
}

/** The enclave's view of the ledger. */
export class EnclaveLightClient {
  readonly genesis: ParsedGenesis;
  #standing: Standing;

  constructor(genesis: ParsedGenesis, own: OwnIdentity) {
    this.genesis = genesis;
    this.#standing = launchedStanding(own, lightClientOf(genesis));
  }

  /** Height of the newest proven header; 0 at launch. */
  get height(): Height {
    return this.#standing.lightClient.height;
  }

  /** Block time of the newest proven header, in milliseconds; the genesis' time at launch. */
  get timeMs(): number {
    return this.#standing.lightClient.timestampMs;
  }

  get newest(): FinalBlock {
    const { height, hash } = this.#standing.lightClient;
    return { height, hash };
  }

  /** Whether own evidence stands, by the newest facts that were shown. */
  current(): Result<AttestationFact, StandingCode> {
    return currentStanding(this.#standing);
  }

  /** Moves on to a finalized header, and names the newest block: a header behind it proves nothing new. */
  follow(finalityBytes: Uint8Array): Result<FinalBlock, FinalityRefusal> {
    const finality = decodeFinalityProof(finalityBytes);
    if (!finality.ok) return fail('FINALITY_MALFORMED');
    const followed = followHeader(this.#standing, finality.value);
    if (!followed.ok) return followed;
    this.#standing = followed.value;
    return ok(this.newest);
  }

  /** What the ledger holds now of own evidence, whether that stands or not. */
  show(proofBytes: Uint8Array): Result<AttestationFact, FactsRefusal> {
    const proof = decodeFactsProof(proofBytes);
    if (!proof.ok) return proof;
    const shown = showFacts(this.#standing, proof.value);
    this.#standing = shown.standing;
    return shown.result;
  }

  authoriseModelKey(proofBytes: Uint8Array): Result<Authorised<ModelKeyGrantAuthorised>, AuthorisationRefusal> {
    const proof = decodeAuthorityProof(proofBytes);
    if (!proof.ok) return proof;
    const judged = authoriseModelKey(this.#standing, proof.value);
    this.#standing = judged.standing;
    return judged.result;
  }

  authoriseInference(proofBytes: Uint8Array): Result<Authorised<InferenceRequested>, AuthorisationRefusal> {
    const proof = decodeAuthorityProof(proofBytes);
    if (!proof.ok) return proof;
    const judged = authoriseInference(this.#standing, proof.value);
    this.#standing = judged.standing;
    return judged.result;
  }
}
