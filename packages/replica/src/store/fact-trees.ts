/**
 * The tree of facts of the newest executed states: its root goes into headers, and proofs are given from it.
 *
 * A header vouches for a state a little behind the newest one, so the trees of some heights are kept. They share all that did not
 * change between them, and come back after a restart with the first blocks.
 */

import type { KeyedTree } from '@cloister/crypto';
import { asHeight, type Digest, type Height } from '@cloister/encoding';
import { factsAfter, factsRoot, type LedgerEvent, type LedgerState } from '@cloister/ledger';
import { FACTS_KEPT } from '../limits.ts';

export class FactTrees {
  #newest: KeyedTree;
  readonly #byHeight = new Map<Height, KeyedTree>();

  /** `facts` are those of the state after `height`. */
  constructor(height: Height, facts: KeyedTree) {
    this.#newest = facts;
    this.#byHeight.set(height, facts);
  }

  /** Takes what the events of the next block changed, which `state` has folded in; the new root. */
  executed(height: Height, state: LedgerState, events: readonly LedgerEvent[]): Digest {
    this.#newest = factsAfter(this.#newest, state, events);
    this.#byHeight.set(height, this.#newest);
    this.#byHeight.delete(asHeight(Math.max(0, height - FACTS_KEPT)));
    return factsRoot(this.#newest);
  }

  /** Undefined for a height that is not kept. */
  at(height: Height): KeyedTree {
    return this.#byHeight.get(height);
  }

  /** Heights that are kept. */
  get size(): number {
    return this.#byHeight.size;
  }
}
