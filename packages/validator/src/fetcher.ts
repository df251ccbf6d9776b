/**
 * Blocks from peers: single ones by hash, and ranges of the finalized chain.
 *
 * Nothing here trusts an answer: blocks are matched by hash, the batches of a range by the ids that its blocks name, and
 * the state machine checks a range against its certificate. A failed attempt moves on to the next peer.
 */
import {
  type Block,
  blockOf,
  decodeBody,
  decodeCertificate,
  decodeHeader,
  type Finalization,
} from '@cloister/consensus';
import type { Digest, Height } from '@cloister/crypto';
import { batchIdOf } from '@cloister/ledger';
import { SYNC_BLOCKS_MAX, SYNC_RANGE_BYTES_MAX, SYNC_RESPONSE_BYTES_MAX, SYNC_TIMEOUT_MS } from './limits.ts';
import type { PeerBook } from './peer-book.ts';
import type { RequestDesk } from './request-desk.ts';
import type { SyncBlock, SyncResponse } from './sync-messages.ts';

/** Consecutive blocks from the height asked for; hashes match within each block, and each batch is one that they name. */
export interface ArrivedRange {
  readonly from: string;
  readonly blocks: readonly Block[];
  readonly batches: ReadonlyMap<Digest, Uint8Array>;
  readonly finalization: Finalization;
}

/** What came of asking for a range: 'none' when the peer has nothing above, 'failed' when it did not say so properly. */
export type RangeOutcome = ArrivedRange | { readonly from: string; readonly outcome: 'none' | 'failed' };

export interface FetchHandlers {
  onBlock(block: Block): void;
  onRange(outcome: RangeOutcome): void;
}

const OPTIONS = { timeoutMs: SYNC_TIMEOUT_MS, maxBytes: SYNC_RESPONSE_BYTES_MAX } as const;
const BLOCKS_IN_FLIGHT_MAX = 64;

export class Fetcher {
  readonly #peers: PeerBook;
  readonly #desk: RequestDesk;
  readonly #handlers: FetchHandlers;
  readonly #blocksInFlight = new Map<Digest, number>();
  #rangeInFlight = false;

  constructor(peers: PeerBook, desk: RequestDesk, handlers: FetchHandlers) {
    this.#peers = peers;
    this.#desk = desk;
    this.#handlers = handlers;
  }

  /** One attempt at a block; the machine asks again on each retry. */
  fetchBlock(hash: Digest, prefer: readonly string[]): void {
    const attempts = this.#blocksInFlight.get(hash);
    if (attempts === undefined && this.#blocksInFlight.size >= BLOCKS_IN_FLIGHT_MAX) this.#blocksInFlight.clear();
    this.#blocksInFlight.set(hash, (attempts ?? 0) + 1);
    this.#desk.ask(this.#peers.pick(attempts ?? 0, prefer), { type: 'block', hash }, OPTIONS, ({ peer, response }) => {
      if (response === undefined) return;
      const block = decodeBlock(response.block);
      if (block?.hash !== hash) {
        this.#peers.blame(peer, 'UNASKED', 'BLOCK_MISMATCH');
        return;
      }
      this.#peers.served(peer);
      this.#blocksInFlight.delete(hash);
      this.#handlers.onBlock(block);
    });
  }

  /** Asks for the finalized blocks from a height on. One range at a time. */
  fetchRange(fromHeight: Height, to: string): void {
    if (this.#rangeInFlight) return;
    this.#rangeInFlight = true;
    const request = { type: 'range', fromHeight, maxBytes: SYNC_RANGE_BYTES_MAX } as const;
    this.#desk.ask(to, request, OPTIONS, ({ peer, response, refused }) => {
      this.#rangeInFlight = false;
      if (response === undefined) {
        this.#handlers.onRange({ from: peer, outcome: refused ? 'none' : 'failed' });
        return;
      }
      const range = response.blocks.length === 0 ? 'none' : decodeRange(peer, fromHeight, response);
      if (range === undefined) this.#peers.blame(peer, 'LIED', 'RANGE_MALFORMED');
      if (range === undefined || range === 'none') this.#handlers.onRange({ from: peer, outcome: range ?? 'failed' });
      else this.#handlers.onRange(range);
    });
  }
}

function decodeBlock(bytes: SyncBlock): Block | undefined {
  const header = decodeHeader(bytes.header);
  const body = decodeBody(bytes.body);
  return header.ok && body.ok ? blockOf(header.value, body.value) : undefined;
}

/** Undefined for an answer that no honest server gives. */
function decodeRange(
  from: string,
  fromHeight: Height,
  response: Extract<SyncResponse, { type: 'range' }>,
): ArrivedRange | undefined {
  if (response.finalization === undefined || response.blocks.length > SYNC_BLOCKS_MAX) return undefined;
  const finalization = decodeCertificate(response.finalization);
  if (!finalization.ok || finalization.value.kind !== 'finalize') return undefined;
  const blocks: Block[] = [];
  const batches = new Map<Digest, Uint8Array>();
  for (const [index, item] of response.blocks.entries()) {
    const block = decodeBlock(item);
    if (block === undefined || block.header.height !== fromHeight + index) return undefined;
    if (item.batches.length !== block.body.batches.length) return undefined;
    blocks.push(block);
    for (const [at, id] of block.body.batches.entries()) {
      const bytes = item.batches[at];
      if (bytes === undefined) continue;
      if (batchIdOf(bytes) !== id) return undefined;
      batches.set(id, bytes);
    }
  }
  return { from, blocks, batches, finalization: finalization.value };
}
