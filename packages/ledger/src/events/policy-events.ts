/**
 * The events about what appraisal goes by: measurements, and the appraisal policy.
 */
import type { Platform } from '@cloister/attestation';
import type { Digest, Height, JsonValue, Measurement } from '@cloister/encoding';
import type { Cause, OptionalCause } from './event-cause.ts';

interface NamedPair {
  readonly platform: Platform;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly name: string;
  readonly height: Height;
}

export interface MeasurementAllowed extends OptionalCause, NamedPair {
  readonly type: 'MeasurementAllowed';
  /** First height at which it counts. */
  readonly effectiveHeight: Height;
}

/** Counts up to and including a height, and above it as revoked. */
export interface MeasurementGraced extends Cause, NamedPair {
  readonly type: 'MeasurementGraced';
  readonly graceUntilHeight: Height;
}

/** Counts from this very event on. */
export interface MeasurementRevoked extends Cause, NamedPair {
  readonly type: 'MeasurementRevoked';
}

/** Governance decided on an appraisal policy; an earlier one that still waited is dropped. */
export interface AppraisalPolicyScheduled extends Cause {
  readonly type: 'AppraisalPolicyScheduled';
  /** `appraisalPolicyToJson` of @cloister/attestation. */
  readonly appraisalPolicy: JsonValue;
  /** Members by which it lets in what the policy in force keeps out; a policy without any takes effect at once. */
  readonly loosenings: readonly string[];
  readonly effectiveHeight: Height;
  readonly height: Height;
}

/** The policy in force from here on. The attestations that it refuses are evicted by the events that follow. */
export interface AppraisalPolicyTookEffect {
  readonly type: 'AppraisalPolicyTookEffect';
  readonly appraisalPolicy: JsonValue;
  /** `ledgerPolicyDigest` under it. */
  readonly policyDigest: Digest;
  readonly height: Height;
}
