/** Uploads of the API's clients: whether one is taken, where its bytes go, and that nothing of a broken one stays. */
import { fail, ok, type Result } from '@cloister/encoding';
import { isKnownSender, type LedgerState } from '@cloister/ledger';
import type { BlobNames } from '../blobs/blob-names.ts';
import type { BlobStore, Reservation } from '../blobs/blob-store.ts';
import type { UploadCode, UploadRequest } from '../http/gate/uploads.ts';
import type { UploadTicket } from '../http/thread/node-questions.ts';

export interface UploadDeskOptions {
  readonly blobs: BlobStore;
  readonly names: BlobNames;
  readonly state: () => LedgerState;
}

export class UploadDesk {
  readonly #options: UploadDeskOptions;
  readonly #open = new Map<number, Reservation>();
  #nextTicket = 1;

  constructor(options: UploadDeskOptions) {
    this.#options = options;
  }

  /** Uploads that have begun and not ended. */
  get size(): number {
    return this.#open.size;
  }

  async open({ digest, size, account }: UploadRequest): Promise<Result<UploadTicket | 'held', UploadCode>> {
    const { blobs, names, state } = this.#options;
    if (account === null) {
      // The network needs a blob that the ledger names, whichever account brings it. The digest shows that it is the
      // right one.
      if (!names.has(digest))
        return fail('UPLOAD_NOT_CLAIMED', 'no account signed for it, and the ledger does not name it');
    } else if (!isKnownSender(state(), account)) return fail('SENDER_UNKNOWN', account);
    if (blobs.has(digest)) return ok('held');
    const reserved = blobs.reserve(digest, size, account ?? undefined);
    if (!reserved.ok) return reserved;
    const ticket = this.#nextTicket++;
    this.#open.set(ticket, reserved.value);
    try {
      await blobs.prepareUploads();
    } catch (error) {
      await this.close(ticket, false);
      throw error;
    }
    return ok({ ticket, path: reserved.value.path });
  }

  async close(ticket: number, whole: boolean): Promise<void> {
    const reservation = this.#open.get(ticket);
    if (reservation === undefined) return;
    this.#open.delete(ticket);
    if (whole) await this.#options.blobs.adopt(reservation);
    else await this.#options.blobs.release(reservation);
  }

  /** The thread that was writing is gone, so all its uploads are given up. */
  async abandon(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((ticket) => this.close(ticket, false)));
  }
}
