/**
 * Leaders: smooth weighted round-robin over an epoch's set, offset by the epoch.
 *
 * The schedule depends on the set and the round only, never on certificate bytes: two nodes may hold certificates of
 * different signers. It repeats; its length is the sum of the weights in lowest terms, or about `MAX_SLOTS` slots
 * shared in proportion (at least one each) when the weights are finer than that. So any view's leader is one look-up.
 */
import { assert, type ValidatorId } from '@cloister/encoding';
import type { Round, ValidatorSet } from '../messages/types.ts';

const MAX_SLOTS = 1024n;

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

function slotsOf(set: ValidatorSet): number[] {
  const weights = set.validators.map((validator) => validator.weight);
  const divisor = weights.reduce(greatestCommonDivisor, 0n);
  const total = set.totalWeight / divisor;
  return weights.map((weight) => {
    if (total <= MAX_SLOTS) return Number(weight / divisor);
    const share = Number((weight * MAX_SLOTS) / set.totalWeight);
    return Math.max(1, share);
  });
}

/** One period of leaders. Each step every validator gains its slots, the richest leads and pays the total. */
export function leaderSchedule(set: ValidatorSet): readonly ValidatorId[] {
  const slots = slotsOf(set);
  const total = slots.reduce((sum, slot) => sum + slot, 0);
  const credit = slots.map(() => 0);
  const schedule: ValidatorId[] = [];
  for (let step = 0; step < total; step++) {
    let richest = 0;
    for (const [index, slot] of slots.entries()) {
      credit[index] = (credit[index] ?? 0) + slot;
      if ((credit[index] ?? 0) > (credit[richest] ?? 0)) richest = index;
    }
    credit[richest] = (credit[richest] ?? 0) - total;
    const leader = set.validators[richest];
    assert(leader !== undefined, 'leader: empty set');
    schedule.push(leader.id);
  }
  return schedule;
}

const schedules: WeakMap<ValidatorSet, readonly ValidatorId[]> = new WeakMap();

/** The leader of a round (view ≥ 1) under its epoch's set. */
export function leaderOf(set: ValidatorSet, round: Round): ValidatorId {
  let schedule = schedules.get(set);
  if (schedule === undefined) {
    schedule = leaderSchedule(set);
    schedules.set(set, schedule);
  }
  const offset = round.epoch % schedule.length;
  const leader = schedule[(((round.view - 1 + offset) % schedule.length) + schedule.length) % schedule.length];
  assert(leader !== undefined, 'leader: no such slot');
  return leader;
}
