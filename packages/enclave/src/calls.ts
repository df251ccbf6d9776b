/**
 * The calls that a validator makes of its enclave, for both of them.
 *
 * The validator's word is never taken inside: whatever matters comes with its proof. Nor is the enclave's outside, but for what
 * concerns the validator's own status.
 */
import { CHALLENGE_BYTES, MAX_ANSWER_BYTES, MAX_BUNDLE_BYTES } from '@cloister/attestation';
import {
  type EnclaveDescription,
  LARGEST_SEALED_BYTES,
  MODEL_MANIFEST_BYTES_MAX,
  RECEIPT_BYTES_MAX,
} from '@cloister/confidential';
import {
  account,
  array,
  bool,
  digest,
  height,
  hex,
  measurement,
  nullable,
  oneOf,
  text,
} from '@cloister/encoding/shape';
import { AUTHORITY_PROOF_BYTES_MAX, FACTS_PROOF_BYTES_MAX, FINALITY_BYTES_MAX } from '@cloister/proof';
import { bytesUpTo, type Call, type CallTable, type Nothing } from './channel/call-table.ts';
import { MODEL_PIECE_BYTES } from './channel/limits.ts';

/** More than an enclave ever holds. */
const MODELS_LISTED_MAX = 4_096;
const SIGNATURE_BYTES = 64;
const REFRESH_BYTES = 200;
/** The name that an enclave gives to a model's way in. */
const transfer = text(32, 1);

export interface EnclaveCalls {
  readonly describe: Call<Nothing, EnclaveDescription>;
  /** Evidence for the ledger, over the hash of a block that is proven final. */
  readonly 'attest-ledger': Call<{ readonly finality: Uint8Array }, { readonly bundle: Uint8Array }>;
  /** Evidence for a challenger, over its nonce. */
  readonly 'attest-challenge': Call<{ readonly challenge: Uint8Array }, { readonly answer: Uint8Array }>;
  /** The attested key's signature of a challenge, without new evidence. */
  readonly 'prove-presence': Call<{ readonly challenge: Uint8Array }, { readonly signature: Uint8Array }>;
  /** A signed statement that stands for new evidence on the ledger. */
  readonly refresh: Call<{ readonly facts: Uint8Array }, { readonly statement: Uint8Array }>;
  /** Shows what the ledger holds now of the enclave's evidence. */
  readonly accept: Call<{ readonly facts: Uint8Array }, Nothing>;
  /** Begins a granted model's way in; null when it is loaded. */
  readonly 'provision-begin': Call<
    { readonly authority: Uint8Array; readonly manifest: Uint8Array },
    { readonly transfer: string | null }
  >;
  /** The next piece of its ciphertext. */
  readonly 'provision-piece': Call<{ readonly transfer: string; readonly ciphertext: Uint8Array }, Nothing>;
  /** Loads what came, or gives it up when that is not all. */
  readonly 'provision-end': Call<{ readonly transfer: string }, Nothing>;
  readonly 'run-inference': Call<
    { readonly authority: Uint8Array; readonly payload: Uint8Array },
    { readonly receipt: Uint8Array; readonly response: Uint8Array }
  >;
}

export const ENCLAVE_CALLS: CallTable<EnclaveCalls> = {
  describe: {
    argument: {},
    answer: {
      nodeId: account,
      platform: text(64),
      simulated: bool,
      isolated: bool,
      measurement,
      image: digest,
      imageName: text(256),
      imageVersion: text(256),
      keyset: digest,
      hpkeKey: hex(32),
      signKey: hex(32),
      phase: oneOf(['launched', 'attested', 'serving']),
      trustedHeight: height,
      models: array(digest, { max: MODELS_LISTED_MAX }),
    },
  },
  'attest-ledger': {
    argument: { finality: bytesUpTo(FINALITY_BYTES_MAX) },
    answer: { bundle: bytesUpTo(MAX_BUNDLE_BYTES) },
  },
  'attest-challenge': {
    argument: { challenge: bytesUpTo(CHALLENGE_BYTES) },
    answer: { answer: bytesUpTo(MAX_ANSWER_BYTES) },
  },
  'prove-presence': {
    argument: { challenge: bytesUpTo(CHALLENGE_BYTES) },
    answer: { signature: bytesUpTo(SIGNATURE_BYTES) },
  },
  refresh: {
    argument: { facts: bytesUpTo(FACTS_PROOF_BYTES_MAX) },
    answer: { statement: bytesUpTo(REFRESH_BYTES) },
  },
  accept: {
    argument: { facts: bytesUpTo(FACTS_PROOF_BYTES_MAX) },
    answer: {},
  },
  'provision-begin': {
    argument: { authority: bytesUpTo(AUTHORITY_PROOF_BYTES_MAX), manifest: bytesUpTo(MODEL_MANIFEST_BYTES_MAX) },
    answer: { transfer: nullable(transfer) },
  },
  'provision-piece': {
    argument: { transfer, ciphertext: bytesUpTo(MODEL_PIECE_BYTES) },
    answer: {},
  },
  'provision-end': {
    argument: { transfer },
    answer: {},
  },
  'run-inference': {
    argument: { authority: bytesUpTo(AUTHORITY_PROOF_BYTES_MAX), payload: bytesUpTo(LARGEST_SEALED_BYTES) },
    answer: { receipt: bytesUpTo(RECEIPT_BYTES_MAX), response: bytesUpTo(LARGEST_SEALED_BYTES) },
  },
};
