/**
 * Blocks that were stored before a vote and are not final: what a restart hands to consensus, and what leaves the disk once
 * another block has won.
 */
import type { Block } from '@cloister/consensus';
import type { Digest, Height } from '@cloister/encoding';
import type { StoreOp } from '@cloister/event-log';
import type { BatchPool } from '../batches/batch-pool.ts';
import { batchKey, blockKey, openKey } from './chain-keys.ts';
import { blockOps } from './chain-store.ts';

export interface OpenBlock {
  readonly height: Height;
  readonly batches: readonly Digest[];
}

export class OpenBlocks {
  readonly #pool: BatchPool;
  readonly #open: Map<Digest, OpenBlock>;

  constructor(pool: BatchPool, open: ReadonlyMap<Digest, OpenBlock>) {
    this.#pool = pool;
    this.#open = new Map(open);
  }

  /** Ids that these blocks name. */
  batches(): Digest[] {
    return [...this.#open.values()].flatMap(({ batches }) => batches);
  }

  /** The write of a voted block with its batches. */
  persistOps(block: Block): StoreOp[] {
    if (this.#open.has(block.hash)) return [];
    this.#open.set(block.hash, { height: block.header.height, batches: block.body.batches });
    return blockOps(block, this.#batchesOf(block));
  }

  #batchesOf(block: Block): { readonly id: Digest; readonly bytes: Uint8Array }[] {
    const batches: { readonly id: Digest; readonly bytes: Uint8Array }[] = [];
    for (const id of block.body.batches) {
      const held = this.#pool.get(id);
      if (held !== undefined) batches.push({ id, bytes: held.verified.batch.bytes });
    }
    return batches;
  }

  /** Block and batches, unless a vote stored them; either way the block is final now. */
  finalOps(block: Block): StoreOp[] {
    if (this.#open.delete(block.hash)) return [{ type: 'del', key: openKey(block.hash) }];
    return blockOps(block, this.#batchesOf(block)).filter(({ key }) => key[0] !== openKey(block.hash)[0]);
  }

  /**
   * Deletes stored blocks that another block has replaced, with those of their batches that no other block names. They
   * would stay on disk for ever.
   */
  abandonOps(height: Height): StoreOp[] {
    const ops: StoreOp[] = [];
    const lost = new Set<Digest>();
    for (const [hash, open] of this.#open) {
      if (open.height > height) continue;
      this.#open.delete(hash);
      ops.push({ type: 'del', key: blockKey(hash) }, { type: 'del', key: openKey(hash) });
      for (const id of open.batches) lost.add(id);
    }
    for (const id of this.batches()) lost.delete(id);
    for (const id of lost) if (!this.#pool.isCommitted(id)) ops.push({ type: 'del', key: batchKey(id) });
    return ops;
  }
}
