/**
 * The error of a failed effect: of a disk, a network, another process, an operator's file.
 *
 * Its code is part of the interface: callers switch on it, clients and logs are told it. A subclass exists only where a
 * handler must tell its errors from all others, or where an error carries more than these members. Refused input is a
 * `Result`, never an error; a bug of ours is an `AssertionFailure`.
 */

/** An error with a stable code, literal in its type. The name of a subclass is that of its class. */
export class CodedError<C extends string> extends Error {
  readonly code: C;

  constructor(code: C, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
