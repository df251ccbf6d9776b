/**
 * Results and assertions: the two ways in which code of this project refuses.
 *
 * Hostile or merely wrong input is answered with a `Result` whose `code` is a literal, so that callers can switch on it
 * and clients can be told about it. An assertion marks a bug in our own code: it throws, and nobody catches it.
 */

/** Outcome of an operation on untrusted input. `code` is stable and machine readable, `detail` is for people. */
export type Result<T, C extends string = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: C; readonly detail?: string };

/** A successful result. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** A refusal. `detail` is left out (not set to undefined) when it is not given. */
export function fail<C extends string>(
  code: C,
  detail?: string,
): { readonly ok: false; readonly code: C; readonly detail?: string } {
  return detail === undefined ? { ok: false, code } : { ok: false, code, detail };
}

/** The result with its value in another form; a refusal as it is. */
export function mapResult<T, U, C extends string>(result: Result<T, C>, to: (value: T) => U): Result<U, C> {
  return result.ok ? ok(to(result.value)) : result;
}

/** A broken invariant of our own code; never the answer to hostile input. */
export class AssertionFailure extends Error {
  override readonly name: string = 'AssertionFailure';
}

/** A function of this package was called outside its contract: a key of the wrong length, hex that is not hex. */
export class CryptoAssertion extends AssertionFailure {
  override readonly name: string = 'CryptoAssertion';
}

/** Throws `AssertionFailure` unless `condition` holds. For bugs only. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** As `assert`, for the contracts of this package's own functions; throws `CryptoAssertion`. */
export function assertContract(condition: unknown, message: string): asserts condition {
  if (!condition) throw new CryptoAssertion(message);
}
