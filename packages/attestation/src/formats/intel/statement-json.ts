/**
 * Intel's JSON statements, and the members that several of them have. Members that this code does not name are passed
 * over: Intel adds some with each version.
 */
import { parseJson } from '@cloister/encoding';
import { array, parsedBy, parseShape, type Shape, text, withDefault } from '@cloister/encoding/shape';
import { parseInstant } from '../../x509/instants.ts';

/** A text of Intel's. */
export const statementText: Shape<string> = text(256);
/** Milliseconds of the Unix epoch. */
export const instant: Shape<number> = parsedBy(
  (value) => (typeof value === 'string' && value.length <= 256 ? parseInstant(value) : undefined),
  'an instant in UTC',
);
/** Names of advisories; none when the member is absent. */
export const advisories: Shape<readonly string[]> = withDefault(array(statementText, { max: 256 }), []);

/** Reads a whole statement; the refused member in place of a value when it is not of the shape. */
export function readStatement<T>(
  bytes: Uint8Array,
  name: string,
  shape: Shape<T>,
): { readonly value: T } | { readonly refused: string } {
  const parsed = parseJson(bytes, { maxBytes: 256 * 1024, maxDepth: 8 });
  if (!parsed.ok) return { refused: parsed.code };
  const read = parseShape(shape, parsed.value, name);
  return read.ok ? { value: read.value } : { refused: read.detail ?? read.code };
}
