/**
 * The sync protocol: one request, one answer, all in opaque bytes to the network.
 *
 * Every answer is checked by what it carries (hashes, certificates), so a server is trusted for nothing. Sizes are
 * bounded on both sides; an answer that would be larger is cut at a whole item and the asker comes again.
 */
import { type ByteReader, ByteWriter, DecodeError, type Digest, decodeWith, type Result } from '@cloister/encoding';
import {
  FORWARD_TRANSACTIONS_MAX,
  SYNC_BATCHES_MAX,
  SYNC_BLOCKS_MAX,
  SYNC_CHAIN_BLOCKS_MAX,
  SYNC_RESPONSE_BYTES_MAX,
} from '../limits.ts';

const VERSION = 1;

/** Heights are plain numbers on the wire and checked by whoever uses them. */
export type SyncRequest =
  /** The newest finality proof. */
  | { readonly type: 'status' }
  | { readonly type: 'genesis' }
  /** Consecutive finalized blocks from a height on, with batches, up to a height that has a certificate of its own. */
  | { readonly type: 'range'; readonly fromHeight: number; readonly maxBytes: number }
  /** A block by hash, finalized or not, and its ancestors above a height, without batches. */
  | { readonly type: 'chain'; readonly tip: Digest; readonly aboveHeight: number; readonly maxBytes: number }
  | { readonly type: 'batches'; readonly ids: readonly Digest[] }
  /** A finality proof of the header at this height. */
  | { readonly type: 'finality'; readonly height: number }
  | { readonly type: 'event-proof'; readonly sequence: number }
  /** Transactions that a node outside the validator set hands on. */
  | { readonly type: 'submit'; readonly transactions: readonly Uint8Array[] };

/** A block as it is synced: `header` and `body` in the encodings of consensus, `batches` in the order of the body. */
export interface SyncBlock {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  /** Undefined where the server does not hold it. */
  readonly batches: readonly (Uint8Array | undefined)[];
}

/** A block without its batches, in the encodings of consensus. */
export type ChainBlock = Pick<SyncBlock, 'header' | 'body'>;

/** What an event proof is made of; @cloister/proof gives it its wire form. */
export interface EventProofParts {
  /** Encoded FinalityProof of a header whose lastFinal covers the event. */
  readonly finality: Uint8Array;
  readonly recordBytes: Uint8Array;
  readonly index: number;
  /** RFC 9162 inclusion path, 32 bytes each. */
  readonly path: readonly Uint8Array[];
}

export type SyncRefusal = 'BAD_REQUEST' | 'NOT_FOUND' | 'NOT_PROVABLE' | 'NOT_ACCEPTING' | 'TOO_LARGE';

export type SyncResponse =
  | { readonly type: 'refused'; readonly code: SyncRefusal }
  | { readonly type: 'status'; readonly finality: Uint8Array | undefined }
  | { readonly type: 'genesis'; readonly bytes: Uint8Array }
  /**
   * `finalization` is of the last block; no blocks and no certificate when the server has none from that height on. A
   * certificate without blocks: it is the next one, and too far above for one answer.
   */
  | { readonly type: 'range'; readonly blocks: readonly SyncBlock[]; readonly finalization: Uint8Array | undefined }
  /** The tip first, each followed by its parent; cut where the answer would grow too large. */
  | { readonly type: 'chain'; readonly blocks: readonly ChainBlock[] }
  | { readonly type: 'batches'; readonly batches: readonly (Uint8Array | undefined)[] }
  | { readonly type: 'finality'; readonly proof: Uint8Array }
  | { readonly type: 'event-proof'; readonly parts: EventProofParts }
  /** One outcome for each transaction, in order: empty for taken, else the code. */
  | { readonly type: 'submit'; readonly codes: readonly string[] };

const REQUEST_TAGS = {
  status: 1,
  genesis: 2,
  range: 3,
  chain: 4,
  batches: 5,
  finality: 6,
  'event-proof': 7,
  submit: 8,
} as const satisfies Record<SyncRequest['type'], number>;
const REFUSED_TAG = 0;
const REFUSALS: readonly SyncRefusal[] = ['BAD_REQUEST', 'NOT_FOUND', 'NOT_PROVABLE', 'NOT_ACCEPTING', 'TOO_LARGE'];

const FIELD_BYTES_MAX = SYNC_RESPONSE_BYTES_MAX;
const TRANSACTION_BYTES_MAX = 64 * 1024;
const PATH_LENGTH_MAX = 64;

export function encodeSyncRequest(request: SyncRequest): Uint8Array {
  const writer = new ByteWriter(64).u8(VERSION).u8(REQUEST_TAGS[request.type]);
  switch (request.type) {
    case 'status':
    case 'genesis':
      break;
    case 'range':
      writer.u64(request.fromHeight).u32(request.maxBytes);
      break;
    case 'chain':
      writer.digest(request.tip).u64(request.aboveHeight).u32(request.maxBytes);
      break;
    case 'batches':
      writer.u16(request.ids.length);
      for (const id of request.ids) writer.digest(id);
      break;
    case 'finality':
      writer.u64(request.height);
      break;
    case 'event-proof':
      writer.u64(request.sequence);
      break;
    case 'submit':
      writer.u16(request.transactions.length);
      for (const transaction of request.transactions) writer.var(transaction);
      break;
  }
  return writer.finish();
}

export function decodeSyncRequest(bytes: Uint8Array): Result<SyncRequest, 'MALFORMED'> {
  return decodeWith(bytes, (reader): SyncRequest => {
    const tag = readHead(reader);
    switch (tag) {
      case REQUEST_TAGS.status:
        return { type: 'status' };
      case REQUEST_TAGS.genesis:
        return { type: 'genesis' };
      case REQUEST_TAGS.range:
        return { type: 'range', fromHeight: reader.u64(), maxBytes: reader.u32() };
      case REQUEST_TAGS.chain:
        return { type: 'chain', tip: reader.digest(), aboveHeight: reader.u64(), maxBytes: reader.u32() };
      case REQUEST_TAGS.batches:
        return { type: 'batches', ids: readList(reader, SYNC_BATCHES_MAX, () => reader.digest()) };
      case REQUEST_TAGS.finality:
        return { type: 'finality', height: reader.u64() };
      case REQUEST_TAGS['event-proof']:
        return { type: 'event-proof', sequence: reader.u64() };
      case REQUEST_TAGS.submit:
        return {
          type: 'submit',
          transactions: readList(reader, FORWARD_TRANSACTIONS_MAX, () => reader.var(TRANSACTION_BYTES_MAX)),
        };
      default:
        throw new DecodeError('unknown request');
    }
  });
}

export function encodeSyncResponse(response: SyncResponse): Uint8Array {
  const writer = new ByteWriter(1024).u8(VERSION);
  if (response.type === 'refused') return writer.u8(REFUSED_TAG).u8(REFUSALS.indexOf(response.code)).finish();
  writer.u8(REQUEST_TAGS[response.type]);
  switch (response.type) {
    case 'status':
      writeOptional(writer, response.finality);
      break;
    case 'genesis':
      writer.var(response.bytes);
      break;
    case 'range':
      writer.u16(response.blocks.length);
      for (const block of response.blocks) writeBlock(writer, block);
      writeOptional(writer, response.finalization);
      break;
    case 'chain':
      writer.u16(response.blocks.length);
      for (const { header, body } of response.blocks) writer.var(header).var(body);
      break;
    case 'batches':
      writer.u16(response.batches.length);
      for (const batch of response.batches) writeOptional(writer, batch);
      break;
    case 'finality':
      writer.var(response.proof);
      break;
    case 'event-proof':
      writer.var(response.parts.finality).var(response.parts.recordBytes).u64(response.parts.index);
      writer.u8(response.parts.path.length);
      for (const node of response.parts.path) writer.fixed(node);
      break;
    case 'submit':
      writer.u16(response.codes.length);
      for (const code of response.codes) writer.str(code);
      break;
  }
  return writer.finish();
}

export function decodeSyncResponse(bytes: Uint8Array): Result<SyncResponse, 'MALFORMED'> {
  return decodeWith(bytes, (reader): SyncResponse => {
    const tag = readHead(reader);
    switch (tag) {
      case REFUSED_TAG: {
        const code = REFUSALS[reader.u8()];
        if (code === undefined) throw new DecodeError('unknown refusal');
        return { type: 'refused', code };
      }
      case REQUEST_TAGS.status:
        return { type: 'status', finality: readOptional(reader) };
      case REQUEST_TAGS.genesis:
        return { type: 'genesis', bytes: reader.var(FIELD_BYTES_MAX) };
      case REQUEST_TAGS.range:
        return {
          type: 'range',
          blocks: readList(reader, SYNC_BLOCKS_MAX, () => readBlock(reader)),
          finalization: readOptional(reader),
        };
      case REQUEST_TAGS.chain:
        return { type: 'chain', blocks: readList(reader, SYNC_CHAIN_BLOCKS_MAX, () => readChainBlock(reader)) };
      case REQUEST_TAGS.batches:
        return { type: 'batches', batches: readList(reader, SYNC_BATCHES_MAX, () => readOptional(reader)) };
      case REQUEST_TAGS.finality:
        return { type: 'finality', proof: reader.var(FIELD_BYTES_MAX) };
      case REQUEST_TAGS['event-proof']:
        return { type: 'event-proof', parts: readEventProofParts(reader) };
      case REQUEST_TAGS.submit:
        return { type: 'submit', codes: readList(reader, FORWARD_TRANSACTIONS_MAX, () => reader.str(64)) };
      default:
        throw new DecodeError('unknown response');
    }
  });
}

function readEventProofParts(reader: ByteReader): EventProofParts {
  const finality = reader.var(FIELD_BYTES_MAX);
  const recordBytes = reader.var(FIELD_BYTES_MAX);
  const index = reader.u64();
  const length = reader.u8();
  if (length > PATH_LENGTH_MAX) throw new DecodeError('path too long');
  const path: Uint8Array[] = [];
  for (let i = 0; i < length; i++) path.push(reader.fixed(32));
  return { finality, recordBytes, index, path };
}

function readHead(reader: ByteReader): number {
  if (reader.u8() !== VERSION) throw new DecodeError('unknown version');
  return reader.u8();
}

function readList<T>(reader: ByteReader, max: number, read: () => T): T[] {
  const length = reader.u16();
  if (length > max) throw new DecodeError(`list of ${length}, at most ${max} allowed`);
  const items: T[] = [];
  for (let i = 0; i < length; i++) items.push(read());
  return items;
}

function writeOptional(writer: ByteWriter, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) writer.u8(0);
  else writer.u8(1).var(bytes);
}

function readOptional(reader: ByteReader): Uint8Array | undefined {
  const present = reader.u8();
  if (present > 1) throw new DecodeError('not a flag');
  return present === 1 ? reader.var(FIELD_BYTES_MAX) : undefined;
}

function writeBlock(writer: ByteWriter, block: SyncBlock): void {
  writer.var(block.header).var(block.body).u16(block.batches.length);
  for (const batch of block.batches) writeOptional(writer, batch);
}

function readChainBlock(reader: ByteReader): ChainBlock {
  return { header: reader.var(FIELD_BYTES_MAX), body: reader.var(FIELD_BYTES_MAX) };
}

function readBlock(reader: ByteReader): SyncBlock {
  const { header, body } = readChainBlock(reader);
  return { header, body, batches: readList(reader, SYNC_BATCHES_MAX, () => readOptional(reader)) };
}
