/** Answers the API's questions in the thread that votes, from what it has at hand. */
import type { AccountId, Digest, Result } from '@cloister/encoding';
import { type FactSubject, settingsOf } from '@cloister/ledger';
import type { AdmissionCode } from '@cloister/replica';
import type { BlobNames } from '../blobs/blob-names.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { TrackedFate } from '../chain/transaction-tracker.ts';
import type { UploadCode, UploadRequest } from '../http/gate/uploads.ts';
import type {
  BlobFile,
  JsonText,
  NodeQuestions,
  Page,
  PageQuery,
  Readiness,
  UploadTicket,
} from '../http/thread/node-questions.ts';
import type { NodeContext } from '../process/node-context.ts';
import { LedgerOrders } from './ledger-orders.ts';
import { LedgerQueries } from './ledger-queries.ts';
import { NamedBlobs } from './named-blobs.ts';
import { UploadDesk } from './upload-desk.ts';

export interface NodeDeskOptions {
  readonly context: NodeContext;
  readonly blobs: BlobStore;
  readonly names: BlobNames;
  /** From disk or from members, kept on disk. */
  readonly holdBlob: (digest: Digest) => Promise<boolean>;
  readonly monotonicMs: () => number;
}

export class NodeDesk implements NodeQuestions {
  readonly #context: NodeContext;
  readonly #queries: LedgerQueries;
  readonly #named: NamedBlobs;
  readonly #uploads: UploadDesk;
  readonly #simulated: boolean;
  readonly #unsubscribe: () => void;

  constructor({ context, blobs, names, holdBlob, monotonicMs }: NodeDeskOptions) {
    const { state, challengeOutcome, bus } = context;
    this.#context = context;
    this.#simulated = settingsOf(state()).trustAnchors.simulated;
    const orders = new LedgerOrders(state);
    this.#queries = new LedgerQueries({ state, orders, challengeOutcome });
    this.#named = new NamedBlobs({ blobs, names, holdBlob, monotonicMs });
    this.#uploads = new UploadDesk({ blobs, names, state });
    this.#unsubscribe = bus.subscribe(({ firstSequence, events }) => orders.committed(firstSequence, events));
  }

  /** Follows the chain no longer, and gives up what was being uploaded. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.abandonUploads();
  }

  async abandonUploads(): Promise<void> {
    await this.#uploads.abandon();
  }

  async status(): Promise<JsonText> {
    return JSON.stringify({ ...this.#context.status(), simulated: this.#simulated });
  }

  async readiness(): Promise<Readiness> {
    return this.#context.readiness();
  }

  async metrics(): Promise<string> {
    return this.#context.metrics.render();
  }

  async validators(page: PageQuery): Promise<Page> {
    return this.#queries.validators(page);
  }

  async attestations(page: PageQuery): Promise<Page> {
    return this.#queries.attestations(page);
  }

  async models(page: PageQuery): Promise<Page> {
    return this.#queries.models(page);
  }

  async inferences(page: PageQuery): Promise<Page> {
    return this.#queries.inferences(page);
  }

  async measurements(): Promise<JsonText> {
    return this.#queries.measurements();
  }

  async policy(): Promise<JsonText> {
    return this.#queries.policy();
  }

  async model(id: Digest): Promise<JsonText | undefined> {
    return this.#queries.model(id);
  }

  async inference(task: Digest): Promise<JsonText | undefined> {
    return this.#queries.inference(task);
  }

  async record(namespace: string, key: string): Promise<JsonText | undefined> {
    return this.#queries.record(namespace, key);
  }

  fate(id: Digest): Promise<TrackedFate> {
    return this.#context.fateOf(id);
  }

  facts(subjects: readonly FactSubject[]): Promise<Uint8Array | undefined> {
    return this.#context.facts(subjects);
  }

  submit(bytes: Uint8Array): Promise<Result<{ readonly id: Digest }, AdmissionCode>> {
    return this.#context.submitVerified(bytes);
  }

  challenge(asker: string, node: AccountId, challenge: Uint8Array): Promise<Result<Uint8Array>> {
    return this.#context.challenge(asker, node, challenge);
  }

  blob(digest: Digest): Promise<BlobFile | undefined> {
    return this.#named.file(digest);
  }

  openUpload(request: UploadRequest): Promise<Result<UploadTicket | 'held', UploadCode>> {
    return this.#uploads.open(request);
  }

  closeUpload(ticket: number, whole: boolean): Promise<void> {
    return this.#uploads.close(ticket, whole);
  }
}
