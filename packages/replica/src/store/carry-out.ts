/**
 * Carries out a `store` effect in the order of writes on which persist-before-send rests. Every shell uses this one
 * implementation.
 */
import type { EventLog, OrderedStore } from '@cloister/event-log';
import type { ReplicaEffect } from '../step/replica-ports.ts';
import { guardWitnessOp } from './guard-memory.ts';

/**
 * Writes the chain, then the log's head, then the guard, then the witness of the guard in the chain. The witness is not
 * synced, since it only has to survive damage to the guard's files. Rejects with `StoreError`: the shell must stop the
 * node then.
 */
export async function carryOutStore(
  effect: Extract<ReplicaEffect, { type: 'store' }>,
  stores: { readonly chain: OrderedStore; readonly guard: OrderedStore; readonly log: Pick<EventLog, 'adopt'> },
): Promise<void> {
  if (effect.chain.length > 0) await stores.chain.batch(effect.chain, { sync: true });
  for (const append of effect.append) stores.log.adopt(append);
  if (effect.guard.length === 0) return;
  await stores.guard.batch(effect.guard, { sync: effect.guardSync });
  const witness = effect.guardSync ? guardWitnessOp(effect.guard) : undefined;
  if (witness !== undefined) await stores.chain.batch([witness], { sync: false });
}
