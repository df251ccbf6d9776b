/**
 * Codes of checks that are made on several documents, told apart by the document's name.
 */

export type Prefixed<P extends string, C extends string> = `${P}_${C}`;

/** The refusal with its code prefixed. */
export function prefixed<P extends string, C extends string>(
  prefix: P,
  refusal: { readonly code: C; readonly detail?: string },
): { readonly ok: false; readonly code: Prefixed<P, C>; readonly detail?: string } {
  return { ok: false, ...refusal, code: `${prefix}_${refusal.code}` };
}
