/**
 * Proof that an event is in the finalized log: a finality proof of a header, and the RFC 9162 path from the event's record
 * to the event root that the header commits.
 *
 * Whoever checks it holds a light client's state and nothing else. The record names its own sequence, which is the leaf's
 * index, so one record cannot be shown in another's place. What the event says is decoded by the ledger's strict codec.
 */
import {
  acceptHeader,
  decodeFinalityProof,
  encodeFinalityProof,
  type FinalityProof,
  type Header,
  type LightClientState,
} from '@cloister/consensus';
import { leafHash, verifyInclusion } from '@cloister/crypto';
import {
  assert,
  type ByteReader,
  ByteWriter,
  DecodeError,
  decodeWith,
  digestToBytes,
  fail,
  ok,
  type Result,
} from '@cloister/encoding';
import { decodeEventRecord, type EventRecord } from '@cloister/event-log';
import { decodeEvent, type LedgerEvent, MAX_EVENT_BYTES } from '@cloister/ledger';

/** Bytes of an encoded finality proof inside an event proof. */
export const FINALITY_BYTES_MAX: number = 2 * 1024 * 1024;
/** Bytes of an event's record: its payload and what frames it. */
export const RECORD_BYTES_MAX: number = MAX_EVENT_BYTES + 1024;
/** Longest inclusion path: one hash per bit of a safe integer. */
export const PATH_HASHES_MAX = 53;
/** Bytes of an encoded event proof. */
export const EVENT_PROOF_BYTES_MAX: number = FINALITY_BYTES_MAX + RECORD_BYTES_MAX + 32 * PATH_HASHES_MAX + 64;

/** An event's record, and where it lies under a header's event root. */
export interface IncludedRecord {
  /** The event's record as the log stores it, without checksum. */
  readonly recordBytes: Uint8Array;
  /** The event's sequence. */
  readonly index: number;
  /** RFC 9162 inclusion path from the leaf up, 32 bytes each. */
  readonly proof: readonly Uint8Array[];
}

export interface EventProof extends IncludedRecord {
  readonly finality: FinalityProof;
}

/** An event that a header covers. */
export interface IncludedEvent {
  readonly event: LedgerEvent;
  readonly record: EventRecord;
}

/** An event that a finalized header covers. */
export interface VerifiedEvent extends IncludedEvent {
  /** The light client after the proof's header; never behind the one that was given. */
  readonly lightClient: LightClientState;
  /** The finalized header that covers it. */
  readonly header: Header;
}

export type EventProofCode =
  /** The header is not final for this light client; `detail` is the light client's code. */
  'FINALITY_REFUSED' | InclusionCode;

export type InclusionCode =
  | 'RECORD_MALFORMED'
  /** The record names another sequence than the proof, or a height beyond what the header covers. */
  | 'RECORD_MISPLACED'
  | 'INDEX_BEYOND_LOG'
  | 'INCLUSION_INVALID'
  | 'EVENT_MALFORMED';

/** Version u8 = 1 ‖ var finality ‖ var record ‖ index u64 ‖ count u8 ‖ hashes of 32 bytes. */
export function encodeEventProof(proof: EventProof): Uint8Array {
  assert(proof.proof.length <= PATH_HASHES_MAX, 'encodeEventProof: path too long');
  return encodeEventProofParts({ ...proof, finality: encodeFinalityProof(proof.finality) });
}

/** As `encodeEventProof`, from a finality proof that is encoded already: for servers that never decode it. */
export function encodeEventProofParts(parts: IncludedRecord & { readonly finality: Uint8Array }): Uint8Array {
  const writer = new ByteWriter(parts.finality.length + parts.recordBytes.length + 32 * parts.proof.length + 32);
  return writeRecord(writer.u8(1).var(parts.finality), parts).finish();
}

/** var record ‖ index u64 ‖ count u8 ‖ hashes of 32 bytes. */
export function writeRecord(writer: ByteWriter, { recordBytes, index, proof }: IncludedRecord): ByteWriter {
  writer.var(recordBytes).u64(index).u8(proof.length);
  for (const hash of proof) {
    assert(hash.length === 32, 'encodeEventProof: a hash has 32 bytes');
    writer.fixed(hash);
  }
  return writer;
}

/** Throws `DecodeError`. */
export function readRecord(reader: ByteReader): IncludedRecord {
  const recordBytes = reader.var(RECORD_BYTES_MAX);
  const index = reader.u64();
  const count = reader.u8();
  if (count > PATH_HASHES_MAX) throw new DecodeError('path too long');
  return { recordBytes, index, proof: Array.from({ length: count }, () => reader.fixed(32)) };
}

/** Throws `DecodeError`. */
export function readFinality(reader: ByteReader): FinalityProof {
  const finality = decodeFinalityProof(reader.var(FINALITY_BYTES_MAX));
  if (!finality.ok) throw new DecodeError(`finality proof: ${finality.code}`);
  return finality.value;
}

/** The proof in `bytes`, within the bounds above; nothing is verified yet. Never throws. */
export function decodeEventProof(bytes: Uint8Array): Result<EventProof, 'PROOF_MALFORMED'> {
  const decoded = decodeWith(bytes, (reader): EventProof => {
    if (reader.u8() !== 1) throw new DecodeError('unknown version');
    return { finality: readFinality(reader), ...readRecord(reader) };
  });
  return decoded.ok ? decoded : fail('PROOF_MALFORMED', decoded.detail);
}

/** Checks a proof against a light client: finality, then inclusion under the header's event root, then the event itself. */
export function verifyEventProof(
  lightClient: LightClientState,
  proof: EventProof,
): Result<VerifiedEvent, EventProofCode> {
  const accepted = acceptHeader(lightClient, proof.finality);
  if (!accepted.ok) return fail('FINALITY_REFUSED', accepted.code);
  const { header } = proof.finality;
  const included = includedEvent(header, proof);
  return included.ok ? ok({ ...included.value, lightClient: accepted.value, header }) : included;
}

/** The event of a record under a header that is known to be final. */
export function includedEvent(header: Header, proof: IncludedRecord): Result<IncludedEvent, InclusionCode> {
  const { eventCount, eventRoot, height } = header.lastFinal;
  const record = decodeEventRecord(proof.recordBytes);
  if (!record.ok) return fail('RECORD_MALFORMED', record.detail);
  if (proof.index >= eventCount) return fail('INDEX_BEYOND_LOG', `event ${proof.index} of ${eventCount}`);
  if (record.value.sequence !== proof.index || record.value.height > height) return fail('RECORD_MISPLACED');
  const included = verifyInclusion({
    leafHash: leafHash(proof.recordBytes),
    index: proof.index,
    size: eventCount,
    proof: proof.proof,
    root: digestToBytes(eventRoot),
  });
  if (!included) return fail('INCLUSION_INVALID');
  const event = decodeEvent(record.value.type, record.value.payload);
  if (!event.ok) return fail('EVENT_MALFORMED', event.code);
  return ok({ event: event.value, record: record.value });
}
