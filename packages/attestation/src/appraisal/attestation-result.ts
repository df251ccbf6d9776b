/**
 * The attestation result: what relying parties act on, and all they act on.
 */
import type { Digest, JsonValue, Measurement } from '@cloister/encoding';
import type { Platform } from '../evidence/evidence.ts';
import type { RuntimeData } from '../evidence/runtime-data.ts';
import type { SnpTcb } from '../formats/sev-snp/tcb.ts';
import type { TcbStatus } from './requirements.ts';

/** A CRL that was used. Whoever keeps results refuses older ones of the same issuer later on (`CrlFloors`). */
export interface CrlSeen {
  /** SHA-256 of the issuer's SubjectPublicKeyInfo. */
  readonly issuer: Digest;
  /** CRL number as 40 hex characters, so that text order is number order. */
  readonly number: string;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
}

/** A statement of Intel that was used. Whoever keeps results refuses older ones of the same name later on. */
export interface StatementSeen {
  /** 'tcb-info/SGX/<FMSPC>', 'tcb-info/TDX/<FMSPC>', 'qe-identity/QE' or 'qe-identity/TD_QE'; FMSPC in lower-case hex. */
  readonly name: string;
  readonly issueDateMs: number;
  readonly nextUpdateMs: number;
  readonly tcbEvaluationDataNumber: number;
}

/** The newest statement seen of each name: older ones, by either number, are refused. */
export type StatementFloors = ReadonlyMap<string, Pick<StatementSeen, 'issueDateMs' | 'tcbEvaluationDataNumber'>>;

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
  /** sev-snp: product line; sgx and tdx: FMSPC in lower-case hex; nitro: 'nitro'. */
  readonly product: string;
  /** Hex of the platform's own id; one platform, one validator. */
  readonly hardwareId: string;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly runtime: RuntimeData;
  readonly keyset: Digest;
  /** Names evidence and runtime data (`evidenceDigest`). */
  readonly evidenceDigest: Digest;
  /**
   * SVNs by which the platform was judged. sev-snp: reported, committed, current and launch TCB; sgx and tdx: components,
   * pceSvn, qeIsvSvn, tcbEvaluationDataNumber, and for a TD teeTcbSvn and, from TD 1.5 on, teeTcbSvn2; nitro: nothing.
   */
  readonly tcb: { readonly [member: string]: JsonValue };
  readonly status: TcbStatus;
  readonly advisories: readonly string[];
  /** Min of every nextUpdate and notAfter: the last instant at which every endorsement is valid. */
  readonly validUntilMs: number;
  readonly crls: readonly CrlSeen[];
  readonly statements: readonly StatementSeen[];
  /** The same in EAT claim names (RFC 9711), for export. */
  readonly claims: { readonly [claim: string]: JsonValue };
}
