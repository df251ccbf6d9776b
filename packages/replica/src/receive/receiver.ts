/**
 * Brings frames into consensus. It asks of each frame whether it is useful, then whether it is well-formed, then
 * whether its signature is good. Senders take turns.
 *
 * Work is done in bounded stretches with a timer between them, so that timers, writes and clients of this node get
 * their turn. While a stretch has work left, a frame is judged in the step that brought it.
 */
import {
  type ConsensusMessage,
  decodeMessage,
  FORGERY_CODES,
  type Glimpse,
  glimpseMessage,
  MAX_PROPOSAL_BYTES,
  type MessageRejectionCode,
  type Useless,
  weightOf,
} from '@cloister/consensus';
import type { Offence, ValidatorId } from '@cloister/encoding';
import { RECEIVE_BYTES_MAX } from '../limits.ts';
import type { ReplicaCore } from '../step/replica-core.ts';
import type { SendPriority } from '../step/replica-ports.ts';
import { ReceiveQueue } from './receive-queue.ts';
import { SenderRecord } from './sender-record.ts';

export const RECEIVE_TIMER = 'receive';

/** Work of one stretch, in signatures checked, and the milliseconds that it takes or more, after which the next begins. */
const WORK_PER_STRETCH = 64;
const STRETCH_MS = 5;
/** Bytes that take as long to decode and hash as one signature takes to check. */
const BYTES_PER_UNIT = 16 * 1024;
/** What a frame costs that is dropped at a glimpse. */
const GLIMPSE_UNITS = 1 / 16;

export interface ReceiverParts {
  readonly core: Pick<ReplicaCore, 'set' | 'self' | 'monotonicMs' | 'emit' | 'setTimer'>;
  /** Why the message behind a glimpse can change nothing; undefined when it may. */
  readonly useless: (from: ValidatorId, glimpse: Glimpse) => Useless | undefined;
  /** Hands a message to consensus; the answer is how many signatures that cost. */
  readonly take: (from: ValidatorId, message: ConsensusMessage) => number;
}

export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #queue: ReceiveQueue;
  readonly #record = new SenderRecord();
  #armed = false;
  /** Work spent in this stretch, and when it began. */
  #spent = 0;
  #beganMs = 0;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    const share = RECEIVE_BYTES_MAX / parts.core.set.validators.length;
    this.#queue = new ReceiveQueue(Math.max(share, 2 * MAX_PROPOSAL_BYTES));
  }

  /** A frame arrived. Members without weight have no part in consensus: they follow by the sync protocol. */
  frame(from: ValidatorId, bytes: Uint8Array): void {
    const { core } = this.#parts;
    if (weightOf(core.set, from) === 0n) {
      core.emit({ type: 'refused', from, code: 'NO_WEIGHT' });
      return;
    }
    if (this.#record.isCut(from, core.monotonicMs)) return;
    const dropped = this.#queue.push(from, bytes, priorityOf(bytes));
    if (dropped > 0) core.emit({ type: 'refused', from, code: 'RECEIVE_QUEUE_FULL' });
    if (!this.#armed) this.#work();
  }

  /** `RECEIVE_TIMER` fired. */
  timer(): void {
    this.#armed = false;
    this.#spent = 0;
    this.#work();
  }

  #work(): void {
    const { core } = this.#parts;
    if (core.monotonicMs - this.#beganMs >= STRETCH_MS) this.#spent = 0;
    if (this.#spent === 0) this.#beganMs = core.monotonicMs;
    while (this.#spent < WORK_PER_STRETCH) {
      const next = this.#queue.next();
      if (next === undefined) return;
      this.#spent += this.#judge(next.from, next.bytes);
    }
    if (this.#queue.isEmpty) return;
    this.#armed = true;
    core.setTimer(RECEIVE_TIMER, 0);
  }

  /** What the frame cost. */
  #judge(from: ValidatorId, bytes: Uint8Array): number {
    const glimpse = glimpseMessage(bytes);
    if (!glimpse.ok) {
      this.#refuse(from, 'MESSAGE_MALFORMED', 'MALFORMED');
      return GLIMPSE_UNITS;
    }
    const { type } = glimpse.value;
    // Nodes ask for blocks by the sync protocol, so no honest one sends these here.
    if (type === 'block' || type === 'block-request') {
      this.#refuse(from, 'UNSOLICITED_BLOCK', 'UNASKED');
      return GLIMPSE_UNITS;
    }
    const useless = this.#parts.useless(from, glimpse.value);
    // Consensus asks how its epoch ended when it hears of a later one; small messages are enough to tell it.
    if (useless !== undefined && (useless !== 'OTHER_EPOCH' || type === 'proposal')) {
      if (useless !== 'KNOWN') this.rejected(from, useless);
      return GLIMPSE_UNITS;
    }
    const decoded = decodeMessage(bytes);
    const size = bytes.length / BYTES_PER_UNIT;
    if (decoded.ok) return size + this.#parts.take(from, decoded.value);
    this.#refuse(from, `MESSAGE_${decoded.code}`, 'MALFORMED');
    return size;
  }

  /** Consensus refused a message of this sender. */
  rejected(from: ValidatorId, code: MessageRejectionCode): void {
    this.#refuse(from, code, FORGERY_CODES.has(code) ? 'FORGED' : undefined);
  }

  #refuse(from: ValidatorId, code: string, offence: Offence | undefined): void {
    const { core } = this.#parts;
    core.emit({ type: 'refused', from, code });
    // A second process with this key sends under this node's own name. Its frames are judged like any other; a
    // signature in them that the guard does not know stops this node.
    if (offence === undefined || from === core.self || weightOf(core.set, from) === 0n) return;
    core.emit({ type: 'blame', peer: from, offence });
    if (this.#record.forged(from, core.monotonicMs)) this.#queue.drop(from);
  }
}

/** By the type byte, as in sending. */
function priorityOf(bytes: Uint8Array): SendPriority {
  const glimpse = glimpseMessage(bytes);
  if (!glimpse.ok) return 3;
  return sendPriority(glimpse.value.type);
}

/** The lower number is sent first and judged first. */
export function sendPriority(type: ConsensusMessage['type']): SendPriority {
  return type === 'certificate' ? 0 : type === 'vote' ? 1 : type === 'proposal' ? 2 : 3;
}
