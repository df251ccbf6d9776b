/** The one error class of the process: failed I/O and refusals to start, with a stable code. */
import { CodedError } from '@cloister/encoding';

export type NodeErrorCode =
  | 'HOME_MISSING'
  | 'HOME_NOT_EMPTY'
  | 'HOME_IO'
  | 'KEY_MISSING'
  | 'KEY_READABLE_BY_OTHERS'
  | 'KEY_MALFORMED'
  | 'GENESIS_MISSING'
  | 'GENESIS_INVALID'
  | 'GENESIS_MISMATCH'
  | 'JOIN_FAILED'
  | 'BLOB_TOO_LARGE'
  | 'BLOB_QUOTA_EXCEEDED'
  | 'BLOB_IO'
  | 'API_ADDRESS_IN_USE'
  | 'API_FAILED'
  | 'FOLDER_IN_USE'
  | 'HALTED'
  /** Asked of, or waited for, a process that is not running. */
  | 'STOPPED';

/** Thrown by everything in this package that fails for a reason outside of the program. */
export class NodeError extends CodedError<NodeErrorCode> {}

/** The stable code of an error of any of Cloister's classes, or of the operating system; 'INTERNAL' for anything else. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : 'INTERNAL';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
