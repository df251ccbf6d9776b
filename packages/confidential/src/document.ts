/**
 * Canonical JSON documents (RFC 8785) against a shape: what parses has one meaning and one encoding.
 */
import {
  fail,
  type JsonErrorCode,
  type JsonLimits,
  type JsonValue,
  parseCanonicalJson,
  type Result,
} from '@cloister/encoding';
import { matching, parseShape, type Shape } from '@cloister/encoding/shape';

/** Why a canonical JSON document was refused. */
export type DocumentErrorCode = JsonErrorCode | 'JSON_NOT_CANONICAL' | 'SCHEMA_VIOLATION';

/** A name or version: 1 to `maxLength` characters of visible ASCII, no white space at the ends, no control characters. */
export function plainName(maxLength = 128): Shape<string> {
  return matching(/^[A-Za-z0-9](?:[A-Za-z0-9 ._+@/:-]*[A-Za-z0-9._+-])?$/, maxLength, 'a name in visible ASCII');
}

/** Reads an in-memory JSON value; a violation becomes 'SCHEMA_VIOLATION', and its path begins with `name`. */
export function readValue<T>(value: JsonValue, shape: Shape<T>, name: string): Result<T, 'SCHEMA_VIOLATION'> {
  const read = parseShape(shape, value, name);
  return read.ok ? read : fail('SCHEMA_VIOLATION', read.detail);
}

/** Reads bytes that must be the canonical form of a document of this shape. */
export function readDocument<T>(
  bytes: Uint8Array,
  limits: JsonLimits,
  shape: Shape<T>,
  name: string,
): Result<T, DocumentErrorCode> {
  const parsed = parseCanonicalJson(bytes, limits);
  return parsed.ok ? readValue(parsed.value, shape, name) : parsed;
}
