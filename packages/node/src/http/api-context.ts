/** What the API needs of a running node; tests give it a made-up one. */
import type { AccountId, Digest, JsonValue, Result } from '@cloister/crypto';
import type { FactSubject, LedgerState } from '@cloister/ledger';
import type { AdmissionCode, ChainReader } from '@cloister/validator';
import type { BlobStore } from '../blob-store.ts';
import type { EventBus } from '../event-bus.ts';
import type { EventIndex } from '../event-index.ts';
import type { MetricsRegistry } from '../metrics.ts';
import type { ChallengeOutcome } from '../peer-attestation.ts';
import type { TransactionFate } from '../transaction-tracker.ts';

export interface Readiness {
  readonly ready: boolean;
  /** Codes: SYNCING, NOT_CONNECTED, ENCLAVE_UNREACHABLE, NOT_ATTESTED, KEYSET_NOT_ATTESTED, ATTESTATION_… and HALTED. */
  readonly reasons: readonly string[];
}

export interface ApiContext {
  readonly self: AccountId;
  readonly chain: ChainReader;
  readonly state: () => LedgerState;
  /** Highest height whose events a finalized header covers. */
  readonly provableHeight: () => number;
  /** The body of /v1/status. */
  readonly status: () => { readonly [key: string]: JsonValue };
  readonly readiness: () => Readiness;
  readonly submit: (bytes: Uint8Array) => Promise<Result<{ readonly id: Digest }, AdmissionCode>>;
  readonly fateOf: (id: Digest) => Promise<TransactionFate>;
  readonly index: Pick<EventIndex, 'sequences'>;
  readonly blobs: Pick<BlobStore, 'put' | 'blobBytesMax'>;
  /** From disk or from peers. */
  readonly fetchBlob: (digest: Digest) => Promise<Uint8Array | undefined>;
  /** An encoded EventProof; undefined while the event is not provable. */
  readonly eventProof: (sequence: number) => Promise<Uint8Array | undefined>;
  /** An encoded FactsProof; undefined while there is none. */
  readonly facts: (subjects: readonly FactSubject[]) => Promise<Uint8Array | undefined>;
  readonly challenge: (asker: string, node: AccountId, challenge: Uint8Array) => Promise<Result<Uint8Array>>;
  readonly challengeOutcome: (node: AccountId) => ChallengeOutcome | undefined;
  readonly bus: EventBus;
  readonly metrics: MetricsRegistry;
}
