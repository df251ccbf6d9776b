/**
 * The kinds of damage of an event log on disk, and what the operator can do.
 *
 * A damaged log stops the node, because a validator with a gap must not sign. Its peers hold every block.
 */
import { CodedError } from '@cloister/encoding';

export type EventLogDamageCode =
  /** A record's bytes do not match its checksum. */
  | 'EVENT_CHECKSUM'
  /** A record with a good checksum does not decode, or lies under another sequence's key. */
  | 'EVENT_MALFORMED'
  /** A record does not name the hash of the one before it. */
  | 'EVENT_CHAIN_BROKEN'
  /** A record is absent while later ones exist. */
  | 'EVENT_MISSING'
  /** Records exist beyond the head. */
  | 'EVENT_BEYOND_HEAD'
  /** The records end before the head, or before a checkpoint that was verified earlier. */
  | 'LOG_TRUNCATED'
  /** Records exist and the head does not. */
  | 'HEAD_MISSING'
  /** The head's bytes do not match their checksum. */
  | 'HEAD_CHECKSUM'
  /** The head disagrees with the records that it covers. */
  | 'HEAD_MISMATCH'
  /** The checkpoint's bytes do not match their checksum. */
  | 'CHECKPOINT_CHECKSUM'
  /** A stored Merkle node is absent, or is not the hash of what it covers. */
  | 'MERKLE_MISMATCH'
  /** The log belongs to another chain. */
  | 'WRONG_CHAIN'
  /** The sign guard has seen a longer log than this one. */
  | 'LOG_BEHIND_SIGN_GUARD'
  /** The sign guard has seen another event at a sequence that this log holds. */
  | 'LOG_CONFLICTS_WITH_SIGN_GUARD'
  /** The database below reports damage while its entries are read. */
  | 'STORE_CORRUPT';

/** What to do when the chain database is damaged. */
export const RESYNC_ADVICE: string =
  'To recover: stop the node, run `cloister unsafe-reset --keep-keys`, and start it again; it fetches the blocks from ' +
  'its peers, verifies every certificate and rebuilds this log. The sign guard is a database of its own and stays: ' +
  'never delete it, and never restore it from a copy.';

const OWN_ADVICE: Partial<Record<EventLogDamageCode, string>> = {
  WRONG_CHAIN: 'Start the node with the directory and the genesis of the same network.',
  LOG_CONFLICTS_WITH_SIGN_GUARD: `Check that the log and the sign guard belong to the same validator. ${RESYNC_ADVICE} If that does not help, this validator signed on a history that the network did not finalize: do not let it sign.`,
};

/** The log cannot be trusted from `firstBadSequence` on (undefined: not known). `recovery` is text for the operator. */
export class EventLogDamaged extends CodedError<EventLogDamageCode> {
  readonly firstBadSequence: number | undefined;
  readonly recovery: string;

  constructor(
    code: EventLogDamageCode,
    firstBadSequence: number | undefined,
    what: string,
    options?: { readonly cause?: unknown },
  ) {
    const recovery = OWN_ADVICE[code] ?? RESYNC_ADVICE;
    super(code, `event log damaged (${code}): ${what}. ${recovery}`, options);
    this.firstBadSequence = firstBadSequence;
    this.recovery = recovery;
  }
}
