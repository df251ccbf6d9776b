/**
 * The numbers that every replica must agree on. They stand in the genesis and are hashed into every header.
 */
import { canonicalJson, type Digest, hash, utf8 } from '@cloister/crypto';
import { count, object, type Shape } from './shape.ts';

/** The only rules that this build can execute; a chain at another version is refused on open. */
export const PROTOCOL_VERSION = 2;

/** Heights and windows are in blocks. What concerns evidence stands in the appraisal policy instead. */
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
  /** A task's deadlineHeight is at most this far above the block that requests it. */
  readonly deadlineWindow: number;
  /** Blocks for which a closed task stays in the state; its id stays spent for ever. */
  readonly taskRetention: number;
  /** Executors that one request may name. */
  readonly maxExecutors: number;
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
  deadlineWindow: 1_000,
  taskRetention: 20_000,
  maxExecutors: 16,
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
  deadlineWindow: count({ min: 1, max: LIMIT }),
  taskRetention: count({ max: LIMIT }),
  maxExecutors: count({ min: 1, max: 64 }),
  maxAppraisalsPerBlock: count({ min: 1, max: 10_000 }),
  maxTransactionsPerAuthor: count({ min: 1, max: LIMIT }),
  snapshotInterval: count({ max: LIMIT }),
});

/** What a header's paramsHash must be. */
export function paramsHash(params: LedgerParams): Digest {
  return hash('cloister/params/v1', utf8(canonicalJson({ ...params })));
}
