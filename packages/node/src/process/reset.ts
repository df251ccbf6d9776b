/** Empties the chain of a home so that the node syncs again from its peers, and never touches the sign guard. */
import { rm } from 'node:fs/promises';
import { markForResync } from '@cloister/event-log';
import { openLevelStore } from '@cloister/store-level';
import type { HomeLayout } from './home.ts';

/** Removes chain and index; the new, empty chain database is marked so that it may stand behind the sign guard until it caught up. */
export async function resetForResync(layout: HomeLayout): Promise<void> {
  // Opening first refuses while a node runs in this home.
  const guard = await openLevelStore(layout.signGuard);
  await guard.close();
  for (const path of [layout.chain, layout.index]) await rm(path, { recursive: true, force: true });
  const store = await openLevelStore(layout.chain);
  try {
    await markForResync(store);
  } finally {
    await store.close();
  }
}
