/**
 * Bounds on everything that comes from outside or grows with time.
 */
import { asView, type View } from '@cloister/encoding';

/** Members of one set; a certificate of a full set still fits a vote frame. */
export const MAX_VALIDATORS = 512;
/** Largest encoded proposal or block message. */
export const MAX_PROPOSAL_BYTES: number = 1024 * 1024;
/** Largest justification on the wire; beyond it certificates are sent bare and pulled. */
export const MAX_JUSTIFICATION_BYTES: number = 256 * 1024;
/** Largest encoded body that a leader may build: leaves room for header and justification. */
export const MAX_BODY_BYTES: number = MAX_PROPOSAL_BYTES - MAX_JUSTIFICATION_BYTES - 64 * 1024;
/** Largest encoded message of any other type. */
export const MAX_VOTE_FRAME_BYTES: number = 64 * 1024;
export const MAX_BATCHES_PER_BLOCK = 4096;
export const MAX_EVIDENCE_PER_BLOCK = 16;
/** One piece: two signed statements, or a vote with a header and a justification's summary. */
export const MAX_EVIDENCE_BYTES: number = 2 * 1024;
/** Evidence of a view so far behind is not taken any more. */
export const MAX_EVIDENCE_AGE_VIEWS: number = 2 ** 20;
/** More skipped views than a justification on the wire can name. */
export const MAX_SKIPPED_VIEWS: number = MAX_JUSTIFICATION_BYTES / 16;
/** Votes and proposals are taken for so many views beyond the current one. */
export const VIEW_WINDOW = 64;
/** Certificates sent in answer to one request. */
export const MAX_CERTS_PER_REQUEST = 64;
/** Own votes shown to a validator that asks for them on its start: those of some ten rounds. */
export const MAX_RECALLED_VOTES = 32;
/** Views whose certificates are asked for in one go. */
export const MAX_REQUESTED_VIEWS = 1024;
/** Bytes of certificates and blocks served to one peer in one retry interval. */
export const MAX_SERVED_BYTES: number = 4 * MAX_PROPOSAL_BYTES;
/** Peers whose requests are counted; further ones wait for the next interval. */
export const MAX_SERVED_PEERS = 1024;
/**
 * Signatures of carried certificates that one step checks: some ten milliseconds. A justification of 256 KiB holds 4,000, and
 * checking all at once held the event loop for most of a second.
 */
export const SIGNATURES_PER_STEP = 128;
/**
 * The shortest time that a view lasts after a whole turn of leaders without a finalization, in milliseconds. It grows
 * by α.
 */
export const PACE_MS_MIN = 50;
/** Validators to whom a newly formed certificate is sent at once, the next leader among them. Of four validators that is all. */
export const CERTIFICATE_FANOUT = 3;
/** Validators to whom certificates and status are sent when a view lasts or a retry is due, others in each turn. */
export const RELAY_FANOUT = 8;
/** Verified signatures remembered, so that a certificate of counted votes costs no second verification. */
export const SIGNATURE_CACHE_SIZE = 8192;
/** Blocks missing below a finalization that are fetched by hash; of more, the shell is asked for certified ranges. */
export const MAX_FETCH_DEPTH = 64;
/** The same where no certified range is to be had: a long stretch in which nothing was finalized. */
export const MAX_STRETCH_BLOCKS: number = 2 ** 16;
/** Headers of a finality proof's path. */
export const MAX_PROOF_PATH = 1024;
/** Last view in the range of a request that has no upper end. */
export const LAST_VIEW: View = asView(Number.MAX_SAFE_INTEGER);
