/**
 * The allowed measurements: how the state holds them, what appraisal sees of them, and the digest that names them.
 */
import { appraisalPolicyToJson, type Platform, type ReferenceValue, trustAnchorsToJson } from '@cloister/attestation';
import {
  canonicalJson,
  type Digest,
  type Height,
  hash,
  type JsonValue,
  type Measurement,
  utf8,
} from '@cloister/crypto';
import type { LedgerState, MeasurementEntry, Network } from './state.ts';

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

/** 'pending' is allowed, but only from a later height on. */
export type MeasurementStanding = 'allowed' | 'pending' | 'revoked' | 'unknown';

export function measurementStanding(state: LedgerState, pair: MeasurementPair, height: Height): MeasurementStanding {
  const entry = state.measurements.get(measurementKey(pair));
  if (entry === undefined) return 'unknown';
  if (entry.status === 'revoked') return 'revoked';
  return height < entry.effectiveHeight ? 'pending' : 'allowed';
}

/** What evidence is appraised against at a height: pairs that count by then, and revoked ones. */
export function referenceValuesAt(state: LedgerState, height: Height): readonly ReferenceValue[] {
  const values: ReferenceValue[] = [];
  for (const { platform, measurement, image, status, effectiveHeight } of state.measurements.values()) {
    if (status === 'revoked' || effectiveHeight <= height) values.push({ platform, measurement, image, status });
  }
  return values;
}

function sortedEntries(measurements: ReadonlyMap<string, MeasurementEntry>): readonly MeasurementEntry[] {
  return [...measurements].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

/** Names everything that appraisal depends on beside the evidence: policy, trust anchors, and every measurement. */
export function ledgerPolicyDigest(network: Network, measurements: ReadonlyMap<string, MeasurementEntry>): Digest {
  const document: JsonValue = {
    appraisalPolicy: appraisalPolicyToJson(network.appraisalPolicy),
    trustAnchors: trustAnchorsToJson(network.trustAnchors),
    measurements: sortedEntries(measurements).map(({ platform, measurement, image, status, effectiveHeight }) => ({
      platform,
      measurement,
      image,
      status,
      effectiveHeight,
    })),
  };
  return hash('cloister/ledger-policy/v1', utf8(canonicalJson(document)));
}
