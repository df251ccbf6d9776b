/**
 * The numbers that every replica must agree on. They stand in the genesis and are hashed into every header.
 */

import { hash } from '@cloister/crypto';
import { canonicalJson, type Digest, utf8 } from '@cloister/encoding';
import { count, object, type Shape } from '@cloister/encoding/shape';

/** The only rules that this build can execute; a chain at another version is refused on open. */
export const PROTOCOL_VERSION = 7;

/** Heights and windows are in blocks unless they say otherwise. What concerns evidence stands in the appraisal policy instead. */
export interface LedgerParams {
  readonly protocolVersion: number;
  /** Heights in an epoch; an epoch without pending changes goes on beyond it. */
  readonly epochLength: number;
  /** A transaction's expiryHeight is at most this far above the block that executes it. */
  readonly transactionWindow: number;
  /** Blocks until an allowed measurement counts and until a loosened appraisal policy takes effect; tightening never waits. */
  readonly measurementDelay: number;
  /** Blocks after which an approval that met no threshold is forgotten. */
  readonly approvalWindow: number;
  /** Longest time limit of a task, in milliseconds of block time: blocks come as fast as load makes them. */
  readonly maxTimeLimitMs: number;
  /** Milliseconds of block time for which a closed task stays in the state, beyond its deadline. */
  readonly taskRetentionMs: number;
  /** Executors that one request may name. */
  readonly maxExecutors: number;
  readonly maxOpenTasksPerSender: number;
  /** Open tasks of all models of one owner, and those that name one executor, beside one for each sender that has no other. */
  readonly maxOpenTasksPerOwner: number;
  readonly maxOpenTasksPerExecutor: number;
  /** Closed tasks of one sender in the state; the oldest makes room. */
  readonly maxClosedTasksPerSender: number;
  /** Records of one account, and the bytes of their namespaces, keys and values. */
  readonly maxRecordsPerAccount: number;
  readonly maxRecordBytesPerAccount: number;
  readonly maxModelsPerOwner: number;
  /** Accounts beside the members, and members with those of weight zero. */
  readonly maxAccounts: number;
  readonly maxMembers: number;
  /** Appraisals of submitted evidence and endorsements in one block; see `execute.ts`. */
  readonly maxAppraisalsPerBlock: number;
  /** Transactions of one batch author in one block. */
  readonly maxTransactionsPerAuthor: number;
  /** A SnapshotTaken every so many blocks; 0 for never. */
  readonly snapshotInterval: number;
}

/** Sensible for a chain of about one block a second when idle. */
export const DEFAULT_PARAMS: LedgerParams = {
  protocolVersion: PROTOCOL_VERSION,
  epochLength: 10_000,
  transactionWindow: 600,
  measurementDelay: 0,
  approvalWindow: 10_000,
  maxTimeLimitMs: 900_000,
  taskRetentionMs: 3_600_000,
  maxExecutors: 16,
  maxOpenTasksPerSender: 64,
  maxOpenTasksPerOwner: 256,
  maxOpenTasksPerExecutor: 256,
  maxClosedTasksPerSender: 1_024,
  maxRecordsPerAccount: 16_384,
  maxRecordBytesPerAccount: 16 * 1024 * 1024,
  maxModelsPerOwner: 256,
  maxAccounts: 4_096,
  maxMembers: 1_024,
  maxAppraisalsPerBlock: 16,
  maxTransactionsPerAuthor: 20_000,
  snapshotInterval: 0,
};

const LIMIT = 1_000_000_000;

export const ledgerParams: Shape<LedgerParams> = object<LedgerParams>({
  protocolVersion: count({ min: 1, max: 0xffff }),
  epochLength: count({ min: 1, max: LIMIT }),
  transactionWindow: count({ min: 1, max: 100_000 }),
  measurementDelay: count({ max: LIMIT }),
  approvalWindow: count({ min: 1, max: LIMIT }),
  maxTimeLimitMs: count({ min: 1, max: LIMIT }),
  taskRetentionMs: count({ max: LIMIT }),
  maxExecutors: count({ min: 1, max: 64 }),
  maxOpenTasksPerSender: count({ min: 1, max: LIMIT }),
  maxOpenTasksPerOwner: count({ min: 1, max: LIMIT }),
  maxOpenTasksPerExecutor: count({ min: 1, max: LIMIT }),
  maxClosedTasksPerSender: count({ min: 1, max: LIMIT }),
  maxRecordsPerAccount: count({ min: 1, max: LIMIT }),
  maxRecordBytesPerAccount: count({ min: 1, max: LIMIT }),
  maxModelsPerOwner: count({ min: 1, max: LIMIT }),
  maxAccounts: count({ min: 1, max: LIMIT }),
  maxMembers: count({ min: 1, max: LIMIT }),
  maxAppraisalsPerBlock: count({ min: 1, max: 10_000 }),
  maxTransactionsPerAuthor: count({ min: 1, max: LIMIT }),
  snapshotInterval: count({ max: LIMIT }),
});

/** What a header's paramsHash must be. */
export function paramsHash(params: LedgerParams): Digest {
  return hash('cloister/params/v1', utf8(canonicalJson({ ...params })));
}
