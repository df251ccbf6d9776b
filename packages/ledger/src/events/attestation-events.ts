/**
 * The events about attestations: accepted, kept alive, re-appraised, and evicted; and the endorsements that lead to it.
 */

import type { CrlSeen, StatementSeen } from '@cloister/attestation';
import type { AccountId, Digest, Height } from '@cloister/encoding';
import type { AppraisedFields, AttestedFields } from '../attestation/attested-fields.ts';
import type { EndorsedPlatform } from '../transactions/common-shapes.ts';
import type { Cause } from './event-cause.ts';

/** Evidence was appraised at this block's time and accepted; it is now the node's only attestation. */
export interface AttestationAccepted extends Cause, AttestedFields {
  readonly type: 'AttestationAccepted';
  /** The keyset that this one retires, or null. */
  readonly retiredKeyset: Digest | null;
  /** The CRLs that were used; older ones of the same issuers are refused from here on. */
  readonly crls: readonly CrlSeen[];
  /** The statements of Intel that were used; older ones of the same names are refused from here on. */
  readonly statements: readonly StatementSeen[];
  readonly policyDigest: Digest;
}

export interface AttestationRefreshed extends Cause {
  readonly type: 'AttestationRefreshed';
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly evidenceDigest: Digest;
  readonly attestationSequence: number;
  /** The block that the enclave named. */
  readonly refreshedHeight: Height;
  readonly blockHash: Digest;
  readonly aliveUntilHeight: Height;
  readonly height: Height;
}

/**
 * A held attestation passed a new appraisal that changed something about it. Its ages never grow by this; only newer
 * endorsements move `validUntilMs` on.
 */
export interface AttestationReappraised extends AppraisedFields {
  readonly type: 'AttestationReappraised';
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly attestationSequence: number;
  readonly cause: EvictionCause;
  /** base64 of the evidence bundle with newer endorsements; null when it stayed as it was. */
  readonly bundle: string | null;
  readonly height: Height;
}

/** A held attestation was appraised anew and refused: from this very event on its node may not execute. */
export interface AttestationEvicted {
  readonly type: 'AttestationEvicted';
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly attestationSequence: number;
  readonly cause: EvictionCause;
  /** An AppraisalCode of @cloister/attestation, or BUNDLE_TOO_LARGE when newer endorsements do not fit the bundle. */
  readonly code: string;
  readonly height: Height;
}

/** Newer endorsements were authenticated without any evidence. What they touch is re-appraised by the events that follow. */
export interface EndorsementsAccepted extends Cause {
  readonly type: 'EndorsementsAccepted';
  readonly platform: EndorsedPlatform;
  readonly crls: readonly CrlSeen[];
  readonly statements: readonly StatementSeen[];
  /** base64, as submitted. */
  readonly endorsements: string;
  readonly height: Height;
}

/** What ended an attestation before its time: a policy that took effect, or newer endorsements. */
export type EvictionCause = 'policy' | 'endorsements';
