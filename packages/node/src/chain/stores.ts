/**
 * The databases of a node, opened in order and closed together.
 *
 * Damage to the chain or the sign guard stops the start with advice on recovery, and a lock names the process that
 * holds it. Index and peer records can be made again, so damaged ones are replaced.
 */
import { rm } from 'node:fs/promises';
import { type OrderedStore, StoreError } from '@cloister/event-log';
import { openLevelStore } from '@cloister/store-level';
import type { HomeLayout } from '../process/home.ts';

export interface NodeStores {
  readonly chain: OrderedStore;
  readonly guard: OrderedStore;
  readonly index: OrderedStore;
  readonly peers: OrderedStore;
}

const GUARD_ADVICE =
  'This is the sign guard: without it nobody knows what this validator has signed. Do not restore it from a copy. Move its ' +
  'folder away and start again: with an empty guard the validator only follows the chain until others have shown which of ' +
  'its votes they know and later views have begun; then it signs again by itself.';

async function openDerived(directory: string, shared = false): Promise<OrderedStore> {
  try {
    return await openLevelStore(directory, { shared });
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'STORE_CORRUPT') throw error;
    await rm(directory, { recursive: true, force: true });
    return openLevelStore(directory, { shared });
  }
}

/** Throws `StoreError`; what was opened before is closed again. */
export async function openStores(layout: HomeLayout): Promise<NodeStores> {
  const opened: OrderedStore[] = [];
  const keep = async (opening: Promise<OrderedStore>): Promise<OrderedStore> => {
    const store = await opening;
    opened.push(store);
    return store;
  };
  try {
    return {
      guard: await keep(openLevelStore(layout.signGuard, { recovery: GUARD_ADVICE })),
      chain: await keep(openLevelStore(layout.chain, { shared: true })),
      index: await keep(openDerived(layout.index, true)),
      peers: await keep(openDerived(layout.peers)),
    };
  } catch (error) {
    await Promise.allSettled(opened.map((store) => store.close()));
    throw error;
  }
}

/** Closes all of them, whatever happens to one. Rejects with the first failure. */
export async function closeStores({ peers, index, chain, guard }: NodeStores): Promise<void> {
  const closed = await Promise.allSettled([peers, index, chain, guard].map((store) => store.close()));
  for (const one of closed) if (one.status === 'rejected') throw one.reason;
}
