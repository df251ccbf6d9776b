/**
 * Strict shapes for JSON from outside: the one reader of this project.
 *
 * A shape is a function that checks a value and gives it its type. Nothing is coerced and nothing defaulted unless the shape
 * says so, and every text, list and number has a bound. `object` refuses members that it does not name, so that a value that
 * passes has one meaning and one canonical encoding; `openObject` passes them over, for documents of others that may grow.
 * A shape throws `ShapeMismatch`, which `parseShape` alone turns into a result: callers give it a code of their own.
 */
import { fromHex, parseBase64 } from './bytes.ts';
import {
  type AccountId,
  type Digest,
  type Epoch,
  type Height,
  type Measurement,
  parseAccountId,
  parseDigest,
  parseEpoch,
  parseHeight,
  parseMeasurement,
  parseView,
  type View,
} from './ids.ts';
import type { JsonValue } from './json-parser.ts';
import { fail, ok, type Result } from './result.ts';

/** Ends the reading of a value early. Never leaves `parseShape`; its message begins with the path of the violation. */
class ShapeMismatch extends Error {}

/** Checks a value, undefined for a member that is absent, and gives it its type. */
export type Shape<T> = (value: JsonValue | undefined, path: string) => T;

/** The shapes of an object's members. A member that T makes optional has an `optional` shape. */
export type Members<T> = { readonly [K in keyof T]-?: Shape<T[K]> };

/** Bounds of a list's length. */
export interface Bounds {
  readonly min?: number;
  readonly max: number;
}

/** `value` as a T, or 'SHAPE_MISMATCH' with the path of the first violation, which begins with `name`. */
export function parseShape<T>(shape: Shape<T>, value: JsonValue | undefined, name = ''): Result<T, 'SHAPE_MISMATCH'> {
  try {
    return ok(shape(value, name));
  } catch (error) {
    if (error instanceof ShapeMismatch) return fail('SHAPE_MISMATCH', error.message);
    throw error;
  }
}

/** Whether a value is plain data. */
export function isJson(value: unknown): value is JsonValue {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isJson);
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

/**
 * As `parseShape`, for a value to which the library that read it gave no type: a web server, a reader of TOML. That library
 * has bounded its depth.
 */
export function parseUnknown<T>(shape: Shape<T>, value: unknown, name = ''): Result<T, 'SHAPE_MISMATCH'> {
  return isJson(value) ? parseShape(shape, value, name) : fail('SHAPE_MISMATCH', `${name}: expected plain data`);
}

/** For shapes written by hand: ends the reading. */
export function refuse(path: string, wanted: string): never {
  throw new ShapeMismatch(`${path === '' ? 'value' : path}: expected ${wanted}`);
}

function isObject(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function members<T extends object>(fields: Members<T>, closed: boolean): Shape<T> {
  // The compiler loses which key goes with which shape; `Members` has held them together.
  const entries = Object.entries(fields) as [string, Shape<unknown>][];
  return (value, path) => {
    if (!isObject(value)) return refuse(path, 'an object');
    const result: Record<string, unknown> = {};
    let present = 0;
    for (const [key, shape] of entries) {
      const own = Object.hasOwn(value, key);
      if (own) present++;
      // An inherited member is none.
      const read = shape(own ? value[key] : undefined, `${path}.${key}`);
      if (read !== undefined) result[key] = read;
    }
    if (closed && Object.keys(value).length !== present) {
      refuse(path, `no members but ${entries.map(([key]) => key).join(', ')}`);
    }
    return result as T;
  };
}

/** An object with these members and no other. */
export function object<T extends object>(fields: Members<T>): Shape<T> {
  return members(fields, true);
}

/** An object with these members; all others are passed over. */
export function openObject<T extends object>(fields: Members<T>): Shape<T> {
  return members(fields, false);
}

/** Those members of an object that are named, out of one that has more: the same list that reads them writes them elsewhere. */
export function pick<T extends object>(fields: Members<T>, from: NoInfer<T>): T {
  const names = Object.keys(fields) as (keyof T)[];
  return Object.fromEntries(names.map((name) => [name, from[name]])) as T;
}

/** One member of an object, whatever else the object has: for a document whose shape depends on one of its members. */
export function member<T>(key: string, shape: Shape<T>): Shape<T> {
  return (value, path) => {
    if (!isObject(value)) return refuse(path, 'an object');
    return shape(Object.hasOwn(value, key) ? value[key] : undefined, `${path}.${key}`);
  };
}

/** The member, or undefined where it is absent; the object that is read has no such member then. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path) => (value === undefined ? undefined : shape(value, path));
}

/** The member, or `absent` where it is absent. */
export function withDefault<T>(shape: Shape<T>, absent: T): Shape<T> {
  return (value, path) => (value === undefined ? absent : shape(value, path));
}

/** One of several objects: the text in the member `key` says which. */
export function variant<T extends object>(key: string, shapes: { readonly [name: string]: Shape<T> }): Shape<T> {
  return (value, path) => {
    if (!isObject(value)) return refuse(path, 'an object');
    const name = Object.hasOwn(value, key) ? value[key] : undefined;
    const shape = typeof name === 'string' && Object.hasOwn(shapes, name) ? shapes[name] : undefined;
    return shape === undefined
      ? refuse(`${path}.${key}`, `one of ${Object.keys(shapes).join(', ')}`)
      : shape(value, path);
  };
}

export function array<T>(element: Shape<T>, { min = 0, max }: Bounds): Shape<readonly T[]> {
  return (value, path) => {
    if (!isList(value)) return refuse(path, 'an array');
    if (value.length < min || value.length > max) return refuse(path, `${min} to ${max} elements`);
    return value.map((item, index) => element(item, `${path}[${index}]`));
  };
}

/** The element of an array that has one alone. */
export function single<T>(element: Shape<T>): Shape<T> {
  return (value, path) =>
    isList(value) && value.length === 1 ? element(value[0], `${path}[0]`) : refuse(path, 'an array of one element');
}

/** As `array`, and no two elements with the same key. */
export function distinct<T>(element: Shape<T>, key: (item: T) => string, bounds: Bounds): Shape<readonly T[]> {
  return refined(
    array(element, bounds),
    (items) => new Set(items.map(key)).size === items.length,
    'no element that repeats another',
  );
}

/** Whether each text is above the one before it, by UTF-16 code units. */
export function isStrictlyAscending(texts: readonly string[]): boolean {
  return texts.every((text, index) => index === 0 || (texts[index - 1] ?? '') < text);
}

/** An array of texts in strictly ascending order of UTF-16 code units. */
export function ascending<T extends string>(element: Shape<T>, bounds: Bounds): Shape<readonly T[]> {
  return refined(array(element, bounds), isStrictlyAscending, 'ascending order without repetition');
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, path) => (value === null ? null : shape(value, path));
}

/** As `shape`, and `holds` of what it gives. */
export function refined<T>(shape: Shape<T>, holds: (value: T) => boolean, wanted: string): Shape<T> {
  return (value, path) => {
    const read = shape(value, path);
    return holds(read) ? read : refuse(path, wanted);
  };
}

/** What `shape` gives, in another form. */
export function mapped<T, U>(shape: Shape<T>, to: (value: T) => U): Shape<U> {
  return (value, path) => to(shape(value, path));
}

/** What a parser accepts that answers undefined for anything else. */
export function parsedBy<T>(parse: (value: JsonValue) => T | undefined, wanted: string): Shape<T> {
  return (value, path) => (value === undefined ? undefined : parse(value)) ?? refuse(path, wanted);
}

/** What a parser accepts that answers with a result. */
export function via<T>(parse: (value: JsonValue) => Result<T>): Shape<T> {
  return (value, path) => {
    if (value === undefined) return refuse(path, 'a value');
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
  return (value, path) => choices.find((choice) => choice === value) ?? refuse(path, `one of ${choices.join(', ')}`);
}

/** A safe integer and not -0; 0 or more unless `min` says otherwise. */
export function count({ min = 0, max = Number.MAX_SAFE_INTEGER }: Partial<Bounds> = {}): Shape<number> {
  return (value, path) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max && !Object.is(value, -0)
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

/** Text that a pattern accepts (anchored by its author, without nested repetition, so that its time is linear). */
export function matching(pattern: RegExp, maxLength: number, wanted: string): Shape<string> {
  return (value, path) =>
    typeof value === 'string' && value.length <= maxLength && pattern.test(value) ? value : refuse(path, wanted);
}

/** Lowercase hex of exactly `byteLength` bytes; stays text. */
export function hex(byteLength: number): Shape<string> {
  return (value, path) =>
    typeof value === 'string' && value.length === 2 * byteLength && !/[^0-9a-f]/.test(value)
      ? value
      : refuse(path, `${byteLength} bytes of lowercase hex`);
}

/** The bytes of hex of either case, for documents of others: at least `minBytes`, and no more unless `maxBytes` says so. */
export function hexBytes(minBytes: number, maxBytes: number = minBytes): Shape<Uint8Array> {
  return (value, path) =>
    typeof value === 'string' &&
    value.length % 2 === 0 &&
    value.length >= 2 * minBytes &&
    value.length <= 2 * maxBytes &&
    !/[^0-9a-fA-F]/.test(value)
      ? fromHex(value)
      : refuse(path, minBytes === maxBytes ? `${minBytes} bytes of hex` : `${minBytes} to ${maxBytes} bytes of hex`);
}

/** The bytes of canonical base64. A text that is too long is not decoded. */
export function base64Bytes(maxBytes: number, minBytes = 0): Shape<Uint8Array> {
  const maxLength = Math.ceil(maxBytes / 3) * 4;
  return (value, path) => {
    const bytes = typeof value === 'string' && value.length <= maxLength ? parseBase64(value) : undefined;
    return bytes !== undefined && bytes.length <= maxBytes && bytes.length >= minBytes
      ? bytes
      : refuse(path, `canonical base64 of ${minBytes} to ${maxBytes} bytes`);
  };
}

/** Canonical base64 of so many bytes; stays text. */
export function base64(maxBytes: number, minBytes = 0): Shape<string> {
  const bytes = base64Bytes(maxBytes, minBytes);
  return (value, path) => {
    bytes(value, path);
    return typeof value === 'string' ? value : refuse(path, 'text');
  };
}

export const bool: Shape<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : refuse(path, 'true or false');
export const height: Shape<Height> = parsedBy(parseHeight, 'a height');
export const epoch: Shape<Epoch> = parsedBy(parseEpoch, 'an epoch');
export const view: Shape<View> = parsedBy(parseView, 'a view');
export const digest: Shape<Digest> = parsedBy(parseDigest, '32 bytes of lowercase hex');
export const account: Shape<AccountId> = parsedBy(parseAccountId, '32 bytes of lowercase hex');
export const measurement: Shape<Measurement> = parsedBy(parseMeasurement, '48 bytes of lowercase hex');
/** Any JSON; its size is bounded by the document it stands in. */
export const anyJson: Shape<JsonValue> = (value, path) => (value === undefined ? refuse(path, 'a value') : value);
/** Any object; its size is bounded by the document it stands in. */
export const anyObject: Shape<{ readonly [key: string]: JsonValue }> = (value, path) =>
  isObject(value) ? value : refuse(path, 'an object');
/** A name for people: one line of printable text, 1 to 64 characters. */
export const displayName: Shape<string> = matching(/^[^\p{C}]+$/u, 64, 'a name of 1 to 64 printable characters');
