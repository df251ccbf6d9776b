/**
 * Takes transactions from clients: it admits them within quotas, sorts them into lanes and packs them into signed
 * batches.
 *
 * Every refusal has a code. A validator packs what it admits into batches of its own; any other node forwards it. A
 * transaction counts against its sender from admission until it is executed or expires. Refreshes and evidence are
 * packed into different batches, because a batch with evidence may have to wait for a block with room for its
 * appraisals.
 */
import { type AccountId, asHeight, assert, type Digest, fail, type Height, ok, type Result } from '@cloister/encoding';
import {
  APPRAISALS_PER_SENDER_MAX,
  admissionRefusal,
  BATCH_ENVELOPE_BYTES,
  costsAppraisal,
  decodeTransaction,
  exceedsRecordLimit,
  isKnownSender,
  LANES,
  type Lane,
  laneOf,
  MAX_BATCH_BYTES,
  MAX_TRANSACTION_BYTES,
  settingsOf,
  signBatch,
  strangerRefusal,
  type Transaction,
  taskLimit,
  type VerifiedBatch,
} from '@cloister/ledger';
import type { BatchPool } from '../batches/batch-pool.ts';
import {
  authorBytesMax,
  BATCH_APPRAISALS_MAX,
  BATCH_DELAY_MS_MAX,
  BATCH_DELAY_MS_QUIET,
  BATCH_DELAY_MS_STEADY,
  BATCH_LIFETIME_HEIGHTS,
  BATCH_TRANSACTIONS_MAX,
  SENDER_BYTES_MAX,
  STRANGER_BYTES_MAX,
  STRANGERS_MAX,
} from '../limits.ts';
import type { ReplicaCore } from '../step/replica-core.ts';
import type { AdmissionCode } from '../step/replica-ports.ts';
import type { TransactionSignatureCache } from './transaction-signatures.ts';

export const FLUSH_TIMER = 'flush';
/** Heights between two sweeps for expired transactions. */
const EXPIRY_STRIDE = 16;

interface Queue {
  readonly lane: Lane;
  /** Holds what costs appraisals, and nothing else. */
  readonly appraised: boolean;
  transactions: Transaction[];
  /** What a batch of them would hold. */
  bytes: number;
}

interface Charge {
  readonly sender: AccountId;
  readonly bytes: number;
  readonly expiryHeight: Height;
  readonly stranger: boolean;
  readonly appraised: boolean;
  readonly request: boolean;
}

function emptyQueue(lane: Lane, appraised: boolean): Queue {
  return { lane, appraised, transactions: [], bytes: 0 };
}

/** Adds to a sender's count, and forgets one that is down to nothing. */
function add(counts: Map<AccountId, number>, sender: AccountId, amount: number): void {
  const sum = (counts.get(sender) ?? 0) + amount;
  if (sum > 0) counts.set(sender, sum);
  else counts.delete(sender);
}

export class Ingress {
  readonly #core: ReplicaCore;
  readonly #pool: BatchPool;
  readonly #signatures: TransactionSignatureCache;
  readonly #forward: (transactions: readonly Transaction[]) => void;
  readonly #queues: readonly Queue[] = [
    emptyQueue('attestation', true),
    ...LANES.map((lane) => emptyQueue(lane, false)),
  ];
  readonly #charges = new Map<Digest, Charge>();
  readonly #bytesBySender = new Map<AccountId, number>();
  readonly #appraisalsBySender = new Map<AccountId, number>();
  readonly #bytesMax: number;
  readonly #requestsBySender = new Map<AccountId, number>();
  #queuedBytes = 0;
  #strangers = 0;
  #timerSet = false;
  #lastFlushMs = 0;

  constructor(
    core: ReplicaCore,
    pool: BatchPool,
    signatures: TransactionSignatureCache,
    forward: (transactions: readonly Transaction[]) => void,
  ) {
    this.#core = core;
    this.#bytesMax = authorBytesMax(core.set.validators.length);
    this.#pool = pool;
    this.#signatures = signatures;
    this.#forward = forward;
  }

  /** Transactions admitted here and neither executed nor expired. */
  get pendingCount(): number {
    return this.#charges.size;
  }

  isPending(id: Digest): boolean {
    return this.#charges.has(id);
  }

  /** Admits the wire form of a transaction. `verified`: another thread of this node has checked its signature. */
  submit(bytes: Uint8Array, verified = false): Result<{ readonly id: Digest }, AdmissionCode> {
    if (bytes.length > MAX_TRANSACTION_BYTES) return fail('TRANSACTION_TOO_LARGE', `${bytes.length} bytes`);
    const decoded = decodeTransaction(bytes);
    if (!decoded.ok) return fail('TRANSACTION_MALFORMED', decoded.detail ?? decoded.code);
    const transaction = decoded.value;
    const refusal = admissionRefusal(this.#core.ledger, transaction, this.#nextHeight());
    if (refusal !== undefined) return fail(refusal);
    if (this.#charges.has(transaction.id)) {
      // The validator that got it may have lost it.
      if (!this.#core.isValidator) this.#forward([transaction]);
      return fail('ALREADY_PENDING', transaction.id);
    }
    const stranger = !isKnownSender(this.#core.ledger, transaction.sender);
    const crowded = this.#crowded(transaction, stranger);
    if (crowded !== undefined) return fail(crowded);
    const over = this.#overLimit(transaction);
    if (over !== undefined) return fail(over);
    if (verified) this.#signatures.add(transaction);
    else if (!this.#signatures.verify(transaction)) return fail('SIGNATURE_INVALID');
    const context = { height: this.#nextHeight(), timeMs: this.#core.ledger.timeMs };
    const rejected = strangerRefusal(this.#core.ledger, transaction, context);
    if (rejected !== undefined)
      return fail('EVIDENCE_NOT_ADMITTED', `${rejected.code} ${rejected.detail ?? ''}`.trim());
    this.#charge(transaction, stranger);
    this.#enqueue(transaction);
    return ok({ id: transaction.id });
  }

  #nextHeight(): Height {
    return asHeight(this.#core.ledger.height + 1);
  }

  #crowded(transaction: Transaction, stranger: boolean): 'BACKPRESSURE' | 'QUOTA_EXCEEDED' | undefined {
    // Only this node's own batches count, so that a flood by others turns no client of this node away. The others keep
    // a bounded share of this node's batches, so more would be in vain. The normal lane may fill half of it, so that
    // attestations, governance and results get through a flood of the normal kind.
    const room = this.#bytesMax * (laneOf(transaction.kind) === 'normal' ? 0.5 : 1);
    if (this.#pool.bytesOf(this.#core.self) + this.#queuedBytes > room) return 'BACKPRESSURE';
    const quota = stranger ? STRANGER_BYTES_MAX : SENDER_BYTES_MAX;
    const used = this.#bytesBySender.get(transaction.sender) ?? 0;
    if (used + transaction.bytes.length > quota) return 'QUOTA_EXCEEDED';
    const appraisals = this.#appraisalsBySender.get(transaction.sender) ?? 0;
    if (costsAppraisal(transaction.kind) && appraisals >= APPRAISALS_PER_SENDER_MAX) return 'QUOTA_EXCEEDED';
    return stranger && this.#strangers >= STRANGERS_MAX ? 'BACKPRESSURE' : undefined;
  }

  /**
   * Refuses at once what the ledger would refuse because a bound of the sender is reached. Transactions that wait here
   * count.
   */
  #overLimit(transaction: Transaction): 'TASK_LIMIT' | 'RECORD_LIMIT' | undefined {
    const { ledger } = this.#core;
    if (transaction.kind === 'put-record') return exceedsRecordLimit(ledger, transaction) ? 'RECORD_LIMIT' : undefined;
    if (transaction.kind !== 'request-inference') return undefined;
    const { sender, payload } = transaction;
    const open = ledger.taskIndex.openOfSender(sender) + (this.#requestsBySender.get(sender) ?? 0);
    if (open >= settingsOf(ledger).params.maxOpenTasksPerSender) return 'TASK_LIMIT';
    const model = ledger.models.get(payload.model);
    return model !== undefined && taskLimit(ledger, sender, model, payload) !== undefined ? 'TASK_LIMIT' : undefined;
  }

  #charge(transaction: Transaction, stranger: boolean): void {
    const { id, sender, expiryHeight, bytes, kind } = transaction;
    const appraised = costsAppraisal(kind);
    const request = kind === 'request-inference';
    this.#charges.set(id, { sender, bytes: bytes.length, expiryHeight, stranger, appraised, request });
    add(this.#bytesBySender, sender, bytes.length);
    if (request) add(this.#requestsBySender, sender, 1);
    if (appraised) add(this.#appraisalsBySender, sender, 1);
    if (stranger) this.#strangers++;
  }

  #discharge(id: Digest): void {
    const charge = this.#charges.get(id);
    if (charge === undefined) return;
    this.#charges.delete(id);
    add(this.#bytesBySender, charge.sender, -charge.bytes);
    if (charge.request) add(this.#requestsBySender, charge.sender, -1);
    if (charge.appraised) add(this.#appraisalsBySender, charge.sender, -1);
    if (charge.stranger) this.#strangers--;
  }

  #enqueue(transaction: Transaction): void {
    const lane = laneOf(transaction.kind);
    const appraised = costsAppraisal(transaction.kind);
    const queue = this.#queues.find((candidate) => candidate.lane === lane && candidate.appraised === appraised);
    // A transaction that is charged and not queued would be lost in silence.
    assert(queue !== undefined, 'every lane has a queue');
    const size = 4 + transaction.bytes.length;
    if (BATCH_ENVELOPE_BYTES + queue.bytes + size > MAX_BATCH_BYTES) this.#pack(queue);
    queue.transactions.push(transaction);
    queue.bytes += size;
    this.#queuedBytes += size;
    const cap = appraised ? BATCH_APPRAISALS_MAX : BATCH_TRANSACTIONS_MAX;
    if (queue.transactions.length >= cap) this.#pack(queue);
    else this.#armTimer();
  }

  #armTimer(): void {
    if (this.#timerSet) return;
    const quiet = this.#core.monotonicMs - this.#lastFlushMs >= BATCH_DELAY_MS_MAX;
    this.#core.setTimer(FLUSH_TIMER, quiet ? BATCH_DELAY_MS_QUIET : BATCH_DELAY_MS_STEADY);
    this.#timerSet = true;
  }

  /** The flush timer fired: everything that waits is packed and sent. */
  flush(): void {
    this.#timerSet = false;
    for (const queue of this.#queues) this.#pack(queue);
  }

  #pack(queue: Queue): void {
    const { transactions, lane } = queue;
    if (transactions.length === 0) return;
    this.#queuedBytes -= queue.bytes;
    queue.transactions = [];
    queue.bytes = 0;
    this.#lastFlushMs = this.#core.monotonicMs;
    if (!this.#core.isValidator) {
      this.#forward(transactions);
      return;
    }
    const batch = signBatch(this.#core.signer, {
      chainId: this.#core.chainId,
      author: this.#core.self,
      epoch: this.#core.epoch,
      lane,
      expiryHeight: asHeight(this.#nextHeight() + BATCH_LIFETIME_HEIGHTS),
      transactions: transactions.map(({ bytes }) => bytes),
    });
    this.#pool.addOwn({ batch, transactions }, this.#core.monotonicMs);
    this.#core.emit({ type: 'gossip', bytes: batch.bytes });
  }

  /** Own transactions of a batch that expired unnamed are packed again while they live. */
  requeue({ batch, transactions }: VerifiedBatch): void {
    if (batch.author !== this.#core.self) return;
    for (const transaction of transactions) {
      if (this.#charges.has(transaction.id)) this.#enqueue(transaction);
    }
  }

  /** Transactions that a block executed, whatever came of them. */
  executed(ids: Iterable<Digest>): void {
    for (const id of ids) this.#discharge(id);
  }

  /** Drops what can no longer be executed after the block at `height`. It looks once in several heights. */
  expire(height: Height): void {
    if (height % EXPIRY_STRIDE !== 0) return;
    for (const [id, { expiryHeight }] of this.#charges) if (expiryHeight <= height) this.#discharge(id);
  }
}
