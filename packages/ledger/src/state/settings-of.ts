/** Access to what the genesis fixed. */
import { assert } from '@cloister/encoding';
import type { LedgerState, NetworkSettings } from './state.ts';

/** The settings of the network, from a state that has folded in its genesis events. Asking before that is a bug. */
export function settingsOf(state: LedgerState): NetworkSettings {
  assert(state.network !== undefined, 'the state has no genesis yet');
  return state.network;
}
