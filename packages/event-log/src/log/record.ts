/**
 * One event as bytes. The encoding is what is hashed, chained and proven, so it never changes for a stored event.
 *
 *     version u8 = 1 ‖ sequence u64 ‖ height u64 ‖ str type ‖ var payload ‖ previousHash 32
 *
 * On disk a CRC-32 follows. The event's hash is its Merkle leaf hash (RFC 9162): SHA-256(0x00 ‖ record).
 */

import { leafHash } from '@cloister/crypto';
import {
  asHeight,
  assert,
  ByteWriter,
  DecodeError,
  type Digest,
  decodeWith,
  digestFromBytes,
  type Height,
  type Result,
} from '@cloister/encoding';
import { withoutChecksum } from './checksum.ts';
import { EventLogDamaged } from './damage.ts';

const EVENT_RECORD_VERSION = 1;
/** Bounds of one event, far above what a block can make. */
export const EVENT_TYPE_BYTES_MAX = 64;
const EVENT_TYPE: RegExp = new RegExp(`^[\\x21-\\x7e]{1,${EVENT_TYPE_BYTES_MAX}}$`);
export const EVENT_PAYLOAD_BYTES_MAX: number = 4 * 1024 * 1024;

export interface EventRecord {
  /** Position in the log, from 0. */
  readonly sequence: number;
  /** Height of the block whose execution produced the event. */
  readonly height: Height;
  /** 1 to 64 printable ASCII characters without spaces. */
  readonly type: string;
  /** Canonical JSON. */
  readonly payload: Uint8Array;
  /** Hash of the event before; the chain id for event 0. */
  readonly previousHash: Digest;
}

/** An event read from the log, checked. */
export interface StoredEvent extends EventRecord {
  readonly hash: Digest;
  /** The encoding that `hash` and inclusion proofs cover. */
  readonly recordBytes: Uint8Array;
}

/** Throws an assertion on a record out of bounds: events are our own. */
export function encodeEventRecord(record: EventRecord): Uint8Array {
  assert(EVENT_TYPE.test(record.type), 'event type of 1 to 64 ASCII characters');
  assert(record.payload.length <= EVENT_PAYLOAD_BYTES_MAX, 'event payload too large');
  return new ByteWriter(64 + record.type.length + record.payload.length)
    .u8(EVENT_RECORD_VERSION)
    .u64(record.sequence)
    .u64(record.height)
    .str(record.type)
    .var(record.payload)
    .digest(record.previousHash)
    .finish();
}

/** The record, from bytes of any origin. */
export function decodeEventRecord(bytes: Uint8Array): Result<EventRecord, 'MALFORMED'> {
  return decodeWith(bytes, (reader) => {
    if (reader.u8() !== EVENT_RECORD_VERSION) throw new DecodeError('unknown event record version');
    const sequence = reader.u64();
    const height = asHeight(reader.u64());
    const type = reader.str(EVENT_TYPE_BYTES_MAX);
    if (!EVENT_TYPE.test(type)) throw new DecodeError('not an event type');
    return { sequence, height, type, payload: reader.var(EVENT_PAYLOAD_BYTES_MAX), previousHash: reader.digest() };
  });
}

/** Hash of an encoded event. */
export function eventHash(recordBytes: Uint8Array): Digest {
  return digestFromBytes(leafHash(recordBytes));
}

/** The event in a stored value that lay under `sequence`'s key. Throws `EventLogDamaged`. */
export function openStoredEvent(sequence: number, stored: Uint8Array): StoredEvent {
  const recordBytes = withoutChecksum(stored);
  if (recordBytes === undefined) {
    throw new EventLogDamaged('EVENT_CHECKSUM', sequence, `event ${sequence} does not match its checksum`);
  }
  const decoded = decodeEventRecord(recordBytes);
  if (!decoded.ok) {
    throw new EventLogDamaged('EVENT_MALFORMED', sequence, `event ${sequence} does not decode: ${decoded.detail}`);
  }
  const { value } = decoded;
  if (value.sequence !== sequence) {
    const what = `event ${value.sequence} is stored in the place of event ${sequence}`;
    throw new EventLogDamaged('EVENT_MALFORMED', sequence, what);
  }
  return {
    sequence,
    height: value.height,
    type: value.type,
    payload: value.payload,
    previousHash: value.previousHash,
    hash: eventHash(recordBytes),
    recordBytes,
  };
}
