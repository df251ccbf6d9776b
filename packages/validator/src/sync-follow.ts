/**
 * Following the chain by ranges: all that a node outside the validator set does, and a validator that is far behind.
 *
 * Each range comes with a finalization of its last block. The state machine checks that certificate and the hash chain
 * from its own tip on, and execution checks every batch; so from genesis to the tip nothing is taken on a peer's word,
 * and a height that no certificate backs moves nobody. After a range that helped, the next is asked for at once, of the
 * same peer; after one that did not, the timer asks another.
 */
import type { Height } from '@cloister/crypto';
import type { CommitPipeline } from './commit-pipeline.ts';
import type { ConsensusDriver } from './consensus-driver.ts';
import type { ArrivedRange, Fetcher } from './fetcher.ts';
import { FOLLOW_INTERVAL_MS } from './limits.ts';
import type { PeerBook } from './peer-book.ts';
import type { ReplicaCore } from './replica-core.ts';

export const FOLLOW_TIMER = 'follow';

export interface FollowerParts {
  readonly core: ReplicaCore;
  readonly peers: PeerBook;
  readonly fetcher: Fetcher;
  readonly pipeline: CommitPipeline;
  readonly consensus: ConsensusDriver;
}

export class Follower {
  readonly #parts: FollowerParts;
  #behind: boolean;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#behind = !parts.core.isValidator;
  }

  /** True from the moment a peer shows more, until no peer asked has more. */
  get behind(): boolean {
    return this.#behind;
  }

  /** Asks for what comes next, and again after the interval; validators are told by their peers and do not ask. */
  poll(): void {
    const { core, peers, fetcher } = this.#parts;
    if (core.isValidator) return;
    if (peers.count > 0) fetcher.fetchRange(core.committedHeight() + 1, []);
    core.setTimer(FOLLOW_TIMER, FOLLOW_INTERVAL_MS);
  }

  /** The state machine found itself too far behind for single blocks. */
  catchUp(fromHeight: Height, from: readonly string[]): void {
    this.#behind = true;
    this.#parts.fetcher.fetchRange(fromHeight, from);
  }

  /** Undefined: the peer had nothing, or nothing that decodes. */
  onRange(range: ArrivedRange | undefined): void {
    const { core, fetcher, pipeline, consensus } = this.#parts;
    if (range === undefined) {
      this.#behind = false;
      return;
    }
    const before = core.committedHeight();
    consensus.chainArrived(range);
    pipeline.offer(range.batches);
    if (core.committedHeight() === before) return;
    this.#behind = true;
    fetcher.fetchRange(core.committedHeight() + 1, [range.from]);
  }
}
