/**
 * What the API's routes cost, in tokens, and how many of each kind run at a time. Each client has a budget for each group of
 * routes, so that a client which reads the log without end can still hand in a transaction; a group has slots, so that one
 * kind of request leaves room on the disk and in the other thread for the rest.
 */

export const ROUTE_GROUPS = ['probe', 'log', 'bulk', 'proof', 'ledger', 'fate', 'submit', 'blob', 'challenge'] as const;
export type RouteGroup = (typeof ROUTE_GROUPS)[number];

/** Events of one page above which reading the log is bulk: what somebody waits for is not held up by what somebody copies. */
export const BULK_EVENTS = 100;

export interface GroupLimits {
  /** Requests that are worked on at a time. */
  readonly slots: number;
  /** Slots for one client; all of them while no other client asks. */
  readonly slotsPerClient: number;
}

/**
 * LevelDB reads of both threads share the four threads of libuv's pool, which also write what a vote must wait for: the log,
 * in large pieces and in small ones, and its proofs get one each.
 */
export const GROUP_LIMITS: { readonly [Group in RouteGroup]: GroupLimits } = {
  probe: { slots: 16, slotsPerClient: 16 },
  log: { slots: 1, slotsPerClient: 1 },
  bulk: { slots: 1, slotsPerClient: 1 },
  proof: { slots: 1, slotsPerClient: 1 },
  ledger: { slots: 4, slotsPerClient: 2 },
  fate: { slots: 16, slotsPerClient: 8 },
  submit: { slots: 64, slotsPerClient: 64 },
  blob: { slots: 16, slotsPerClient: 4 },
  challenge: { slots: 16, slotsPerClient: 8 },
};

/** Requests of one client that wait for a slot of a group. */
export const WAITING_PER_CLIENT_MAX = 64;
/** Requests of all clients that wait for a slot of a group. */
export const WAITING_MAX = 512;

/** A budget may be saved up for so many seconds. */
export const BURST_SECONDS = 4;
/** Clients whose budgets are remembered, for each group. */
export const CLIENTS_MAX = 4_096;
/** A request that must wait no longer than this for its tokens waits; another is told when to come back. */
export const BUDGET_PATIENCE_MS = 250;

/**
 * For bytes that are no transaction, and for a transaction that is not signed, or not by an account that the chain
 * knows.
 */
export const REFUSED_SUBMISSION_COST = 20;
/** For an upload that is not taken. */
export const REFUSED_UPLOAD_COST = 20;
/** Transactions of one account that are taken, a second. */
export const ACCOUNT_TRANSACTIONS_PER_SECOND = 2_000;
/** Bytes of a blob for a token. */
export const BLOB_BYTES_PER_TOKEN: number = 256 * 1024;
/** Payload bytes of events for a token. */
export const EVENT_BYTES_PER_TOKEN: number = 16 * 1024;
/** Events, or items of a list, for a token. */
export const ITEMS_PER_TOKEN = 10;
