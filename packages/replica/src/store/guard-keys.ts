/**
 * Which keys the sign guard's database holds, so that those below the floor can be deleted without reading it.
 */
import { guardFloorKey, type Round } from '@cloister/consensus';
import { compareBytes } from '@cloister/encoding';
import type { StoreOp } from '@cloister/event-log';
import { guardKeyOf } from './chain-keys.ts';

export class GuardKeys {
  #keys: Uint8Array[];

  constructor(keys: readonly Uint8Array[]) {
    this.#keys = [...keys];
  }

  /** Notes a key that is about to be written, and gives the deletions that its record's floor allows. */
  put(key: Uint8Array, floor: Round): StoreOp[] {
    const first = guardKeyOf(guardFloorKey(floor));
    const below = this.#keys.filter((old) => compareBytes(old, first) < 0);
    if (below.length > 0) this.#keys = this.#keys.filter((old) => compareBytes(old, first) >= 0);
    this.#keys.push(key);
    return below.map((old) => ({ type: 'del', key: old }));
  }
}
