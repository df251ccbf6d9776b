/**
 * What the ledger keeps of an accepted attestation, once: its event, the state's entry and the fact that is proven to strangers
 * are made of these members, and so are their shapes. A new member is added here and is then in all of them; what the fact
 * must not show is listed in fact-documents.ts.
 */
import { MAX_BUNDLE_BYTES, type Platform } from '@cloister/attestation';
import type { AccountId, Digest, Height, JsonValue, Measurement } from '@cloister/encoding';
import {
  account,
  anyJson,
  array,
  base64,
  bool,
  count,
  digest,
  height,
  hex,
  type Members,
  measurement,
  text,
} from '@cloister/encoding/shape';
import { platform } from '../transactions/common-shapes.ts';

/** What a new appraisal of the same evidence may change. */
export interface AppraisedFields {
  readonly tcbStatus: string;
  readonly advisories: readonly string[];
  /** The SVNs by which the platform was judged. */
  readonly tcb: JsonValue;
  /** Last height at which it holds. */
  readonly validUntilHeight: Height;
  /** First block time at which an endorsement is no longer valid. */
  readonly validUntilMs: number;
  /** Last height at which it holds unless refreshed. */
  readonly aliveUntilHeight: Height;
}

export interface AttestedFields extends AppraisedFields {
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly platform: Platform;
  readonly product: string;
  readonly simulated: boolean;
  readonly hardwareId: string;
  readonly measurement: Measurement;
  readonly image: Digest;
  /** Ed25519, 32 bytes of hex. */
  readonly signKey: string;
  /** X25519, 32 bytes of hex. */
  readonly hpkeKey: string;
  readonly evidenceDigest: Digest;
  readonly nonceHeight: Height;
  readonly acceptedHeight: Height;
  readonly acceptedTimeMs: number;
  /** base64 of the whole evidence bundle, endorsements included; in the state, with newer endorsements once they came. */
  readonly bundle: string;
}

export const appraisedMembers: Members<AppraisedFields> = {
  tcbStatus: text(64, 1),
  advisories: array(text(64), { max: 256 }),
  tcb: anyJson,
  validUntilHeight: height,
  validUntilMs: count(),
  aliveUntilHeight: height,
};

export const attestedMembers: Members<AttestedFields> = {
  node: account,
  keyset: digest,
  platform,
  product: text(64, 1),
  simulated: bool,
  hardwareId: text(128, 2),
  measurement,
  image: digest,
  signKey: hex(32),
  hpkeKey: hex(32),
  ...appraisedMembers,
  evidenceDigest: digest,
  nonceHeight: height,
  acceptedHeight: height,
  acceptedTimeMs: count(),
  bundle: base64(MAX_BUNDLE_BYTES, 1),
};
