/** A running node as its own process sees it: what the API's questions are answered from, and what tests look at. */
import type { AccountId, Digest, JsonValue, Result } from '@cloister/encoding';
import type { FactSubject, LedgerState } from '@cloister/ledger';
import type { AdmissionCode, ChainReader } from '@cloister/replica';
import type { ChallengeOutcome } from '../attest/peer-attestation.ts';
import type { EventBus } from '../chain/event-bus.ts';
import type { EventIndex } from '../chain/event-index.ts';
import type { TrackedFate } from '../chain/transaction-tracker.ts';
import type { Readiness } from '../http/thread/node-questions.ts';
import type { MetricsRegistry } from '../status/metrics.ts';

export interface NodeContext {
  readonly self: AccountId;
  readonly chain: ChainReader;
  readonly state: () => LedgerState;
  /** Highest height whose events a finalized header covers. */
  readonly provableHeight: () => number;
  /** The body of /v1/status. */
  readonly status: () => { readonly [key: string]: JsonValue };
  readonly readiness: () => Readiness;
  /** Whether no validator is connected, though there are others. */
  readonly isLost: () => boolean;
  /** What the node waits for, in words; empty when it is ready. */
  readonly waitsFor: () => readonly string[];
  /** A transaction whose signature was verified already, in another thread. */
  readonly submitVerified: (bytes: Uint8Array) => Promise<Result<{ readonly id: Digest }, AdmissionCode>>;
  readonly fateOf: (id: Digest) => Promise<TrackedFate>;
  readonly index: Pick<EventIndex, 'count' | 'settled'>;
  /** An encoded FactsProof; undefined while there is none. */
  readonly facts: (subjects: readonly FactSubject[]) => Promise<Uint8Array | undefined>;
  readonly challenge: (asker: string, node: AccountId, challenge: Uint8Array) => Promise<Result<Uint8Array>>;
  readonly challengeOutcome: (node: AccountId) => ChallengeOutcome | undefined;
  readonly bus: EventBus;
  readonly metrics: MetricsRegistry;
}
