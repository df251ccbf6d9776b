/**
 * Remembers the newest commits, one of which a new block vouches for (`lastFinal`). It may not be above the block's
 * parent or what this node has executed, nor below what the parent vouches for.
 */
import type { Finalization, Header } from '@cloister/consensus';
import { asHeight, type Digest, type Height } from '@cloister/encoding';

const TIPS_KEPT = 16;

/** The last block of a commit, with the certificate that committed it. */
export interface CommittedTip {
  readonly hash: Digest;
  readonly header: Header;
  readonly finalization: Finalization;
}

export class TipTracker {
  #height: Height = asHeight(0);
  /** Oldest first. */
  readonly #tips: CommittedTip[] = [];

  constructor(tip: CommittedTip | undefined) {
    if (tip !== undefined) this.move(tip);
  }

  /** 0 before the first commit. */
  get height(): Height {
    return this.#height;
  }

  /** The newest commit that ended at `height` or below, of those remembered. */
  newestUpTo(height: number): CommittedTip | undefined {
    return this.#tips.findLast((tip) => tip.header.height <= height);
  }

  move(tip: CommittedTip): void {
    this.#height = tip.header.height;
    this.#tips.push(tip);
    if (this.#tips.length > TIPS_KEPT) this.#tips.shift();
  }
}
