/**
 * Frames that wait to be judged: one queue for each validator, and the queues take turns.
 *
 * Within a queue the most important frame comes first, as in sending. Nothing that a sender sends gets it more turns
 * than another: a flood of certificates by one validator delays the votes of the others by one frame each.
 */
import type { ValidatorId } from '@cloister/encoding';
import { RECEIVE_FRAMES_MAX } from '../limits.ts';
import type { SendPriority } from '../step/replica-ports.ts';

/** Bytes that a waiting frame counts for beside its own. */
const FRAME_COST = 64;

interface Waiting {
  readonly lanes: [Uint8Array[], Uint8Array[], Uint8Array[], Uint8Array[]];
  frames: number;
  bytes: number;
}

export class ReceiveQueue {
  readonly #bytesMax: number;
  /** Senders in the order of their turns; only those whose queue is not empty. */
  readonly #senders = new Map<ValidatorId, Waiting>();

  /** `bytesMax`: for each sender, with `FRAME_COST` for each frame. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isEmpty(): boolean {
    return this.#senders.size === 0;
  }

  /** Queues a frame. Beyond the sender's bound its own least important and oldest frames leave; says how many. */
  push(from: ValidatorId, bytes: Uint8Array, priority: SendPriority): number {
    let waiting = this.#senders.get(from);
    if (waiting === undefined) {
      waiting = { lanes: [[], [], [], []], frames: 0, bytes: 0 };
      this.#senders.set(from, waiting);
    }
    waiting.lanes[priority].push(bytes);
    waiting.frames += 1;
    waiting.bytes += bytes.length + FRAME_COST;
    let dropped = 0;
    while (waiting.frames > RECEIVE_FRAMES_MAX || waiting.bytes > this.#bytesMax) {
      shift(waiting, waiting.lanes.toReversed());
      dropped += 1;
    }
    if (waiting.frames === 0) this.#senders.delete(from);
    return dropped;
  }

  /** The next sender's most important frame; the sender goes to the end of the line. */
  next(): { readonly from: ValidatorId; readonly bytes: Uint8Array } | undefined {
    const [first] = this.#senders;
    if (first === undefined) return undefined;
    const [from, waiting] = first;
    this.#senders.delete(from);
    const bytes = shift(waiting, waiting.lanes);
    if (waiting.frames > 0) this.#senders.set(from, waiting);
    return bytes === undefined ? undefined : { from, bytes };
  }

  /** Drops all frames of a sender. */
  drop(from: ValidatorId): void {
    this.#senders.delete(from);
  }
}

/** Takes the oldest frame of the first lane that has one. */
function shift(waiting: Waiting, lanes: readonly Uint8Array[][]): Uint8Array | undefined {
  const frame = lanes.find((lane) => lane.length > 0)?.shift();
  if (frame === undefined) return undefined;
  waiting.frames -= 1;
  waiting.bytes -= frame.length + FRAME_COST;
  return frame;
}
