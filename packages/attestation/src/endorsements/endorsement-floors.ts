import type { Digest } from '@cloister/encoding';

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
