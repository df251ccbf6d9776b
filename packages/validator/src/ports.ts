/**
 * The ports through which executor and attestation keeper reach the enclave, the chain, blobs and time.
 */
import type { EnclaveDescription } from '@cloister/confidential';
import { CodedError, type Digest, type Result } from '@cloister/encoding';
import type { LedgerEvent, LedgerState } from '@cloister/ledger';
import type { AdmissionCode } from '@cloister/replica';

/** The enclave process or its platform could not be reached. This passes, unlike a refusal. */
export class EnclaveUnavailable extends CodedError<'ENCLAVE_GONE' | 'ENCLAVE_TIMEOUT' | 'ENCLAVE_PROTOCOL'> {}

/** A blob ended before its last piece, or is not what its digest names. */
export class BlobUnavailable extends CodedError<'BLOB_BROKEN_OFF' | 'BLOB_MISMATCH'> {}

/** The signed receipt and the sealed response of one executed request; identical bytes on every call for one task. */
export interface InferenceOutput {
  /** DSSE envelope. */
  readonly receipt: Uint8Array;
  readonly response: Uint8Array;
}

/**
 * The local enclave. A refusal is a result with the enclave's code; only a broken channel throws (`EnclaveUnavailable`).
 * `finality` is an encoded FinalityProof, `facts` an encoded FactsProof of rules and own attestation, `authority` an encoded
 * AuthorityProof of an event and of the facts on which it rests, `challenge` an encoded challenge.
 */
export interface EnclavePort {
  describe(): Promise<EnclaveDescription>;
  /** Ledger: an encoded EvidenceBundle whose nonce is the header's hash. Challenge: an encoded ChallengeAnswer. Presence: a signature. */
  attest(
    request:
      | { readonly purpose: 'ledger'; readonly finality: Uint8Array }
      | { readonly purpose: 'challenge' | 'presence'; readonly challenge: Uint8Array },
  ): Promise<Result<Uint8Array>>;
  /** An encoded, signed RefreshStatement for the header of the facts. */
  refresh(request: { readonly facts: Uint8Array }): Promise<Result<Uint8Array>>;
  /** Shows the enclave what the ledger holds now of its evidence; refused with the ledger's reason when that does not stand. */
  accept(request: { readonly facts: Uint8Array }): Promise<Result<void>>;
  provisionModel(request: {
    readonly authority: Uint8Array;
    /** Canonical JSON of the model manifest. */
    readonly manifest: Uint8Array;
    /** In order, read as the enclave takes it: no process of the validator holds a whole model. */
    readonly ciphertext: AsyncIterable<Uint8Array>;
  }): Promise<Result<void>>;
  runInference(request: {
    readonly authority: Uint8Array;
    readonly payload: Uint8Array;
  }): Promise<Result<InferenceOutput>>;
}

/** Content-addressed ciphertexts: sealed payloads, responses and models above what a transaction carries. */
export interface BlobPort {
  /** The blob of this SHA-256, from disk or from peers; undefined when nobody has it. The caller checks the digest. */
  get(digest: Digest): Promise<Uint8Array | undefined>;
  /**
   * The pieces of a blob of `size` bytes, from disk or else from a peer as they are taken; undefined when nobody has
   * it. The last piece comes only if all pieces together have the digest; otherwise `BlobUnavailable` is thrown. For
   * sealed models, which are too large for memory.
   */
  open(digest: Digest, size: number): Promise<AsyncIterable<Uint8Array> | undefined>;
  put(digest: Digest, bytes: Uint8Array): Promise<void>;
}

/** The shell's clock and randomness, for the asynchronous parts only. */
export interface ClockPort {
  /** For durations. */
  monotonicMs(): number;
  /** Resolves after `delayMs`, or early when the node stops. */
  sleep(delayMs: number): Promise<void>;
}
export interface RandomPort {
  /** Cryptographically random bytes. */
  bytes(length: number): Uint8Array;
}

/** The agreed state as executed here; changed in place by the replica, so readers do not keep parts of it over an await. */
export interface LedgerPort {
  state(): LedgerState;
  /** The event at a sequence that is durable here. */
  event(sequence: number): Promise<LedgerEvent | undefined>;
}

/** Hands a transaction to the local replica. */
export interface SubmitPort {
  submit(bytes: Uint8Array): Promise<Result<{ readonly id: Digest }, AdmissionCode>>;
}
