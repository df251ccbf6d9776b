/**
 * The allowed measurements: how the state holds them, what appraisal sees of them, and the digest that names them.
 */
import { appraisalPolicyToJson, type Platform, type ReferenceValue, trustAnchorsToJson } from '@cloister/attestation';
import { hash } from '@cloister/crypto';
import { canonicalJson, type Digest, type Height, type JsonValue, type Measurement, utf8 } from '@cloister/encoding';
import type { LedgerState, MeasurementEntry, NetworkSettings } from '../state/state.ts';

/** A pair of base measurement and image on a platform. */
export interface MeasurementPair {
  readonly platform: Platform;
  readonly measurement: Measurement;
  readonly image: Digest;
}

/** Key of the state's `measurements`; injective, as each part has a fixed alphabet without '/'. */
export function measurementKey(pair: MeasurementPair): string {
  return `${pair.platform}/${pair.measurement}/${pair.image}`;
}

/**
 * 'allowed' and 'grace' count. 'pending' is allowed, but only from a later height on; 'grace' ends with a height, and is
 * 'grace-ended' above it.
 */
export type MeasurementPhase = 'allowed' | 'grace' | 'pending' | 'grace-ended' | 'revoked';

/** What decides how a pair stands at a height. */
export type MeasurementRule = MeasurementPair &
  Pick<MeasurementEntry, 'status' | 'effectiveHeight' | 'graceUntilHeight'>;

export function measurementPhase(entry: MeasurementRule, height: Height): MeasurementPhase {
  const { status, effectiveHeight, graceUntilHeight } = entry;
  const inGrace = graceUntilHeight !== null && height <= graceUntilHeight;
  switch (status) {
    case 'revoked':
      return 'revoked';
    case 'allowed':
      if (height >= effectiveHeight) return 'allowed';
      return inGrace ? 'grace' : 'pending';
    case 'grace-until':
      if (!inGrace) return 'grace-ended';
      return height >= effectiveHeight ? 'grace' : 'pending';
  }
}

/** What evidence is appraised against at a height: pairs that count by then, and those that no longer do. */
export function referenceValuesAt(state: LedgerState, height: Height): readonly ReferenceValue[] {
  return referenceValuesOf(state.measurements.values(), height);
}

/** The same, of measurements that came out of a fact. */
export function referenceValuesOf(measurements: Iterable<MeasurementRule>, height: Height): readonly ReferenceValue[] {
  const values: ReferenceValue[] = [];
  for (const entry of measurements) {
    const { platform, measurement, image } = entry;
    const phase = measurementPhase(entry, height);
    if (phase === 'pending') continue;
    const status = phase === 'allowed' || phase === 'grace' ? 'allowed' : 'revoked';
    values.push({ platform, measurement, image, status });
  }
  return values;
}

/** In the order of their keys. */
export function sortedMeasurements(measurements: ReadonlyMap<string, MeasurementEntry>): readonly MeasurementEntry[] {
  return [...measurements].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

/** Names everything that appraisal depends on beside the evidence: policy, trust anchors, and every measurement. */
export function ledgerPolicyDigest(
  network: NetworkSettings,
  measurements: ReadonlyMap<string, MeasurementEntry>,
): Digest {
  const document: JsonValue = {
    appraisalPolicy: appraisalPolicyToJson(network.appraisalPolicy),
    trustAnchors: trustAnchorsToJson(network.trustAnchors),
    measurements: sortedMeasurements(measurements).map((entry) => ({
      platform: entry.platform,
      measurement: entry.measurement,
      image: entry.image,
      status: entry.status,
      effectiveHeight: entry.effectiveHeight,
      graceUntilHeight: entry.graceUntilHeight,
    })),
  };
  return hash('cloister/ledger-policy/v1', utf8(canonicalJson(document)));
}
