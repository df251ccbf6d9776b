/**
 * Carrying out a `store` effect, in the write order that persist-before-send rests on: one implementation for every shell.
 */
import type { EventLog, OrderedStore } from '@cloister/event-log';
import type { ReplicaEffect } from '../step/replica-ports.ts';
import { guardWitnessOp } from './guard-memory.ts';

/**
 * Chain, then the log's head, then guard, then (unsynced, since it only has to survive damage to the guard's file) what the
 * chain remembers of the guard. Rejects with `StoreError`: the shell must stop the node then.
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
