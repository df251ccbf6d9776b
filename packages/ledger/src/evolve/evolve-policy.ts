/** Measurements and the appraisal policy: what is allowed at a height, and from when. */
import { appraisalPolicyFromJson } from '@cloister/attestation';
import { assert } from '@cloister/encoding';
import { ledgerPolicyDigest, measurementKey } from '../attestation/measurement-set.ts';
import { proposalId } from '../decide/decision.ts';
import type {
  AppraisalPolicyScheduled,
  AppraisalPolicyTookEffect,
  MeasurementAllowed,
  MeasurementGraced,
  MeasurementRevoked,
} from '../events/policy-events.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { LedgerState, MeasurementEntry } from '../state/state.ts';

/** Drops the blocks whose hashes are no nonces any more; the window changes with the policy. */
export function forgetOldBlocks(state: LedgerState): void {
  const oldest = state.height - settingsOf(state).appraisalPolicy.nonceWindowBlocks;
  for (const height of state.recentBlocks.keys()) {
    if (height >= oldest) break;
    state.recentBlocks.delete(height);
  }
}

type MeasurementChanged = MeasurementAllowed | MeasurementGraced | MeasurementRevoked;

export function setMeasurement(state: LedgerState, event: MeasurementChanged): void {
  const { platform, measurement, image, name, height } = event;
  const pair = { platform, measurement, image };
  const key = measurementKey(pair);
  const change = measurementChange(event, state.measurements.get(key));
  state.measurements.set(key, { ...pair, name, ...change, height });
  state.policyDigest = ledgerPolicyDigest(settingsOf(state), state.measurements);
  const { status } = change;
  const graceUntilHeight = event.type === 'MeasurementGraced' ? event.graceUntilHeight : null;
  state.proposals.delete(proposalId('set-measurement', { ...pair, status, graceUntilHeight, name }));
}

function measurementChange(
  event: MeasurementChanged,
  previous: MeasurementEntry | undefined,
): Pick<MeasurementEntry, 'status' | 'effectiveHeight' | 'graceUntilHeight'> {
  switch (event.type) {
    case 'MeasurementAllowed': {
      // A grace runs on while the pair waits to be allowed again.
      const graceUntilHeight = previous?.status === 'grace-until' ? previous.graceUntilHeight : null;
      return { status: 'allowed', effectiveHeight: event.effectiveHeight, graceUntilHeight };
    }
    case 'MeasurementGraced': {
      const effectiveHeight = previous?.effectiveHeight ?? event.height;
      return { status: 'grace-until', effectiveHeight, graceUntilHeight: event.graceUntilHeight };
    }
    case 'MeasurementRevoked':
      return { status: 'revoked', effectiveHeight: event.height, graceUntilHeight: null };
  }
}

export function schedulePolicy(state: LedgerState, event: AppraisalPolicyScheduled): void {
  const appraisalPolicy = appraisalPolicyFromJson(event.appraisalPolicy);
  assert(appraisalPolicy.ok, 'AppraisalPolicyScheduled: the policy was checked');
  const { loosenings, effectiveHeight, height } = event;
  state.scheduledPolicy = { appraisalPolicy: appraisalPolicy.value, loosenings, effectiveHeight, height };
  state.policyDecidedHeight = height;
  state.proposals.delete(proposalId('set-policy', { policy: event.appraisalPolicy }));
}

export function takePolicy(state: LedgerState, event: AppraisalPolicyTookEffect): void {
  const appraisalPolicy = appraisalPolicyFromJson(event.appraisalPolicy);
  assert(appraisalPolicy.ok, 'AppraisalPolicyTookEffect: the policy was checked');
  state.network = { ...settingsOf(state), appraisalPolicy: appraisalPolicy.value };
  state.scheduledPolicy = null;
  state.policyDigest = event.policyDigest;
  forgetOldBlocks(state);
}
