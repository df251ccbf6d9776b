/**
 * The newest commit, and the certificates of some before it: a block under construction may name one that has been
 * overtaken meanwhile.
 */
import type { Finalization, Header } from '@cloister/consensus';
import { asHeight, type Digest, type Height } from '@cloister/crypto';

const FINALIZATIONS_KEPT = 16;

/** The last block of a commit, with the certificate that committed it. */
export interface CommittedTip {
  readonly hash: Digest;
  readonly header: Header;
  readonly finalization: Finalization;
}

export class TipTracker {
  #height: Height = asHeight(0);
  readonly #finalizations = new Map<Digest, Finalization>();

  constructor(tip: CommittedTip | undefined) {
    if (tip !== undefined) this.move(tip);
  }

  /** 0 before the first commit. */
  get height(): Height {
    return this.#height;
  }

  finalizationOf(hash: Digest): Finalization | undefined {
    return this.#finalizations.get(hash);
  }

  move(tip: CommittedTip): void {
    this.#height = tip.header.height;
    this.#finalizations.set(tip.hash, tip.finalization);
    for (const hash of this.#finalizations.keys()) {
      if (this.#finalizations.size <= FINALIZATIONS_KEPT) break;
      this.#finalizations.delete(hash);
    }
  }
}
