/**
 * Why a machine gives no evidence.
 */
import { CodedError } from '@cloister/encoding';

export type AttesterErrorCode =
  /** The machine has no such interface, or this process may not use it. */
  | 'TSM_UNAVAILABLE'
  /** The interface is of a platform that this project does not verify. */
  | 'TSM_PROVIDER_UNKNOWN'
  /** The interface failed. */
  | 'TSM_IO'
  /** Others wrote to every entry that was tried. */
  | 'TSM_INTERFERENCE'
  | 'TSM_BLOB_TOO_LARGE'
  | 'TSM_PRIVILEGE_LEVEL_UNSUPPORTED'
  /** The host's certificates are not in the form that the interface gives them in. */
  | 'CERTIFICATE_TABLE_REFUSED'
  /** The bytes are no report or quote of the platform. */
  | 'EVIDENCE_MALFORMED'
  /** Well formed, but over other report data than was asked for. */
  | 'REPORT_DATA_MISMATCH'
  | 'SOCKET_UNAVAILABLE'
  | 'SOCKET_TIMEOUT'
  | 'ANSWER_STATUS'
  | 'ANSWER_TOO_LARGE'
  | 'ANSWER_MALFORMED';

export class AttesterError extends CodedError<AttesterErrorCode> {}
