/**
 * The head: how far the log reaches and what it commits to. Stored with each append, and in the same form as the
 * verified checkpoint, the position of the scrubber and the witness in the sign guard's database.
 *
 *     version u8 = 1 ‖ chainId 32 ‖ count u64 ‖ hash 32 ‖ height u64 ‖ u8 peaks ‖ peaks 32 each ‖ CRC-32
 */

import { emptyFrontier, frontierRoot, type MerkleFrontier } from '@cloister/crypto';
import {
  asHeight,
  ByteWriter,
  DecodeError,
  type Digest,
  decodeWith,
  digestFromBytes,
  equalBytes,
  type Height,
} from '@cloister/encoding';
import { withChecksum, withoutChecksum } from './checksum.ts';

const HEAD_VERSION = 1;

/** A position in the log, with all that appending there needs. Immutable. */
export interface LogHead {
  readonly chainId: Digest;
  /** Number of events. */
  readonly count: number;
  /** Hash of the last event; the chain id of an empty log. */
  readonly hash: Digest;
  /** RFC 9162 root over the hashes of all events. */
  readonly root: Digest;
  /** Height of the last event; 0 for an empty log. */
  readonly height: Height;
  readonly frontier: MerkleFrontier;
}

/** The head of a log without events. */
export function emptyHead(chainId: Digest): LogHead {
  return headAt(chainId, chainId, asHeight(0), emptyFrontier());
}

/** A head from its parts; count and root follow from the frontier. */
export function headAt(chainId: Digest, hash: Digest, height: Height, frontier: MerkleFrontier): LogHead {
  return { chainId, count: frontier.size, hash, root: digestFromBytes(frontierRoot(frontier)), height, frontier };
}

export function encodeHead(head: LogHead): Uint8Array {
  const { peaks } = head.frontier;
  const writer = new ByteWriter(128 + 32 * peaks.length)
    .u8(HEAD_VERSION)
    .digest(head.chainId)
    .u64(head.count)
    .digest(head.hash)
    .u64(head.height)
    .u8(peaks.length);
  for (const peak of peaks) writer.fixed(peak);
  return withChecksum(writer.finish());
}

/** Undefined when the bytes do not match their checksum or are no head. */
export function decodeHead(stored: Uint8Array): LogHead | undefined {
  const bytes = withoutChecksum(stored);
  if (bytes === undefined) return undefined;
  const decoded = decodeWith(bytes, (reader) => {
    if (reader.u8() !== HEAD_VERSION) throw new DecodeError('unknown head version');
    const chainId = reader.digest();
    const size = reader.u64();
    const hash = reader.digest();
    const height = asHeight(reader.u64());
    const peaks = Array.from({ length: reader.u8() }, () => reader.fixed(32));
    if (peaks.length !== peakCount(size)) throw new DecodeError('not the peaks of this size');
    return headAt(chainId, hash, height, { size, peaks });
  });
  return decoded.ok ? decoded.value : undefined;
}

/** Number of ones in the binary form of `size`. */
function peakCount(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

/** Whether both are the same position of the same log, peaks included. */
export function sameHead(a: LogHead, b: LogHead): boolean {
  return (
    a.chainId === b.chainId &&
    a.count === b.count &&
    a.hash === b.hash &&
    a.height === b.height &&
    a.frontier.peaks.every((peak, i) => equalBytes(peak, b.frontier.peaks[i] ?? new Uint8Array(0)))
  );
}
