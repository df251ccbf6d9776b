/**
 * The attestation result: what relying parties act on, and all they act on.
 */
import type { Digest, JsonValue, Measurement } from '@cloister/crypto';
import type { TcbStatus } from './appraisal-policy.ts';
import type { Platform } from './evidence.ts';
import type { SnpProduct } from './formats/sev-snp/product.ts';
import type { SnpTcb } from './formats/sev-snp/tcb.ts';
import type { RuntimeData } from './runtime-data.ts';

/** A CRL that was used. Whoever keeps results refuses older ones of the same issuer later on (`CrlFloors`). */
export interface CrlSeen {
  /** SHA-256 of the issuer's SubjectPublicKeyInfo. */
  readonly issuer: Digest;
  /** CRL number as 40 hex characters, so that text order is number order. */
  readonly number: string;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
}

/** The newest CRL seen of each issuer: older ones are refused. */
export type CrlFloors = ReadonlyMap<Digest, Pick<CrlSeen, 'number' | 'thisUpdateMs'>>;

/** The TCB versions of a report. */
export interface SnpTcbVersions {
  readonly reported: SnpTcb;
  readonly committed: SnpTcb;
  readonly current: SnpTcb;
  readonly launch: SnpTcb;
}

/** Evidence that passed every check of the policy. Times are milliseconds of the Unix epoch. */
export interface AttestationResult {
  readonly platform: Platform;
  /** True: made under simulated anchors; no guarantee. */
  readonly simulated: boolean;
  readonly product: SnpProduct;
  /** Hex of the platform's own id; one platform, one validator. */
  readonly hardwareId: string;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly runtime: RuntimeData;
  readonly keyset: Digest;
  /** Names evidence and runtime data (`evidenceDigest`). */
  readonly evidenceDigest: Digest;
  readonly tcb: SnpTcbVersions;
  readonly status: TcbStatus;
  /** Advisory ids of the vendor; AMD publishes none with its endorsements. */
  readonly advisories: readonly string[];
  /** Min of every nextUpdate and notAfter: the last instant at which every endorsement is valid. */
  readonly validUntilMs: number;
  readonly crls: readonly CrlSeen[];
  /** The same in EAT claim names (RFC 9711), for export. */
  readonly claims: { readonly [claim: string]: JsonValue };
}
