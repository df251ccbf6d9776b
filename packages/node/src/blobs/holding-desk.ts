/**
 * Holds the responses of others: a validator takes the sealed response of an executor that the ledger named, when it is
 * too large for the ledger, keeps it as long as the ledger knows the task, and signs that it does.
 *
 * An executor may be hostile, so nothing depends on its word: the task is on the ledger, the receipt is signed by the
 * attested enclave, one response is taken for each enclave and task, its room is the tenant's, and one transfer of each
 * executor runs at a time. An executor that is slow on purpose or sends other bytes than it named must wait for growing
 * times.
 */
import { LARGEST_SEALED_BYTES, parseReceipt, verifyReceipt } from '@cloister/confidential';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { type AccountId, asValidatorId, type Digest, fail, fromHex, ok, type Result } from '@cloister/encoding';
import { type LedgerState, MAX_INLINE_BYTES, signHolding } from '@cloister/ledger';
import { downloadBlob } from './blob-download.ts';
import type { BlobNames } from './blob-names.ts';
import { type AskMember, type BlobPieces, blobPieces } from './blob-pieces.ts';
import type { BlobRefusal, BlobStore, Reservation } from './blob-store.ts';
import { decodeHoldRequest, encodeHoldAnswer, type HoldAnswer, type HoldRequest } from './holding-messages.ts';
import type { HoldingPromises } from './holding-promises.ts';

/** Transfers at a time: one of each executor, each with one piece in memory. */
export const TRANSFERS_MAX = 8;
/** A transfer may take this long, and a second for each MiB. */
const TRANSFER_MS = 10_000;
const MS_PER_BYTE: number = 1_000 / (1024 * 1024);
export const REST_MS_FIRST = 5_000;
export const REST_MS_MAX = 600_000;
/** Tasks whose responses are remembered beside those of the ledger, before those that it no longer knows are let go. */
const STALE_TASKS = 256;

export type HoldRefusal =
  | 'NOT_A_VALIDATOR'
  | 'RESPONSE_SIZE'
  | 'RECEIPT_MALFORMED'
  | 'RECEIPT_SIGNATURE_INVALID'
  | 'WRONG_CHAIN'
  /** This node may be behind: worth another request. */
  | 'TASK_UNKNOWN'
  | 'TASK_CLOSED'
  | 'NOT_AN_EXECUTOR'
  | 'ANOTHER_RESPONSE'
  /** Transfers run already, or the executor rests: worth another request. */
  | 'BUSY'
  /** The promise cannot be written down. */
  | 'PROMISE_NOT_STORED'
  | BlobRefusal;

export interface HoldingDeskOptions {
  readonly chainId: Digest;
  readonly signer: Ed25519KeyPair;
  readonly state: () => LedgerState;
  readonly names: BlobNames;
  /** What was promised in earlier lives is held on to. */
  readonly promises: HoldingPromises;
  readonly blobs: BlobStore;
  /** One request of the blob protocol. */
  readonly request: AskMember;
  readonly monotonicMs: () => number;
}

interface Wanted {
  readonly task: Digest;
  readonly keyset: Digest;
  readonly digest: Digest;
  readonly size: number;
  /** Whose request it answers, and whose room it takes. */
  readonly tenant: AccountId;
}

export class HoldingDesk {
  readonly #options: HoldingDeskOptions;
  /** Executor → its transfer. */
  readonly #transfers = new Map<AccountId, Promise<void>>();
  readonly #rests = new Map<AccountId, { readonly untilMs: number; readonly forMs: number }>();
  /** Task → keyset → the one response that is taken of it, verified as its enclave's. */
  readonly #taken = new Map<Digest, Map<Digest, Digest>>();

  constructor(options: HoldingDeskOptions) {
    this.#options = options;
    for (const { task, keyset, digest } of options.promises.all) {
      this.#taken.set(task, (this.#taken.get(task) ?? new Map<Digest, Digest>()).set(keyset, digest));
    }
  }

  /** Tasks whose responses are remembered. */
  get size(): number {
    return this.#taken.size;
  }

  /** Executors that rest, or did. */
  get resting(): number {
    return this.#rests.size;
  }

  /** Answers a member's request; undefined refuses the stream. */
  async answer(member: AccountId, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const request = decodeHoldRequest(bytes);
    if (!request.ok) return undefined;
    const answer = await this.#answer(member, request.value);
    return encodeHoldAnswer(answer.ok ? answer.value : { status: 'refused', code: answer.code });
  }

  async #answer(member: AccountId, request: HoldRequest): Promise<Result<HoldAnswer, HoldRefusal>> {
    const { blobs, chainId, names, promises, signer, state } = this.#options;
    const judged = this.#judge(member, request);
    if (!judged.ok) return judged;
    const wanted = judged.value;
    const { task, keyset, digest } = wanted;
    if ((await blobs.fileOf(digest)) === undefined) return this.#take(member, wanted);
    // This comes before the signature. From here on the blob is not removed for want of room, and a restart does not
    // forget it.
    names.promise(digest, task);
    try {
      await promises.keep({ task, keyset, digest }, state().tasks);
    } catch {
      return fail('PROMISE_NOT_STORED');
    }
    return ok({ status: 'held', statement: signHolding(signer, { chainId, task, responseDigest: digest }) });
  }

  /** Whether a member may ask for this at all; the signature comes last, and once. */
  #judge(member: AccountId, { size, receipt }: HoldRequest): Result<Wanted, HoldRefusal> {
    const { chainId, signer, state } = this.#options;
    const { members, tasks, keysets, timeMs } = state();
    if ((members.get(asValidatorId(signer.id))?.weight ?? 0) === 0) return fail('NOT_A_VALIDATOR');
    if (size <= MAX_INLINE_BYTES || size > LARGEST_SEALED_BYTES) return fail('RESPONSE_SIZE');
    const parsed = parseReceipt(receipt);
    if (!parsed.ok) return fail('RECEIPT_MALFORMED');
    const { statement } = parsed.value;
    if (statement.chainId !== chainId) return fail('WRONG_CHAIN');
    const task = tasks.get(statement.task);
    if (task === undefined) return fail('TASK_UNKNOWN');
    const { keyset, responseDigest: digest } = statement;
    const executor = task.executors.find((one) => one.keyset === keyset);
    const signKey = keysets.get(keyset)?.signKey;
    if (executor?.node !== member || signKey === undefined) return fail('NOT_AN_EXECUTOR');
    const isSpent = executor.declined !== null || executor.withheld !== null;
    if (task.status === 'failed' || isSpent || timeMs > task.deadlineMs) return fail('TASK_CLOSED');
    const taken = this.#taken.get(task.id)?.get(keyset);
    if (taken !== undefined && taken !== digest) return fail('ANOTHER_RESPONSE');
    if (taken === undefined && !verifyReceipt(parsed.value, fromHex(signKey)).ok) {
      return fail('RECEIPT_SIGNATURE_INVALID');
    }
    this.#remember(task.id, keyset, digest);
    return ok({ task: task.id, keyset, digest, size, tenant: task.sender });
  }

  #remember(task: Digest, keyset: Digest, digest: Digest): void {
    const { tasks } = this.#options.state();
    const ofTask = this.#taken.get(task) ?? new Map<Digest, Digest>();
    this.#taken.set(task, ofTask.set(keyset, digest));
    if (this.#taken.size <= tasks.size + STALE_TASKS) return;
    for (const id of this.#taken.keys()) if (!tasks.has(id)) this.#taken.delete(id);
  }

  async #take(executor: AccountId, wanted: Wanted): Promise<Result<HoldAnswer, HoldRefusal>> {
    const { blobs, monotonicMs } = this.#options;
    if (this.#transfers.has(executor)) return ok({ status: 'pending' });
    const resting = (this.#rests.get(executor)?.untilMs ?? 0) > monotonicMs();
    if (resting || this.#transfers.size >= TRANSFERS_MAX) return fail('BUSY');
    const reserved = blobs.reserve(wanted.digest, wanted.size, wanted.tenant);
    if (!reserved.ok) return reserved;
    const transfer = this.#transfer(executor, wanted, reserved.value).finally(() => this.#transfers.delete(executor));
    this.#transfers.set(executor, transfer);
    return ok({ status: 'pending' });
  }

  /** Never rejects. */
  async #transfer(executor: AccountId, wanted: Wanted, room: Reservation): Promise<void> {
    const { blobs } = this.#options;
    const { digest, size } = wanted;
    const isHeld = await downloadBlob(blobs, { digest, size, room }, this.#pieces(executor, wanted)).catch(() => false);
    if (isHeld) this.#rests.delete(executor);
    else this.#rest(executor);
  }

  /** Ends without the rest of the response when that is not here in time. */
  async *#pieces(member: AccountId, { digest, size }: Wanted): BlobPieces {
    const { monotonicMs, request } = this.#options;
    const untilMs = monotonicMs() + TRANSFER_MS + size * MS_PER_BYTE;
    for await (const piece of blobPieces(request, { member, digest, bytesMax: size })) {
      yield piece;
      if (monotonicMs() > untilMs) return;
    }
  }

  #rest(executor: AccountId): void {
    const nowMs = this.#options.monotonicMs();
    const last = this.#rests.get(executor);
    const isAgain = last !== undefined && nowMs - last.untilMs < REST_MS_MAX;
    const forMs = isAgain ? Math.min(2 * last.forMs, REST_MS_MAX) : REST_MS_FIRST;
    this.#rests.set(executor, { forMs, untilMs: nowMs + forMs });
    const { members } = this.#options.state();
    if (this.#rests.size <= members.size) return;
    for (const id of this.#rests.keys()) if (!members.has(asValidatorId(id))) this.#rests.delete(id);
  }
}
