/** Access to what the genesis fixed. */
import { assert } from '@cloister/encoding';
import type { LedgerState, Network } from './state.ts';

/** The network of a state that has folded in its genesis events; asking before that is a bug. */
export function networkOf(state: LedgerState): Network {
  assert(state.network !== undefined, 'the state has no genesis yet');
  return state.network;
}
