/**
 * Carrying out a `store` effect, in the write order that persist-before-send rests on: one implementation for every shell.
 */
import type { EventLog, OrderedStore } from '@cloister/event-log';
import type { ReplicaEffect } from './ports.ts';

/** Chain, then guard, then the log's head. Rejects with `StoreError`: the shell must stop the node then. */
export async function carryOutStore(
  effect: Extract<ReplicaEffect, { type: 'store' }>,
  stores: { readonly chain: OrderedStore; readonly guard: OrderedStore; readonly log: Pick<EventLog, 'adopt'> },
): Promise<void> {
  if (effect.chain.length > 0) await stores.chain.batch(effect.chain, { sync: true });
  for (const append of effect.append) stores.log.adopt(append);
  if (effect.guard.length > 0) await stores.guard.batch(effect.guard, { sync: effect.guardSync });
}
