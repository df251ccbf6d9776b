/**
 * Answering the sync protocol from what is durable here. Bounded in items and bytes; never throws on a request's content.
 */
import { type EncodedBlock, encodeFinalityProof, type Header } from '@cloister/consensus';
import { asHeight, type Digest, parseHeight } from '@cloister/encoding';
import {
  SYNC_BLOCKS_MAX,
  SYNC_CHAIN_BLOCKS_MAX,
  SYNC_CHAIN_BYTES_MAX,
  SYNC_RANGE_BYTES_MAX,
  SYNC_REQUEST_BYTES_MAX,
  SYNC_STRETCH_BYTES_MAX,
} from '../limits.ts';
import type { ChainReader } from '../store/chain-store.ts';
import {
  type ChainBlock,
  decodeSyncRequest,
  type EventProofParts,
  encodeSyncResponse,
  type SyncBlock,
  type SyncRefusal,
  type SyncRequest,
  type SyncResponse,
} from './sync-messages.ts';

/** What a server can do beside reading the chain. */
export interface SyncExtras {
  /** Takes a transaction that a node outside the validator set hands on: empty, or the code of its refusal. */
  readonly submit?: (transaction: Uint8Array) => Promise<string>;
}

/** The encoded answer to an encoded request. Rejects with `StoreError` only. */
export async function serveSync(reader: ChainReader, bytes: Uint8Array, extras: SyncExtras = {}): Promise<Uint8Array> {
  if (bytes.length > SYNC_REQUEST_BYTES_MAX) return encodeSyncResponse(refused('TOO_LARGE'));
  const request = decodeSyncRequest(bytes);
  return encodeSyncResponse(request.ok ? await answer(reader, request.value, extras) : refused('BAD_REQUEST'));
}

function refused(code: SyncRefusal): SyncResponse {
  return { type: 'refused', code };
}

async function answer(reader: ChainReader, request: SyncRequest, extras: SyncExtras): Promise<SyncResponse> {
  switch (request.type) {
    case 'status': {
      const proof = await reader.latestFinality();
      return { type: 'status', finality: proof === undefined ? undefined : encodeFinalityProof(proof) };
    }
    case 'genesis':
      return { type: 'genesis', bytes: reader.genesisBytes };
    case 'range':
      return serveRange(reader, request.fromHeight, Math.min(request.maxBytes, SYNC_RANGE_BYTES_MAX));
    case 'chain':
      return serveChain(reader, request.tip, request.aboveHeight, Math.min(request.maxBytes, SYNC_CHAIN_BYTES_MAX));
    case 'batches':
      return serveBatches(reader, request.ids);
    case 'finality': {
      const height = parseHeight(request.height);
      const proof = height === undefined ? undefined : await reader.finality(height);
      return proof === undefined ? refused('NOT_FOUND') : { type: 'finality', proof: encodeFinalityProof(proof) };
    }
    case 'event-proof': {
      const parts = await buildEventProofParts(reader, request.sequence);
      return parts === undefined ? refused('NOT_PROVABLE') : { type: 'event-proof', parts };
    }
    case 'submit':
      return serveSubmit(request.transactions, extras);
  }
}

async function serveBatches(reader: ChainReader, ids: readonly Digest[]): Promise<SyncResponse> {
  const stored = await reader.batches(ids);
  let bytes = 0;
  const batches = ids.map((_, index) => {
    const batch = stored[index];
    bytes += batch?.length ?? 0;
    return bytes <= SYNC_RANGE_BYTES_MAX ? batch : undefined;
  });
  return { type: 'batches', batches };
}

async function serveSubmit(transactions: readonly Uint8Array[], { submit }: SyncExtras): Promise<SyncResponse> {
  if (submit === undefined) return refused('NOT_ACCEPTING');
  const codes: string[] = [];
  for (const transaction of transactions) codes.push(await submit(transaction));
  return { type: 'submit', codes };
}

async function syncBlock(reader: ChainReader, { header, body, batches }: EncodedBlock): Promise<SyncBlock> {
  return { header, body, batches: batches.length === 0 ? [] : await reader.batches(batches) };
}

function sizeOf(block: SyncBlock): number {
  return block.header.length + block.body.length + block.batches.reduce((sum, batch) => sum + (batch?.length ?? 0), 0);
}

/** A block and its ancestors, by hash, so that each proves the next. At least the tip, whatever its size. */
async function serveChain(
  reader: ChainReader,
  tip: Digest,
  aboveHeight: number,
  maxBytes: number,
): Promise<SyncResponse> {
  const blocks: ChainBlock[] = [];
  let bytes = 0;
  for (let hash = tip; blocks.length < SYNC_CHAIN_BLOCKS_MAX; ) {
    const found = await reader.stored(hash);
    if (found === undefined) break;
    const { header, body, height, parentHash } = found;
    bytes += header.length + body.length;
    if (blocks.length > 0 && bytes > maxBytes) break;
    blocks.push({ header, body });
    if (height <= aboveHeight + 1) break;
    hash = parentHash;
  }
  return blocks.length === 0 ? refused('NOT_FOUND') : { type: 'chain', blocks };
}

/**
 * Blocks from `fromHeight` on. What does not fit is cut after the last block that has a certificate of its own. Where a
 * stretch has no such block within the bounds, only the certificate at its end is served. The asker then fetches the
 * blocks below it by hash, since nothing else proves them.
 *
 * Blocks and certificates go out as they are stored, and the certificates come from one walk: a stranger may ask for a range,
 * and the thread that votes pays for the answer.
 */
async function serveRange(reader: ChainReader, fromHeight: number, maxBytes: number): Promise<SyncResponse> {
  const blocks: SyncBlock[] = [];
  let certified = 0;
  let finalization: Uint8Array | undefined;
  let bytes = 0;
  const from = parseHeight(fromHeight);
  if (from === undefined || from === 0) return refused('BAD_REQUEST');
  // Each stretch of blocks ends with a certificate, so that no more than one for each block is needed.
  for await (const next of reader.finalizationsFrom(from, SYNC_BLOCKS_MAX)) {
    const fits = (size: number) => size <= (certified > 0 ? maxBytes : SYNC_STRETCH_BYTES_MAX);
    for (let at = from + blocks.length; at <= next.height && blocks.length < SYNC_BLOCKS_MAX; at++) {
      const block = await reader.encodedAt(asHeight(at));
      if (block === undefined) break;
      const item = await syncBlock(reader, block);
      bytes += sizeOf(item);
      if (!fits(bytes)) break;
      blocks.push(item);
    }
    const complete = from + blocks.length > next.height;
    // Without a whole stretch, the certificate alone says how far the next one is.
    if (complete || certified === 0) finalization = next.bytes;
    if (!complete) break;
    certified = blocks.length;
  }
  return { type: 'range', blocks: blocks.slice(0, certified), finalization };
}

/** What proves the event at `sequence`: the newest final header, whose event root covers it. Undefined while none does. */
export async function buildEventProofParts(
  reader: ChainReader,
  sequence: number,
): Promise<EventProofParts | undefined> {
  const finality = await reader.latestFinality();
  const record = finality === undefined ? undefined : await buildRecordProof(reader, sequence, finality.header);
  if (finality === undefined || record === undefined) return undefined;
  return { finality: encodeFinalityProof(finality), ...record };
}

/**
 * The record of the event at `sequence`, and its path to the event root of a final header. Undefined when the root does
 * not cover it.
 */
export async function buildRecordProof(
  reader: ChainReader,
  sequence: number,
  header: Header,
): Promise<Omit<EventProofParts, 'finality'> | undefined> {
  const size = header.lastFinal.eventCount;
  if (!Number.isSafeInteger(sequence) || sequence < 0 || sequence >= size) return undefined;
  const event = await reader.log.get(sequence);
  if (event === undefined) return undefined;
  return { recordBytes: event.recordBytes, index: sequence, path: await reader.log.inclusion(sequence, size) };
}
