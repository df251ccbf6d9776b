/**
 * Pulls batches that blocks name and that gossip did not bring.
 *
 * Whoever proposed a block, voted for it or finalized it has shown that it holds the batches. The own database is asked
 * first, then these sources one after the other. The next source is asked after a short time (the hedge), also when the
 * last has not answered, so that a silent source costs one hedge and not a whole timeout. An answer is matched by id
 * with what was asked for; anything else in it is dropped unread.
 */
import type { Digest, Height } from '@cloister/encoding';
import { MAX_BATCH_BYTES } from '@cloister/ledger';
import {
  BATCH_PULL_DELAY_MS,
  BATCH_PULL_HEDGE_MS,
  BATCH_PULL_PARALLEL_MAX,
  BATCH_PULL_TIMEOUT_MS,
  FETCH_RETRY_MS,
  SYNC_FETCH_BATCHES_MAX,
} from '../limits.ts';
import type { ReplicaCore } from '../step/replica-core.ts';
import type { Answer, RequestDesk } from '../sync/request-desk.ts';
import type { SyncPeers } from '../sync/sync-peers.ts';
import type { BatchPool } from './batch-pool.ts';

export const PULL_TIMER = 'pull';

/** What a batch is wanted for. */
export interface Want {
  /** Height of the block that names it. */
  readonly height: Height;
  /** Who has shown to hold it, best first. */
  readonly sources: readonly string[];
}

export interface PullerParts {
  readonly core: ReplicaCore;
  readonly peers: SyncPeers;
  readonly desk: RequestDesk;
  readonly pool: BatchPool;
  /** What live blocks name and the pool does not hold. */
  readonly needed: () => ReadonlyMap<Digest, Want>;
  /** A batch that was not held before. */
  readonly onArrived: () => void;
}

interface Pull {
  /** Asked in this round. */
  readonly tried: Set<string>;
  inFlight: number;
  nextAtMs: number;
}

/** Bytes around a batch in an answer. */
const FRAMING_BYTES = 16;

export class BatchPuller {
  readonly #parts: PullerParts;
  readonly #pulls = new Map<Digest, Pull>();
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(parts: PullerParts) {
    this.#parts = parts;
  }

  /** Batches that are being pulled. */
  get size(): number {
    return this.#pulls.size;
  }

  /** Something may be wanted; gossip gets a moment to deliver it before anyone is asked. */
  need(): void {
    const { core, needed } = this.#parts;
    for (const id of needed().keys()) {
      if (this.#pulls.has(id)) continue;
      const nextAtMs = core.monotonicMs + BATCH_PULL_DELAY_MS;
      this.#pulls.set(id, { tried: new Set(), inFlight: 0, nextAtMs });
      this.#arm(nextAtMs);
    }
  }

  #arm(atMs: number): void {
    const { core } = this.#parts;
    if (atMs >= this.#timerAtMs) return;
    this.#timerAtMs = atMs;
    core.setTimer(PULL_TIMER, Math.max(1, Math.ceil(atMs - core.monotonicMs)));
  }

  /** The pull timer fired. */
  pull(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    this.#ask();
  }

  #ask(): void {
    const { core } = this.#parts;
    const needed = this.#parts.needed();
    const byPeer = new Map<string, Digest[]>();
    for (const [id, pull] of this.#pulls) {
      const want = needed.get(id);
      if (want === undefined) {
        this.#pulls.delete(id);
        continue;
      }
      if (pull.nextAtMs <= core.monotonicMs && pull.inFlight < BATCH_PULL_PARALLEL_MAX)
        this.#assign(id, pull, want, byPeer);
      this.#arm(pull.nextAtMs);
    }
    for (const [peer, ids] of byPeer) this.#request(peer, ids, needed);
  }

  /** Gives one batch to the next source that has room; when all were asked, a new round begins after a pause. */
  #assign(id: Digest, pull: Pull, { sources }: Want, byPeer: Map<string, Digest[]>): void {
    const { core, peers } = this.#parts;
    const order = [core.self, ...peers.order(sources)].filter((peer) => !pull.tried.has(peer));
    const peer = order.find((each) => (byPeer.get(each)?.length ?? 0) < SYNC_FETCH_BATCHES_MAX);
    if (peer === undefined) {
      if (order.length === 0) pull.tried.clear();
      pull.nextAtMs = core.monotonicMs + FETCH_RETRY_MS;
      return;
    }
    pull.tried.add(peer);
    pull.inFlight++;
    pull.nextAtMs = core.monotonicMs + BATCH_PULL_HEDGE_MS;
    byPeer.set(peer, [...(byPeer.get(peer) ?? []), id]);
  }

  #request(peer: string, ids: readonly Digest[], needed: ReadonlyMap<Digest, Want>): void {
    const options = {
      timeoutMs: BATCH_PULL_TIMEOUT_MS,
      maxBytes: FRAMING_BYTES + ids.length * (MAX_BATCH_BYTES + FRAMING_BYTES),
    };
    this.#parts.desk.ask(peer, { type: 'batches', ids }, options, (answer) => {
      for (const id of ids) this.#returned(id);
      const lacking = ids.filter((id) => needed.get(id)?.sources.includes(peer) === true);
      if (this.#take(ids, answer)) this.#parts.onArrived();
      else if (lacking.length > 0) this.#parts.peers.failed(peer);
      this.#ask();
    });
  }

  /** An attempt is over, so the next source is asked at once. */
  #returned(id: Digest): void {
    const pull = this.#pulls.get(id);
    if (pull === undefined) return;
    pull.inFlight--;
    if (pull.inFlight === 0) pull.nextAtMs = Math.min(pull.nextAtMs, this.#parts.core.monotonicMs);
  }

  /** Keeps what was asked for and is still wanted; whether anything was. */
  #take(ids: readonly Digest[], { peer, response }: Answer<'batches'>): boolean {
    const { core, peers, pool } = this.#parts;
    if (response === undefined) return false;
    if (response.batches.length !== ids.length) {
      peers.blame(peer, 'UNASKED', 'BATCHES_MISCOUNTED');
      return false;
    }
    const needed = this.#parts.needed();
    let arrived = false;
    for (const [index, id] of ids.entries()) {
      const bytes = response.batches[index];
      const want = needed.get(id);
      if (bytes === undefined || want === undefined) continue;
      const result = pool.pulled(bytes, { id, height: want.height }, core.monotonicMs);
      // Bytes with this id are what was asked for, so the source did its part. If they break a rule, author and
      // proposer are at fault.
      const unasked = !result.ok && (result.code === 'BATCH_UNASKED' || result.code === 'BATCH_MALFORMED');
      if (unasked) peers.blame(peer, 'UNASKED', result.code);
      else if (!result.ok) core.emit({ type: 'refused', from: peer, code: result.code });
      arrived ||= !unasked;
    }
    if (arrived) peers.served(peer);
    return arrived;
  }
}
