/**
 * Following the chain by ranges: all that a node outside the validator set does, and a validator that is far behind.
 *
 * Each range comes with a finalization of its last block. The state machine checks that certificate and the hash chain
 * from its own tip on, and execution checks every batch; so no peer is believed anywhere between genesis and tip, and a
 * height without a certificate has no effect. After a long range the next is asked for at once, of the same peer; after
 * a short one, or none, of another.
 */
import { weightOf } from '@cloister/consensus';
import { asHeight, parseValidatorId } from '@cloister/encoding';
import { FOLLOW_GAP_BLOCKS, FOLLOW_INTERVAL_MS } from '../limits.ts';
import type { ConsensusDriver } from '../step/consensus-driver.ts';
import type { ReplicaCore } from '../step/replica-core.ts';
import type { CommitPipeline } from '../store/commit-pipeline.ts';
import type { Fetcher, RangeOutcome } from './fetcher.ts';
import type { SyncPeers } from './sync-peers.ts';

export const FOLLOW_TIMER = 'follow';

export interface FollowerParts {
  readonly core: ReplicaCore;
  readonly peers: SyncPeers;
  readonly fetcher: Fetcher;
  readonly pipeline: CommitPipeline;
  readonly consensus: ConsensusDriver;
}

export class Follower {
  readonly #parts: FollowerParts;
  #behind: boolean;
  #turn = 0;
  /** How often it asked in a row without progress. */
  #failures = 0;
  /** Who showed the end of a stretch that is fetched by hash. */
  #stretchFrom: string | undefined;
  /** Who said, since the last progress, that there is nothing above. */
  readonly #nothingAbove = new Set<string>();

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#behind = !parts.core.isValidator;
  }

  /** True from the moment a peer shows much more, until enough peers said that there is no more; see `#saysNone`. */
  get behind(): boolean {
    return this.#behind;
  }

  /** Asks for what comes next, and again after the interval; validators are told by their peers and do not ask. */
  poll(): void {
    const { core, peers } = this.#parts;
    if (core.isValidator) return;
    this.#failures = 0;
    if (peers.count > 0) this.#ask(peers.pick(this.#turn++, []));
    core.setTimer(FOLLOW_TIMER, FOLLOW_INTERVAL_MS);
  }

  /**
   * The state machine found itself too far behind for single blocks; `from` have what is above. It says so again on each
   * retry, and another of them is asked then: a silent one costs a retry interval and not its timeout.
   */
  catchUp(from: readonly string[]): void {
    this.#behind = true;
    this.#failures = 0;
    this.#nothingAbove.clear();
    this.#ask(this.#parts.peers.pick(this.#turn++, from));
  }

  /** Consensus committed: a stretch that ranges could not bring is over, and they go on above it. */
  committed(): void {
    const from = this.#stretchFrom;
    if (from === undefined) return;
    this.#stretchFrom = undefined;
    this.#failures = 0;
    this.#ask(from);
  }

  #ask(peer: string): void {
    const { core, fetcher } = this.#parts;
    fetcher.fetchRange(asHeight(core.committedHeight() + 1), peer);
  }

  onRange(range: RangeOutcome): void {
    const { core, peers, pipeline, consensus } = this.#parts;
    if ('outcome' in range) {
      if (range.outcome === 'none') this.#nothingAbove.add(range.from);
      this.#settleOrAskOthers();
      return;
    }
    const before = core.committedHeight();
    consensus.chainArrived(range);
    pipeline.offer(range.batches);
    // An answer can be a certificate without blocks. The machine then fetches the blocks below it by hash.
    if (range.blocks.length === 0) {
      this.#stretchFrom = range.from;
      return;
    }
    const top = range.blocks.at(-1)?.header.height ?? asHeight(0);
    if (core.committedHeight() === before) {
      // Consensus may have committed these blocks meanwhile.
      if (top > before) peers.blame(range.from, 'LIED', 'RANGE_UNUSABLE');
      this.#settleOrAskOthers();
      return;
    }
    this.#nothingAbove.clear();
    this.#failures = 0;
    const full = range.blocks.length > FOLLOW_GAP_BLOCKS;
    if (full) this.#behind = true;
    // A server that gives single blocks where there are many is asked last. Near the tip there are few, so any server
    // will do.
    if (full) peers.served(range.from);
    this.#ask(full ? range.from : peers.pick(this.#turn++, []));
  }

  /**
   * One peer's word that there is nothing above proves nothing. It is believed when validators of more than a third of the
   * weight give it, or every peer that is connected and answers; until then the next one is asked, each once in a row.
   */
  #settleOrAskOthers(): void {
    const { peers } = this.#parts;
    if (!this.#behind) return;
    const others = peers.order([]).filter((peer) => !this.#nothingAbove.has(peer) && !peers.isResting(peer));
    if (this.#nothingAbove.size > 0 && (others.length === 0 || this.#thirdSaysNone())) {
      this.#behind = false;
      return;
    }
    const [next] = others;
    if (next !== undefined && ++this.#failures <= peers.count) this.#ask(next);
  }

  #thirdSaysNone(): boolean {
    const { set } = this.#parts.core;
    let weight = 0n;
    for (const peer of this.#nothingAbove) {
      const id = parseValidatorId(peer);
      if (id !== undefined) weight += weightOf(set, id);
    }
    return 3n * weight > set.totalWeight;
  }
}
