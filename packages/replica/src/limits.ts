/**
 * Bounds on everything that a peer or client can make a replica hold, send or do.
 *
 * Those that decide whether a block is valid (`BLOCK_*`) are the same on every node and change only with the protocol
 * version; the others are local.
 */
import type { Lane } from '@cloister/ledger';

/** Batches that one block may name, in all. */
export const BLOCK_BATCHES_MAX = 256;
/** Batches of one author in one block. */
export const BLOCK_BATCHES_PER_AUTHOR_MAX = 96;
/** A block this far ahead of the block that it vouches for (`lastFinal`) names no batches. */
export const BLOCK_BACKLOG_MAX = 8;
/**
 * A leader lets this long pass after its parent's time, in milliseconds. A block costs each validator some ten signatures
 * and five synced writes whatever it carries, so blocks in a hurry cost throughput and gain little.
 */
export const BLOCK_SPACING_MS = 40;
/** Bytes of all batches of one block. */
export const BLOCK_BATCH_BYTES_MAX: number = 2 * 1024 * 1024;
/** Bytes of one author's batches in one block: half of all, so that nobody fills a block alone. */
export const BLOCK_AUTHOR_BYTES_MAX: number = BLOCK_BATCH_BYTES_MAX / 2;
/**
 * Bytes of one lane's batches in one block. The lanes that come first are capped, so that a flood of junk refreshes or
 * results leaves at least 640 KiB to what tenants send.
 */
export const BLOCK_LANE_BYTES_MAX: Readonly<Record<Lane, number>> = {
  attestation: 512 * 1024,
  governance: 128 * 1024,
  result: 768 * 1024,
  normal: BLOCK_BATCH_BYTES_MAX,
};
/** Submissions of evidence or endorsements in one block: each costs several RSA verifications. */
export const BLOCK_APPRAISALS_MAX = 16;
/** Evidence in one block, in pieces and in bytes. */
export const BLOCK_EVIDENCE_MAX = 16;
export const BLOCK_EVIDENCE_BYTES_MAX: number = 16 * 1024;
/** How far a block's time may lie ahead of the verifier's clock, in milliseconds. */
export const BLOCK_DRIFT_MS_MAX = 2_000;

/**
 * Frames of consensus that wait to be judged: bytes of all validators together, shared equally, though each may keep two of the largest
 * proposals; and how many of each.
 */
export const RECEIVE_BYTES_MAX: number = 64 * 1024 * 1024;
export const RECEIVE_FRAMES_MAX = 1_024;

/** Transactions of one batch, and evidence transactions of one. */
export const BATCH_TRANSACTIONS_MAX = 512;
export const BATCH_APPRAISALS_MAX = 4;
/** The longest time that a pending transaction waits before its batch is sent, in milliseconds. */
export const BATCH_DELAY_MS_MAX = 50;
/**
 * The same when nothing was sent during the last `BATCH_DELAY_MS_MAX`, so that transactions under light load hardly
 * wait.
 */
export const BATCH_DELAY_MS_QUIET = 5;
/** Under steady load: the spacing of batches that are not full. */
export const BATCH_DELAY_MS_STEADY = 25;
/** A leader leaves out batches that others may not have received yet: about one gossip hop, in milliseconds. */
export const BATCH_HOP_MS = 10;
/** A batch expires this many heights after the one at which it was packed, or with its last transaction. */
export const BATCH_LIFETIME_HEIGHTS = 256;

/** Bytes of one sender's transactions that this node took in and that are not final. */
export const SENDER_BYTES_MAX: number = 1024 * 1024;
/** The same of a key that nobody knows, which may only submit evidence; and how many such transactions at once. */
export const STRANGER_BYTES_MAX: number = 64 * 1024;
export const STRANGERS_MAX = 64;
/** Bytes of all authors' batches taken from gossip, and bounds for one author's, whatever the number of authors. */
const POOL_BYTES_MAX: number = 64 * 1024 * 1024;
const AUTHOR_BYTES_MAX: number = 2 * BLOCK_BATCH_BYTES_MAX;
const AUTHOR_BYTES_MIN: number = 256 * 1024;

/** Batches of one author that are held and not final, in bytes: an equal share of the pool for each of `authors`. */
export function authorBytesMax(authors: number): number {
  return Math.max(AUTHOR_BYTES_MIN, Math.min(AUTHOR_BYTES_MAX, Math.floor(POOL_BYTES_MAX / Math.max(1, authors))));
}
/**
 * Transactions of one author's gossiped batches whose signatures are verified in a second, and how many may be saved up.
 * Each costs some 60 microseconds: an author that floods the topic with junk takes an eighth of a core and no more. What
 * is not verified is not kept; a block that names it has it pulled.
 */
export const AUTHOR_SIGNATURES_PER_SECOND = 2_048;
export const AUTHOR_SIGNATURES_BURST = 8_192;
/** Batches that were pulled and that a block may not name, remembered so that nobody is asked for them again. */
export const CONDEMNED_BATCHES_MAX = 1_024;
/** Transactions that a node outside the validator set hands on at once, and how often it tries. */
export const FORWARD_ATTEMPTS_MAX = 8;
/** This many of the largest transactions fit into one sync request (1 MiB). */
export const FORWARD_TRANSACTIONS_MAX = 32;

/** Bytes of one answer of the sync protocol, and of the blocks in it. */
export const SYNC_RESPONSE_BYTES_MAX: number = 4 * 1024 * 1024;
export const SYNC_RANGE_BYTES_MAX: number = 2 * 1024 * 1024;
/**
 * Bytes of blocks up to the first certificate of a range. A range is of no use without a certificate, so one full block
 * always fits.
 */
export const SYNC_STRETCH_BYTES_MAX: number = 3.5 * 1024 * 1024;
export const SYNC_REQUEST_BYTES_MAX: number = 1024 * 1024;
export const SYNC_BLOCKS_MAX = 128;
/** One more peer is asked for ancestors after this long without an answer, in milliseconds. */
export const CHAIN_HEDGE_MS = 250;
/** Blocks of one answer of ancestors, which carry no batches, and bytes of them. */
export const SYNC_CHAIN_BLOCKS_MAX = 4_096;
export const SYNC_CHAIN_BYTES_MAX: number = 3 * 1024 * 1024;
/**
 * Blocks that are executed in one go. A long commit becomes durable in parts, and votes are taken in between two parts.
 */
export const COMMIT_BLOCKS_MAX = 32;
export const SYNC_BATCHES_MAX = 256;
export const SYNC_TIMEOUT_MS = 3_000;

/** How often a follower asks for new blocks when nobody tells it of any, in milliseconds. */
export const FOLLOW_INTERVAL_MS = 1_000;
/** A follower to which a peer shows more than so many blocks at once is behind. */
export const FOLLOW_GAP_BLOCKS = 32;
/** How long gossip may take to bring a batch that a proposal names before a peer is asked, in milliseconds. */
export const BATCH_PULL_DELAY_MS = 20;
/** The next source is asked for the same batch after this long without an answer, so many at once, each for so long. */
export const BATCH_PULL_HEDGE_MS = 150;
export const BATCH_PULL_PARALLEL_MAX = 4;
export const BATCH_PULL_TIMEOUT_MS = 1_000;
/** Batches asked for at once: all of them at their largest fit an answer. */
export const SYNC_FETCH_BATCHES_MAX = 64;
/** When every source was asked for a batch in vain, all of them are asked again after this long, in milliseconds. */
export const FETCH_RETRY_MS = 250;

/**
 * For how long a peer that did not help is asked last. The time doubles with each failure. This is remembered of a
 * bounded number of peers.
 */
export const PEER_REST_MS_MIN = 1_000;
export const PEER_REST_MS_MAX = 60_000;
export const RESTING_PEERS_MAX = 1_024;

/** A validator that starts asks those who have not answered about its votes again after this long, in milliseconds. */
export const RECALL_RETRY_MS = 500;
/** It asks a second time after this long, in milliseconds, when the chain went on without its guard. */
export const RECALL_AGAIN_MS = 1_000;
/** Views that pass without a validator whose guard was lost before it asks for the last time. */
export const OBSERVED_VIEWS = 4;

/** Without a new finalization, or with a newest block of this age, a node does not call itself synced, in milliseconds. */
export const STALE_MS = 30_000;

/** Executed blocks whose event roots are kept in memory to check headers against. */
export const ROOTS_KEPT = 1_024;
/** Executed blocks whose facts can be proven: headers vouch for a state a few blocks behind the newest. */
export const FACTS_KEPT = 64;
