/**
 * What the API asks of the node that votes. The API runs in a thread of its own and reads the databases itself; what only
 * the other thread knows it asks there, in questions whose cost is bounded by their own form: one thing, or one page.
 */
import type { AccountId, Digest, Result } from '@cloister/encoding';
import type { FactSubject } from '@cloister/ledger';
import type { AdmissionCode } from '@cloister/replica';
import type { TrackedFate } from '../../chain/transaction-tracker.ts';
import type { UploadCode, UploadRequest } from '../gate/uploads.ts';

export interface Readiness {
  readonly ready: boolean;
  /**
   * Codes: HALTED, RESYNCING, NO_FINALITY, SYNCING, TWIN_SEEN, NOT_SIGNING, NO_QUORUM_CONNECTED, NOT_CONNECTED, NO_VALIDATOR_CONNECTED, CLOCK_SKEW, DISK_FULL,
   * ENCLAVE_UNREACHABLE, NOT_ATTESTED, KEYSET_NOT_ATTESTED and ATTESTATION_….
   */
  readonly reasons: readonly string[];
}

/** JSON as text: made once, by whoever has the values, and never parsed on the way. */
export type JsonText = string;

/** Items of a list, each as JSON text, and the cursor behind the last one; null at the end. */
export interface Page {
  readonly items: readonly JsonText[];
  readonly next: string | null;
}

export interface PageQuery {
  /** `next` of the page before; undefined for the first. */
  readonly after: string | undefined;
  readonly limit: number;
}

/** Most items of one question: about a millisecond of the thread that votes. */
export const QUESTION_ITEMS_MAX = 50;
/** Likewise of attestations, whose evidence has twenty kilobytes each. */
export const QUESTION_ATTESTATIONS_MAX = 8;

/** A blob on this node's disk. */
export interface BlobFile {
  readonly path: string;
  readonly size: number;
}

/** Where an upload goes, until it is closed. */
export interface UploadTicket {
  readonly ticket: number;
  readonly path: string;
}

export interface NodeQuestions {
  /** The body of /v1/status. */
  status(): Promise<JsonText>;
  readiness(): Promise<Readiness>;
  /** In the Prometheus text format. */
  metrics(): Promise<string>;
  validators(page: PageQuery): Promise<Page>;
  attestations(page: PageQuery): Promise<Page>;
  models(page: PageQuery): Promise<Page>;
  inferences(page: PageQuery): Promise<Page>;
  measurements(): Promise<JsonText>;
  policy(): Promise<JsonText>;
  model(id: Digest): Promise<JsonText | undefined>;
  /** Without the bytes of receipts and responses, which are in the events. */
  inference(task: Digest): Promise<JsonText | undefined>;
  record(namespace: string, key: string): Promise<JsonText | undefined>;
  fate(id: Digest): Promise<TrackedFate>;
  /** An encoded FactsProof; undefined while there is none. */
  facts(subjects: readonly FactSubject[]): Promise<Uint8Array | undefined>;
  /** Hands in a transaction whose signature was verified. */
  submit(bytes: Uint8Array): Promise<Result<{ readonly id: Digest }, AdmissionCode>>;
  challenge(asker: string, node: AccountId, challenge: Uint8Array): Promise<Result<Uint8Array>>;
  /** The file of a blob: held here, or fetched from a member when the ledger names it. */
  blob(digest: Digest): Promise<BlobFile | undefined>;
  /** Makes room for an upload, or says that the blob is here already. */
  openUpload(request: UploadRequest): Promise<Result<UploadTicket | 'held', UploadCode>>;
  /** `whole`: every byte arrived and the digest is the one that was named. */
  closeUpload(ticket: number, whole: boolean): Promise<void>;
}
