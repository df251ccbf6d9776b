/** Length-prefixed frames (u32 big-endian) over byte streams that split and join as they like. */

const HEAD_BYTES = 4;

/**
 * Collects chunks and yields whole frames; a length above the bound poisons the reader for good. What is held grows with
 * the bytes that arrived, not with the length that was announced nor with the number of chunks.
 */
export class FrameReader {
  readonly #maxBytes: number;
  #partial: Uint8Array = new Uint8Array(0);
  #held = 0;
  #broken = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of memory held for the frame that is not whole yet. */
  get heldBytes(): number {
    return this.#partial.length;
  }

  /**
   * @returns whole frames that the chunk completed, each with memory of its own, or undefined once a peer announced a
   * frame above the bound.
   */
  push(chunk: Uint8Array): Uint8Array[] | undefined {
    if (this.#broken) return undefined;
    const joined = this.#held > 0;
    if (joined) this.#append(chunk);
    const bytes = joined ? this.#partial.subarray(0, this.#held) : chunk;
    const frames: Uint8Array[] = [];
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const length = new DataView(bytes.buffer, bytes.byteOffset + at, HEAD_BYTES).getUint32(0);
      if (length > this.#maxBytes) {
        this.#broken = true;
        this.#keep(new Uint8Array(0));
        return undefined;
      }
      const end = at + HEAD_BYTES + length;
      if (end > bytes.length) break;
      frames.push(bytes.slice(at + HEAD_BYTES, end));
      at = end;
    }
    if (!joined || at > 0) this.#keep(bytes.slice(at));
    return frames;
  }

  #append(chunk: Uint8Array): void {
    const size = this.#held + chunk.length;
    if (size > this.#partial.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#partial.length));
      larger.set(this.#partial.subarray(0, this.#held));
      this.#partial = larger;
    }
    this.#partial.set(chunk, this.#held);
    this.#held = size;
  }

  #keep(rest: Uint8Array): void {
    this.#partial = rest;
    this.#held = rest.length;
  }
}

/** Joins frames into one write, each behind its length. */
export function frameBytes(frames: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const frame of frames) size += HEAD_BYTES + frame.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const frame of frames) {
    view.setUint32(at, frame.length);
    bytes.set(frame, at + HEAD_BYTES);
    at += HEAD_BYTES + frame.length;
  }
  return bytes;
}
