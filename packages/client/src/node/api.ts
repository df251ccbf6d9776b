/**
 * The `NodeApi` port: what the SDK asks of a node. Nothing in an answer is trusted; what matters is proven elsewhere.
 *
 * Adapters throw `ClientError` with an API code when the node cannot be asked or its answer is not in the form.
 */
import type { AccountId, Digest, JsonValue } from '@cloister/encoding';
import type { FactSubject } from '@cloister/ledger';

export interface NodeStatus {
  readonly chainId: Digest;
  /** Height up to which blocks are executed. */
  readonly height: number;
  /** Height up to which events are provable. */
  readonly provableHeight: number;
  /** Events in the node's log. */
  readonly eventCount: number;
}

/** `sequence`: of the event that settled the transaction, which says by itself what became of it. */
export type TransactionFate =
  | { readonly fate: 'UNKNOWN' | 'PENDING' | 'EXPIRED' }
  | { readonly fate: 'COMMITTED' | 'REJECTED'; readonly sequence: number };

/** An event as listed; `payload` has the members of the ledger's event. */
export interface ListedEvent {
  readonly sequence: number;
  readonly type: string;
  readonly payload: { readonly [key: string]: JsonValue };
}

export interface ListedAttestation {
  readonly node: AccountId;
  readonly keyset: Digest;
  /** As the node says; the evidence is appraised before anything is sealed. */
  readonly platform: string;
  /** What the node thinks of it at its height. */
  readonly eligible: boolean;
}

export interface ListedModel {
  readonly model: Digest;
  readonly manifest: JsonValue;
  /** Keysets that were granted the model's key. */
  readonly grants: readonly Digest[];
}

export interface ListedInference {
  readonly task: Digest;
  readonly status: 'open' | 'completed' | 'failed';
  /** Sequences of the ReceiptAccepted events. */
  readonly receipts: readonly { readonly keyset: Digest; readonly sequence: number }[];
  /** Sequences of the ExecutorDeclined events. */
  readonly declines: readonly number[];
  /** Sequences of the ResponseWithheld events. */
  readonly withheld: readonly number[];
  /** Sequences of the AnswerMissed events. */
  readonly missed: readonly number[];
}

/** What a node asks of whoever uploads. */
export interface BlobUpload {
  readonly digest: Digest;
  readonly claim: string;
}

export interface NodeApi {
  /** Names the node in reports: its address. */
  readonly name: string;
  status(): Promise<NodeStatus>;
  /** The exact bytes of the genesis. */
  genesis(): Promise<Uint8Array>;
  /** Hands in a signed transaction in its wire form. */
  submitTransaction(bytes: Uint8Array): Promise<void>;
  transactionFate(id: Digest): Promise<TransactionFate>;
  /** Hands in a blob under the claim of an account that the chain knows (`signUploadClaim`). */
  putBlob(bytes: Uint8Array, upload: BlobUpload): Promise<void>;
  /** Undefined when the node has no such blob. */
  getBlob(digest: Digest, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Events of one type in ascending order from a sequence on, at most `limit`. */
  events(query: {
    readonly from: number;
    readonly limit: number;
    readonly type: string;
  }): Promise<readonly ListedEvent[]>;
  attestations(): Promise<readonly ListedAttestation[]>;
  /** Hands a challenge request, signed or not, to a node's enclave; its encoded answer. */
  challenge(node: AccountId, request: Uint8Array): Promise<Uint8Array>;
  /** Undefined when the node knows no such model. */
  model(model: Digest): Promise<ListedModel | undefined>;
  /** Undefined while the node knows no such task. */
  inference(task: Digest): Promise<ListedInference | undefined>;
  /** An encoded FactsProof of those subjects that there are; undefined while the node cannot prove any. */
  facts(subjects: readonly FactSubject[]): Promise<Uint8Array | undefined>;
  /** An encoded EventProof; undefined while the event is not provable. */
  eventProof(sequence: number): Promise<Uint8Array | undefined>;
}
