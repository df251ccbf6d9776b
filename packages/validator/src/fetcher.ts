/**
 * Everything that a replica asks its peers for: missing batches, single blocks, ranges of the chain; and the handing on
 * of transactions by nodes outside the validator set.
 *
 * Nothing here trusts an answer: batches and blocks are matched by hash, ranges are checked by the state machine against
 * their certificate. A failed attempt moves on to the next peer.
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
import type { Transaction } from '@cloister/ledger';
import {
  BATCH_PULL_DELAY_MS,
  FETCH_RETRY_MS,
  FORWARD_ATTEMPTS_MAX,
  FORWARD_TRANSACTIONS_MAX,
  SYNC_FETCH_BATCHES_MAX,
  SYNC_RANGE_BYTES_MAX,
  SYNC_RESPONSE_BYTES_MAX,
  SYNC_TIMEOUT_MS,
} from './limits.ts';
import type { PeerBook } from './peer-book.ts';
import type { ReplicaCore } from './replica-core.ts';
import {
  decodeSyncResponse,
  encodeSyncRequest,
  type SyncBlock,
  type SyncRequest,
  type SyncResponse,
} from './sync-messages.ts';

export const FETCH_TIMER = 'fetch';

/** A range as it came: hashes match within each block, nothing else is checked. */
export interface ArrivedRange {
  readonly from: string;
  readonly blocks: readonly Block[];
  readonly batches: readonly Uint8Array[];
  readonly finalization: Finalization;
}

export interface FetchHandlers {
  /** Ids that something still waits for. */
  neededBatches(): ReadonlySet<Digest>;
  onBatches(from: string, batches: readonly Uint8Array[]): void;
  onBlock(from: string, block: Block, batches: readonly Uint8Array[]): void;
  /** Undefined: no peer had more. */
  onRange(range: ArrivedRange | undefined): void;
  onRefused(from: string, code: string): void;
}

interface Pending {
  readonly to: string;
  readonly handle: (response: SyncResponse | undefined, from: string) => void;
}

export class Fetcher {
  readonly #core: ReplicaCore;
  readonly #peers: PeerBook;
  readonly #handlers: FetchHandlers;
  readonly #pending = new Map<number, Pending>();
  /** Batch id → preferred sources and attempts so far. */
  readonly #wanted = new Map<Digest, { prefer: readonly string[]; attempts: number; inFlight: boolean }>();
  readonly #blocksInFlight = new Map<Digest, number>();
  #nextRequestId = 1;
  #timerSet = false;
  #rangeInFlight = false;
  #rangeAttempts = 0;

  constructor(core: ReplicaCore, peers: PeerBook, handlers: FetchHandlers) {
    this.#core = core;
    this.#peers = peers;
    this.#handlers = handlers;
  }

  get rangeInFlight(): boolean {
    return this.#rangeInFlight;
  }

  #request(to: string, request: SyncRequest, handle: Pending['handle']): void {
    const requestId = this.#nextRequestId++;
    this.#pending.set(requestId, { to, handle });
    this.#core.emit({
      type: 'request',
      requestId,
      to,
      bytes: encodeSyncRequest(request),
      timeoutMs: SYNC_TIMEOUT_MS,
      maxBytes: SYNC_RESPONSE_BYTES_MAX,
    });
  }

  /** An answer, or undefined for none. */
  response(requestId: number, from: string | undefined, bytes: Uint8Array | undefined): void {
    const pending = this.#pending.get(requestId);
    if (pending === undefined) return;
    this.#pending.delete(requestId);
    const source = from ?? pending.to;
    if (bytes === undefined) {
      pending.handle(undefined, source);
      return;
    }
    const decoded = decodeSyncResponse(bytes);
    if (!decoded.ok) this.#handlers.onRefused(source, 'SYNC_MALFORMED');
    pending.handle(decoded.ok && decoded.value.type !== 'refused' ? decoded.value : undefined, source);
  }

  /** Wants batches; gossip gets a moment to deliver them before anyone is asked. */
  needBatches(ids: readonly Digest[], prefer: readonly string[]): void {
    let fresh = false;
    for (const id of ids) {
      if (this.#wanted.has(id)) continue;
      this.#wanted.set(id, { prefer, attempts: 0, inFlight: false });
      fresh = true;
    }
    if (fresh) this.#arm(BATCH_PULL_DELAY_MS);
  }

  #arm(delayMs: number): void {
    if (this.#timerSet) return;
    this.#timerSet = true;
    this.#core.setTimer(FETCH_TIMER, delayMs);
  }

  /** The fetch timer fired. */
  pull(): void {
    this.#timerSet = false;
    const needed = this.#handlers.neededBatches();
    const byPeer = new Map<string, Digest[]>();
    for (const [id, want] of this.#wanted) {
      if (!needed.has(id)) {
        this.#wanted.delete(id);
        continue;
      }
      if (want.inFlight) continue;
      const peer = this.#peers.pick(want.attempts++, want.prefer);
      const ids = byPeer.get(peer) ?? [];
      if (ids.length >= SYNC_FETCH_BATCHES_MAX) continue;
      want.inFlight = true;
      ids.push(id);
      byPeer.set(peer, ids);
    }
    for (const [peer, ids] of byPeer) this.#pullFrom(peer, ids);
  }

  #pullFrom(peer: string, ids: readonly Digest[]): void {
    this.#request(peer, { type: 'batches', ids }, (response, from) => {
      for (const id of ids) {
        const want = this.#wanted.get(id);
        if (want !== undefined) want.inFlight = false;
      }
      if (response?.type === 'batches') {
        this.#handlers.onBatches(
          from,
          response.batches.filter((bytes) => bytes !== undefined),
        );
      }
      const needed = this.#handlers.neededBatches();
      for (const id of this.#wanted.keys()) if (!needed.has(id)) this.#wanted.delete(id);
      if (this.#wanted.size > 0) this.#arm(FETCH_RETRY_MS);
    });
  }

  /** One attempt at a block; the machine asks again on each retry. */
  fetchBlock(hash: Digest, prefer: readonly string[]): void {
    const attempts = this.#blocksInFlight.get(hash);
    if (attempts === undefined && this.#blocksInFlight.size > 64) this.#blocksInFlight.clear();
    this.#blocksInFlight.set(hash, (attempts ?? 0) + 1);
    this.#request(this.#peers.pick(attempts ?? 0, prefer), { type: 'block', hash }, (response, from) => {
      if (response?.type !== 'block') return;
      const block = decodeBlock(response.block);
      if (block?.hash !== hash) {
        this.#handlers.onRefused(from, 'BLOCK_MISMATCH');
        return;
      }
      this.#blocksInFlight.delete(hash);
      this.#handlers.onBlock(
        from,
        block,
        response.block.batches.filter((bytes) => bytes !== undefined),
      );
    });
  }

  /** Asks for the finalized blocks from a height on. One range at a time. */
  fetchRange(fromHeight: Height | number, prefer: readonly string[]): void {
    if (this.#rangeInFlight) return;
    this.#rangeInFlight = true;
    const peer = this.#peers.pick(this.#rangeAttempts++, prefer);
    this.#request(peer, { type: 'range', fromHeight, maxBytes: SYNC_RANGE_BYTES_MAX }, (response, from) => {
      this.#rangeInFlight = false;
      const range = response?.type === 'range' ? decodeRange(from, response) : undefined;
      if (range === 'malformed') this.#handlers.onRefused(from, 'RANGE_MALFORMED');
      this.#handlers.onRange(range === 'malformed' ? undefined : range);
    });
  }

  /** Hands transactions to a validator, and to the next one when that fails. */
  forward(transactions: readonly Transaction[], attempt = 0): void {
    for (let start = 0; start < transactions.length; start += FORWARD_TRANSACTIONS_MAX) {
      this.#forwardSome(transactions.slice(start, start + FORWARD_TRANSACTIONS_MAX), attempt);
    }
  }

  #forwardSome(transactions: readonly Transaction[], attempt: number): void {
    const peer = this.#peers.pick(attempt, this.#peers.validators());
    this.#request(peer, { type: 'submit', transactions: transactions.map(({ bytes }) => bytes) }, (response) => {
      const refused =
        response?.type === 'submit'
          ? transactions.filter((_, index) => RETRY_CODES.has(response.codes[index] ?? ''))
          : transactions;
      if (refused.length > 0 && attempt + 1 < FORWARD_ATTEMPTS_MAX) this.#forwardSome(refused, attempt + 1);
    });
  }
}

/** Refusals that another validator may not share. */
const RETRY_CODES: ReadonlySet<string> = new Set(['BACKPRESSURE', 'HALTED', 'NOT_ACCEPTING']);

function decodeBlock(bytes: SyncBlock): Block | undefined {
  const header = decodeHeader(bytes.header);
  const body = decodeBody(bytes.body);
  return header.ok && body.ok ? blockOf(header.value, body.value) : undefined;
}

function decodeRange(
  from: string,
  response: Extract<SyncResponse, { type: 'range' }>,
): ArrivedRange | 'malformed' | undefined {
  if (response.blocks.length === 0 || response.finalization === undefined) return undefined;
  const finalization = decodeCertificate(response.finalization);
  if (!finalization.ok || finalization.value.kind !== 'finalize') return 'malformed';
  const blocks: Block[] = [];
  const batches: Uint8Array[] = [];
  for (const item of response.blocks) {
    const block = decodeBlock(item);
    if (block === undefined) return 'malformed';
    blocks.push(block);
    for (const batch of item.batches) if (batch !== undefined) batches.push(batch);
  }
  return { from, blocks, batches, finalization: finalization.value };
}
