/**
 * Strict shapes for JSON from outside: exact keys, bounded sizes, one answer.
 *
 * A shape throws `ShapeError` internally and `parseShape` turns it into a result; nothing is coerced, nothing defaulted
 * and no key ignored, so a value that passes has exactly one canonical encoding.
 */
import {
  type AccountId,
  type Digest,
  type Epoch,
  fail,
  type Height,
  type JsonValue,
  type Measurement,
  ok,
  parseBase64,
  type Result,
  type View,
} from '@cloister/encoding';

/** A violation, with the path at which it was found. Caught by `parseShape` only. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/** Checks a value and gives it its type; throws `ShapeError`. */
export type Shape<T> = (value: JsonValue, path: string) => T;

/** `value` as a T, or 'SHAPE_MISMATCH' with the path of the first violation. */
export function parseShape<T>(shape: Shape<T>, value: JsonValue): Result<T, 'SHAPE_MISMATCH'> {
  try {
    return ok(shape(value, ''));
  } catch (error) {
    if (error instanceof ShapeError) return fail('SHAPE_MISMATCH', error.message);
    throw error;
  }
}

function refuse(path: string, wanted: string): never {
  throw new ShapeError(`${path === '' ? 'value' : path}: expected ${wanted}`);
}

function isRecord(value: JsonValue): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object with exactly these keys. */
export function object<T extends object>(fields: { readonly [K in keyof T]: Shape<T[K]> }): Shape<T> {
  const entries = Object.entries(fields) as [string, Shape<unknown>][];
  return (value, path) => {
    if (!isRecord(value)) refuse(path, 'an object');
    const result: Record<string, unknown> = {};
    let present = 0;
    for (const [key, shape] of entries) {
      const member = Object.hasOwn(value, key) ? value[key] : undefined;
      if (member === undefined) refuse(`${path}.${key}`, 'a value');
      result[key] = shape(member, `${path}.${key}`);
      present++;
    }
    if (Object.keys(value).length !== present) refuse(path, `no keys but ${entries.map(([key]) => key).join(', ')}`);
    return result as T;
  };
}

export function array<T>(
  element: Shape<T>,
  bounds: { readonly min?: number; readonly max: number },
): Shape<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return refuse(path, 'an array');
    if (value.length < (bounds.min ?? 0) || value.length > bounds.max) {
      refuse(path, `${bounds.min ?? 0} to ${bounds.max} elements`);
    }
    return (value as readonly JsonValue[]).map((item, index) => element(item, `${path}[${index}]`));
  };
}

/** As `array`, and no two elements with the same key. */
export function distinct<T>(
  element: Shape<T>,
  key: (item: T) => string,
  bounds: { readonly min?: number; readonly max: number },
): Shape<readonly T[]> {
  const inner = array(element, bounds);
  return (value, path) => {
    const items = inner(value, path);
    if (new Set(items.map(key)).size !== items.length) refuse(path, 'no repetition');
    return items;
  };
}

/** An array of text in strictly ascending order of UTF-16 units. */
export function ascending<T extends string>(
  element: Shape<T>,
  bounds: { readonly min?: number; readonly max: number },
): Shape<readonly T[]> {
  const inner = array(element, bounds);
  return (value, path) => {
    const items = inner(value, path);
    for (let i = 1; i < items.length; i++) {
      if ((items[i - 1] ?? '') >= (items[i] ?? '')) refuse(path, 'ascending order without repetition');
    }
    return items;
  };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, path) => (value === null ? null : shape(value, path));
}

/** What another package's parser of JSON accepts. */
export function via<T>(parse: (value: JsonValue) => Result<T>): Shape<T> {
  return (value, path) => {
    const parsed = parse(value);
    return parsed.ok
      ? parsed.value
      : refuse(path, `${parsed.code}${parsed.detail === undefined ? '' : ` ${parsed.detail}`}`);
  };
}

export function literal<const T extends string | number | boolean>(wanted: T): Shape<T> {
  return (value, path) => (value === wanted ? wanted : refuse(path, JSON.stringify(wanted)));
}

export function oneOf<const T extends string>(choices: readonly T[]): Shape<T> {
  const known: ReadonlySet<string> = new Set(choices);
  return (value, path) => (typeof value === 'string' && known.has(value) ? (value as T) : refuse(path, 'a known word'));
}

/** A safe integer, 0 or more unless `min` says otherwise. */
export function count(bounds: { readonly min?: number; readonly max?: number } = {}): Shape<number> {
  const min = bounds.min ?? 0;
  const max = bounds.max ?? Number.MAX_SAFE_INTEGER;
  return (value, path) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
      ? value
      : refuse(path, `an integer from ${min} to ${max}`);
}

/** Text of at most `maxLength` UTF-16 units. */
export function text(maxLength: number, minLength = 0): Shape<string> {
  return (value, path) =>
    typeof value === 'string' && value.length >= minLength && value.length <= maxLength
      ? value
      : refuse(path, `text of ${minLength} to ${maxLength} characters`);
}

/** Text that a pattern (anchored by its author, without quantified groups) accepts. */
export function matching(pattern: RegExp, maxLength: number, what: string): Shape<string> {
  return (value, path) =>
    typeof value === 'string' && value.length <= maxLength && pattern.test(value) ? value : refuse(path, what);
}

/** Lowercase hex of exactly `byteLength` bytes. */
export function hex(byteLength: number): Shape<string> {
  return (value, path) =>
    typeof value === 'string' && value.length === 2 * byteLength && !/[^0-9a-f]/.test(value)
      ? value
      : refuse(path, `${byteLength} bytes of lowercase hex`);
}

/** Canonical base64 of at most `maxBytes` decoded bytes; stays text. */
export function base64(maxBytes: number, minBytes = 0): Shape<string> {
  const maxLength = Math.ceil(maxBytes / 3) * 4;
  return (value, path) => {
    if (typeof value !== 'string' || value.length > maxLength)
      return refuse(path, `base64 of at most ${maxBytes} bytes`);
    const bytes = parseBase64(value);
    if (bytes === undefined || bytes.length > maxBytes || bytes.length < minBytes) {
      return refuse(path, `base64 of ${minBytes} to ${maxBytes} bytes`);
    }
    return value;
  };
}

export const bool: Shape<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : refuse(path, 'true or false');
export const height: Shape<Height> = count() as Shape<Height>;
export const epoch: Shape<Epoch> = count() as Shape<Epoch>;
export const view: Shape<View> = count() as Shape<View>;
export const digest: Shape<Digest> = hex(32) as Shape<Digest>;
export const account: Shape<AccountId> = hex(32) as Shape<AccountId>;
export const measurement: Shape<Measurement> = hex(48) as Shape<Measurement>;
/** Any JSON; its size is bounded by the document it stands in. */
export const anyJson: Shape<JsonValue> = (value) => value;
/** A name for people: one line of printable text, 1 to 64 characters. */
export const displayName: Shape<string> = matching(/^[^\p{C}]+$/u, 64, 'a name of 1 to 64 printable characters');
