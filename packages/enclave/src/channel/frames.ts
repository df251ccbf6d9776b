/**
 * Messages over one descriptor: frames of a 4-byte big-endian length, at most 32 MiB each.
 *
 * The first byte of a frame says whether the message goes on in the next one, so that a sealed model larger than a frame
 * still travels, within a bound that the receiver sets. The other side is hostile: whatever breaks the rules ends the
 * channel with a typed error, and nothing is allocated for a length that was merely claimed.
 */

import type { Duplex } from 'node:stream';
import { CodedError } from '@cloister/encoding';

/** Bytes of a frame's body. */
export const FRAME_BYTES_MAX: number = 32 * 1024 * 1024;
/** Bytes of a message that one frame carries; larger messages are cut. */
const FRAGMENT_BYTES: number = 4 * 1024 * 1024;
const LENGTH_BYTES = 4;
const LAST = 0;
const MORE = 1;

/** Why a channel cannot be used. */
export type ChannelErrorCode =
  | 'CHANNEL_CLOSED'
  /** An answer that has not the form of its call's. */
  | 'ANSWER_MALFORMED'
  | 'FRAME_INVALID'
  | 'FRAME_TOO_LARGE'
  | 'MESSAGE_TOO_LARGE';

export class ChannelError extends CodedError<ChannelErrorCode> {}

/**
 * Overwrites bytes and gives their memory back, when nothing else lies in it. Garbage collection would leave it for as long as it likes: beside
 * a model that came in pieces, three copies of it.
 */
export function erase(bytes: Uint8Array): void {
  bytes.fill(0);
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) buffer.transfer(0);
}

/** Cuts a byte stream into messages. */
export class MessageReader {
  readonly #messageBytesMax: number;
  readonly #erases: boolean;
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  /** Body bytes of the frame under way, or undefined while its length is awaited. */
  #frameBytes: number | undefined;
  #fragments: Uint8Array[] = [];
  #messageBytes = 0;

  /** `erases`: chunks are this reader's own, and are erased once their bytes are in a message. */
  constructor(messageBytesMax: number, erases = false) {
    this.#messageBytesMax = messageBytesMax;
    this.#erases = erases;
  }

  /** The messages that `chunk` completes. Throws `ChannelError`; the stream is of no use afterwards. */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    for (;;) {
      this.#frameBytes ??= this.#readLength();
      if (this.#frameBytes === undefined || this.#buffered < this.#frameBytes) return messages;
      const [kind] = this.#take(1);
      const body = this.#take(this.#frameBytes - 1);
      this.#frameBytes = undefined;
      const message = this.#endFrame(kind, body);
      if (message !== undefined) messages.push(message);
    }
  }

  #readLength(): number | undefined {
    if (this.#buffered < LENGTH_BYTES) return undefined;
    const prefix = this.#take(LENGTH_BYTES);
    const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getUint32(0);
    if (length === 0) throw new ChannelError('FRAME_INVALID', 'empty frame');
    if (length > FRAME_BYTES_MAX) throw new ChannelError('FRAME_TOO_LARGE', `frame of ${length} bytes`);
    if (this.#messageBytes + length - 1 > this.#messageBytesMax) {
      throw new ChannelError('MESSAGE_TOO_LARGE', `more than ${this.#messageBytesMax} bytes`);
    }
    return length;
  }

  #endFrame(kind: number | undefined, body: Uint8Array): Uint8Array | undefined {
    if (kind !== LAST && kind !== MORE) throw new ChannelError('FRAME_INVALID', `frame of kind ${kind}`);
    // A message cut into empty pieces would never reach its bound.
    if (kind === MORE && body.length === 0) throw new ChannelError('FRAME_INVALID', 'empty fragment');
    this.#fragments.push(body);
    this.#messageBytes += body.length;
    if (kind === MORE) return undefined;
    const message = join(this.#fragments, this.#messageBytes);
    if (this.#erases && this.#fragments.length > 1) for (const fragment of this.#fragments) erase(fragment);
    this.#fragments = [];
    this.#messageBytes = 0;
    return message;
  }

  /** The next `count` buffered bytes; there are that many. */
  #take(count: number): Uint8Array {
    const taken: Uint8Array[] = [];
    let missing = count;
    while (missing > 0) {
      const first = this.#chunks[0];
      if (first === undefined) throw new ChannelError('FRAME_INVALID', 'read beyond the buffer');
      if (first.length <= missing) {
        taken.push(first);
        this.#chunks.shift();
        missing -= first.length;
      } else {
        taken.push(first.subarray(0, missing));
        this.#chunks[0] = first.subarray(missing);
        missing = 0;
      }
    }
    this.#buffered -= count;
    if (!this.#erases) return join(taken, count);
    // Never the chunk itself: what is handed on has its memory to itself.
    const copy = copyOf(taken, count);
    for (const bytes of taken) erase(bytes);
    return copy;
  }
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  return copyOf(pieces, length);
}

function copyOf(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const joined = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

function* frames(message: Uint8Array): Generator<Uint8Array> {
  let at = 0;
  do {
    const fragment = message.subarray(at, at + FRAGMENT_BYTES);
    at += fragment.length;
    const header = new Uint8Array(LENGTH_BYTES + 1);
    new DataView(header.buffer).setUint32(0, fragment.length + 1);
    header[LENGTH_BYTES] = at < message.length ? MORE : LAST;
    yield header;
    yield fragment;
  } while (at < message.length);
}

/** Writes a message; the stream buffers what does not fit. `onWritten`: nothing of it is needed here any more. */
export function writeMessage(stream: Duplex, message: Uint8Array, onWritten?: () => void): void {
  stream.cork();
  const pieces = [...frames(message)];
  for (const [i, piece] of pieces.entries()) {
    stream.write(piece, i === pieces.length - 1 ? () => onWritten?.() : undefined);
  }
  stream.uncork();
}
