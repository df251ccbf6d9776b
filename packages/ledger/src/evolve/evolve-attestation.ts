/**
 * What events change about attestations: accepted, refreshed, re-appraised, evicted.
 */
import { assert } from '@cloister/encoding';
import { pick } from '@cloister/encoding/shape';
import { appraisedMembers, attestedMembers } from '../attestation/attested-fields.ts';
import { raiseFloors } from '../attestation/floors.ts';
import type {
  AttestationAccepted,
  AttestationEvicted,
  AttestationReappraised,
  AttestationRefreshed,
} from '../events/attestation-events.ts';
import type { Attestation, LedgerState } from '../state/state.ts';

export function acceptAttestation(state: LedgerState, event: AttestationAccepted): void {
  const { node, keyset, signKey, hpkeKey, hardwareId } = event;
  const previous = state.keysets.get(event.retiredKeyset ?? keyset);
  if (event.retiredKeyset !== null && previous?.status === 'current') {
    state.keysets.set(event.retiredKeyset, { ...previous, status: 'retired' });
  }
  state.keysets.set(keyset, { node, signKey, hpkeKey, status: 'current' });
  state.keyOwners.set(signKey, node).set(hpkeKey, node);
  state.hardware.set(hardwareId, node);
  raiseFloors(state, event);
  state.attestations.set(node, attestationOf(event, state.eventCount));
}

/** What the state keeps of an attestation when it is accepted. */
export function attestationOf(event: AttestationAccepted, sequence: number): Attestation {
  return {
    ...pick(attestedMembers, event),
    sequence,
    refreshedHeight: event.nonceHeight,
    evicted: null,
    newestSequence: sequence,
  };
}

/** Changes the attestation that an event is about, which is the node's current one. */
function change(
  state: LedgerState,
  event: AttestationRefreshed | AttestationReappraised | AttestationEvicted,
  changes: (current: Attestation) => Partial<Attestation>,
): void {
  const current = state.attestations.get(event.node);
  assert(current?.sequence === event.attestationSequence, `${event.type} of another attestation`);
  state.attestations.set(event.node, { ...current, ...changes(current), newestSequence: state.eventCount });
}

export function refreshAttestation(state: LedgerState, event: AttestationRefreshed): void {
  const { refreshedHeight, aliveUntilHeight } = event;
  change(state, event, () => ({ refreshedHeight, aliveUntilHeight }));
}

export function reappraiseAttestation(state: LedgerState, event: AttestationReappraised): void {
  change(state, event, ({ bundle }) => ({ ...pick(appraisedMembers, event), bundle: event.bundle ?? bundle }));
}

export function evictAttestation(state: LedgerState, event: AttestationEvicted): void {
  const { cause, code, height } = event;
  change(state, event, () => ({ evicted: { cause, code, height } }));
}
