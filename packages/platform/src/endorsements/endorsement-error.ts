/**
 * Why endorsements could not be had.
 */
import { CodedError } from '@cloister/encoding';

export type EndorsementErrorCode =
  /** The address is none of an allowed host, or not https. */
  | 'FETCH_ADDRESS_REFUSED'
  /** The service could not be reached, or the connection broke. */
  | 'FETCH_FAILED'
  | 'FETCH_TIMEOUT'
  /** The answer is longer than any that the service gives. */
  | 'FETCH_TOO_LARGE'
  /** The service asks for a longer wait than is allowed. */
  | 'FETCH_RATE_LIMITED'
  /** Answered, but not with what was asked for. */
  | 'ANSWER_STATUS'
  | 'ANSWER_MALFORMED'
  /** What was answered is not valid now. */
  | 'ANSWER_NOT_CURRENT'
  /** The evidence does not say whose endorsements it needs. */
  | 'EVIDENCE_UNREADABLE'
  /** A chip that hides its id has no certificate at AMD's key server. */
  | 'CHIP_ID_MASKED'
  /** AMD's key server has no certificates of providers' keys: the host must offer it. */
  | 'VLEK_NOT_OFFERED'
  /** Freshly fetched endorsements do not verify with the evidence under the trust anchors. */
  | 'ENDORSEMENTS_REFUSED'
  /** The cache folder cannot be written. */
  | 'STORE_IO';

export class EndorsementError extends CodedError<EndorsementErrorCode> {}
