/**
 * Blocks: chains of ancestors by hash, from the own database or from peers, and ranges of the finalized chain from peers.
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
import type { Digest, Height } from '@cloister/encoding';
import { batchIdOf } from '@cloister/ledger';
import {
  CHAIN_HEDGE_MS,
  SYNC_BLOCKS_MAX,
  SYNC_CHAIN_BYTES_MAX,
  SYNC_RANGE_BYTES_MAX,
  SYNC_RESPONSE_BYTES_MAX,
  SYNC_TIMEOUT_MS,
} from '../limits.ts';
import type { ReplicaCore } from '../step/replica-core.ts';
import type { RequestDesk } from './request-desk.ts';
import type { ChainBlock, SyncResponse } from './sync-messages.ts';
import type { SyncPeers } from './sync-peers.ts';

/**
 * Consecutive blocks from the height asked for; hashes match within each block, and each batch is one that they name. None:
 * the certificate is too far above for a range.
 */
export interface ArrivedRange {
  readonly from: string;
  readonly blocks: readonly Block[];
  readonly batches: ReadonlyMap<Digest, Uint8Array>;
  readonly finalization: Finalization;
}

/** What came of asking for a range: 'none' when the peer has nothing above, 'failed' when it did not say so properly. */
export type RangeOutcome = ArrivedRange | { readonly from: string; readonly outcome: 'none' | 'failed' };

export interface FetchHandlers {
  /** A block that was asked for and ancestors of it, each the parent of the one before. */
  onChain(blocks: readonly Block[]): void;
  onRange(outcome: RangeOutcome): void;
}

const OPTIONS = { timeoutMs: SYNC_TIMEOUT_MS, maxBytes: SYNC_RESPONSE_BYTES_MAX } as const;
const CHAINS_IN_FLIGHT_MAX = 64;
const RANGES_IN_FLIGHT_MAX = 2;
/** A server that gives fewer blocks than this, and not all, is asked last from then on. */
const CHAIN_SHORT_BLOCKS = 16;

/** A tip that was asked for, and of whom. */
interface ChainFetch {
  readonly aboveHeight: Height;
  readonly prefer: readonly string[];
  readonly tried: Set<string>;
  inFlight: number;
}

export const HEDGE_TIMER = 'hedge';

export class Fetcher {
  readonly #core: ReplicaCore;
  readonly #peers: SyncPeers;
  readonly #desk: RequestDesk;
  readonly #handlers: FetchHandlers;
  readonly #chains = new Map<Digest, ChainFetch>();
  #hedging = false;
  #rangesInFlight = 0;

  constructor(core: ReplicaCore, peers: SyncPeers, desk: RequestDesk, handlers: FetchHandlers) {
    this.#core = core;
    this.#peers = peers;
    this.#desk = desk;
    this.#handlers = handlers;
  }

  /**
   * Asks for a block and its ancestors above a height: the own database first, then one peer after the other, the next one
   * as soon as one has failed, and a further one while the last has not answered for `CHAIN_HEDGE_MS`.
   */
  fetchChain(tip: Digest, aboveHeight: Height, prefer: readonly string[]): void {
    let fetch = this.#chains.get(tip);
    if (fetch === undefined) {
      for (const oldest of this.#chains.keys())
        if (this.#chains.size >= CHAINS_IN_FLIGHT_MAX) this.#chains.delete(oldest);
      fetch = { aboveHeight, prefer, tried: new Set(), inFlight: 0 };
      this.#chains.set(tip, fetch);
    }
    const peer = [this.#core.self, ...this.#peers.order(prefer)].find((each) => fetch.tried.has(each) === false);
    if (peer === undefined) {
      // Everyone was asked. The machine's next request begins anew.
      if (fetch.inFlight === 0) this.#chains.delete(tip);
      return;
    }
    fetch.tried.add(peer);
    fetch.inFlight++;
    this.#hedge();
    const request = { type: 'chain', tip, aboveHeight, maxBytes: SYNC_CHAIN_BYTES_MAX } as const;
    this.#desk.ask(peer, request, OPTIONS, ({ response }) => {
      fetch.inFlight--;
      if (this.#chains.get(tip) !== fetch) return;
      const blocks = response === undefined ? undefined : linked(tip, aboveHeight, response.blocks);
      if (response !== undefined && blocks === undefined) this.#peers.blame(peer, 'LIED', 'CHAIN_UNLINKED');
      if (blocks === undefined) {
        this.fetchChain(tip, aboveHeight, prefer);
        return;
      }
      this.#chains.delete(tip);
      const lowest = blocks.at(-1);
      const cutShort = blocks.length < CHAIN_SHORT_BLOCKS && (lowest?.header.height ?? 0) > aboveHeight + 1;
      if (cutShort) this.#peers.failed(peer);
      else this.#peers.served(peer);
      this.#handlers.onChain(blocks);
    });
  }

  #hedge(): void {
    if (this.#hedging) return;
    this.#hedging = true;
    this.#core.setTimer(HEDGE_TIMER, CHAIN_HEDGE_MS);
  }

  /** The hedge timer fired: one more peer is asked for what nobody has answered yet. */
  hedge(): void {
    this.#hedging = false;
    for (const [tip, { aboveHeight, prefer }] of [...this.#chains]) this.fetchChain(tip, aboveHeight, prefer);
  }

  /** Asks for the finalized blocks from a height on. A second peer may be asked while a first one is silent. */
  fetchRange(fromHeight: Height, to: string): void {
    if (this.#rangesInFlight >= RANGES_IN_FLIGHT_MAX) return;
    this.#rangesInFlight++;
    const request = { type: 'range', fromHeight, maxBytes: SYNC_RANGE_BYTES_MAX } as const;
    this.#desk.ask(to, request, OPTIONS, ({ peer, response, refused }) => {
      this.#rangesInFlight--;
      if (response === undefined) {
        this.#handlers.onRange({ from: peer, outcome: refused ? 'none' : 'failed' });
        return;
      }
      const nothing = response.blocks.length === 0 && response.finalization === undefined;
      const range = nothing ? 'none' : decodeRange(peer, fromHeight, response);
      if (range === undefined) this.#peers.blame(peer, 'LIED', 'RANGE_MALFORMED');
      if (range === undefined || range === 'none') this.#handlers.onRange({ from: peer, outcome: range ?? 'failed' });
      else this.#handlers.onRange(range);
    });
  }
}

/** The blocks as far as each is the parent of the one before and the first is the tip; undefined for any other answer. */
function linked(tip: Digest, aboveHeight: Height, answer: readonly ChainBlock[]): Block[] | undefined {
  const blocks: Block[] = [];
  let due = tip;
  for (const bytes of answer) {
    const block = decodeBlock(bytes);
    if (block?.hash !== due || (blocks.length > 0 && block.header.height <= aboveHeight)) return undefined;
    blocks.push(block);
    due = block.header.parentHash;
  }
  return blocks.length === 0 ? undefined : blocks;
}

function decodeBlock(bytes: ChainBlock): Block | undefined {
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
