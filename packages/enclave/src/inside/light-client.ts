/**
 * What the enclave knows of the chain: only what was proven to it, from the genesis given at launch.
 *
 * The host brings every proof and can withhold them, but never show what is not final, and heights never go back. The
 * light client moves on whatever becomes of the task that a proof came with.
 */
import { decodeFinalityProof } from '@cloister/consensus';
import { type Digest, fail, type Height, ok, type Result } from '@cloister/crypto';
import type { InferenceRequested, ModelKeyGrantAuthorised, ParsedGenesis } from '@cloister/ledger';
import {
  type AcceptanceCode,
  type AuthorisationCode,
  type Authorised,
  authoriseInference,
  authoriseModelKey,
  currentStanding,
  decodeEventProof,
  type EventProof,
  followHeader,
  launchedStanding,
  lightClientOf,
  type OwnAcceptance,
  type OwnIdentity,
  type Standing,
  type StandingCode,
  showAcceptance,
} from '@cloister/proof';

export type FinalityRefusal = 'FINALITY_MALFORMED' | 'FINALITY_REFUSED';

/** The newest block that was proven final. */
export interface FinalBlock {
  readonly height: Height;
  readonly hash: Digest;
}

/** The enclave's view of the ledger. */
export class LedgerView {
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

  /** Whether the ledger's acceptance of own evidence holds now; ATTESTATION_NOT_ACCEPTED before it was shown. */
  current(): Result<OwnAcceptance, StandingCode> {
    return currentStanding(this.#standing);
  }

  /** Newest acceptance shown, whether it still holds or not. */
  get acceptance(): OwnAcceptance | undefined {
    return this.#standing.acceptances[0];
  }

  /** Moves on to a finalized header, and names the newest block: a header behind it proves nothing new. */
  follow(finalityBytes: Uint8Array): Result<FinalBlock, FinalityRefusal> {
    const finality = decodeFinalityProof(finalityBytes);
    if (!finality.ok) return fail('FINALITY_MALFORMED');
    const followed = followHeader(this.#standing, finality.value);
    if (!followed.ok) return followed;
    this.#standing = followed.value.standing;
    const { height, hash } = this.#standing.lightClient;
    return ok({ height, hash });
  }

  /** Takes the ledger's acceptance or refresh of own evidence. */
  accept(proofBytes: Uint8Array): Result<void, AcceptanceCode | 'PROOF_MALFORMED'> {
    const proof = decodeEventProof(proofBytes);
    if (!proof.ok) return proof;
    const shown = showAcceptance(this.#standing, proof.value);
    if (!shown.ok) return shown;
    this.#standing = shown.value;
    return ok(undefined);
  }

  authoriseModelKey(proofBytes: Uint8Array): Result<Authorised<ModelKeyGrantAuthorised>, AuthorisationRefusal> {
    return this.#authorise(proofBytes, authoriseModelKey);
  }

  authoriseInference(proofBytes: Uint8Array): Result<Authorised<InferenceRequested>, AuthorisationRefusal> {
    return this.#authorise(proofBytes, authoriseInference);
  }

  #authorise<E>(
    proofBytes: Uint8Array,
    check: (standing: Standing, proof: EventProof) => Result<Authorised<E>, AuthorisationCode>,
  ): Result<Authorised<E>, AuthorisationRefusal> {
    const proof = decodeEventProof(proofBytes);
    if (!proof.ok) return proof;
    // The proof's header counts even if the event then authorises nothing here: time cannot be held back by a bad event.
    const followed = followHeader(this.#standing, proof.value.finality);
    if (followed.ok) this.#standing = followed.value.standing;
    const authorised = check(this.#standing, proof.value);
    if (authorised.ok) this.#standing = authorised.value.standing;
    return authorised;
  }
}

export type AuthorisationRefusal = AuthorisationCode | 'PROOF_MALFORMED';
