/**
 * Reading JSON documents against a schema written as code.
 *
 * Every member must be asked for by name and kind, and `end` refuses members that nobody asked for, so a document
 * that parses has exactly one meaning. Violations throw `SchemaViolation`, which `readDocument` turns into a result.
 */
import {
  type AccountId,
  type Digest,
  fail,
  type Height,
  type JsonErrorCode,
  type JsonLimits,
  type JsonValue,
  type Measurement,
  ok,
  parseAccountId,
  parseCanonicalJson,
  parseDigest,
  parseHeight,
  parseMeasurement,
  type Result,
} from '@cloister/encoding';

/** Why a canonical JSON document was refused. */
export type DocumentErrorCode = JsonErrorCode | 'JSON_NOT_CANONICAL' | 'SCHEMA_VIOLATION';

/** A member is missing, of the wrong kind, out of its bounds, or not in the schema. */
export class SchemaViolation extends Error {
  override readonly name = 'SchemaViolation';
}

/** Visible ASCII of names and versions: no white space at the ends, no control characters. */
const NAME: RegExp = /^[A-Za-z0-9](?:[A-Za-z0-9 ._+@/:-]*[A-Za-z0-9._+-])?$/;

/** The members of one object. `where` names it in refusals. */
export class JsonFields {
  readonly #members: Readonly<Record<string, JsonValue>>;
  readonly #where: string;
  readonly #asked = new Set<string>();

  constructor(value: JsonValue | undefined, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new SchemaViolation(`${where} is not an object`);
    }
    this.#members = value as Readonly<Record<string, JsonValue>>;
    this.#where = where;
  }

  #refuse(key: string, what: string): never {
    throw new SchemaViolation(`${this.#where}.${key} ${what}`);
  }

  /** The member as it is; missing members are refused. Own members alone count, also of objects with a prototype. */
  value(key: string): JsonValue {
    this.#asked.add(key);
    const value = Object.hasOwn(this.#members, key) ? this.#members[key] : undefined;
    return value === undefined ? this.#refuse(key, 'is missing') : value;
  }

  text(key: string, maxLength: number): string {
    const value = this.value(key);
    if (typeof value !== 'string' || value.length > maxLength) this.#refuse(key, `is not text of at most ${maxLength}`);
    return value;
  }

  /** A name or version in visible ASCII, 1 to `maxLength` characters. */
  name(key: string, maxLength = 128): string {
    const value = this.text(key, maxLength);
    return NAME.test(value) ? value : this.#refuse(key, 'is not a name');
  }

  literal<T extends string>(key: string, allowed: readonly T[]): T {
    const value = this.value(key);
    return allowed.find((one) => one === value) ?? this.#refuse(key, `is none of ${allowed.join(', ')}`);
  }

  integer(key: string, min: number, max: number): number {
    const value = this.value(key);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      this.#refuse(key, `is not an integer from ${min} to ${max}`);
    }
    return value;
  }

  boolean(key: string): boolean {
    const value = this.value(key);
    return typeof value === 'boolean' ? value : this.#refuse(key, 'is not a boolean');
  }

  height(key: string): Height {
    return parseHeight(this.value(key)) ?? this.#refuse(key, 'is not a height');
  }

  digest(key: string): Digest {
    return parseDigest(this.value(key)) ?? this.#refuse(key, 'is not a digest');
  }

  measurement(key: string): Measurement {
    return parseMeasurement(this.value(key)) ?? this.#refuse(key, 'is not a measurement');
  }

  account(key: string): AccountId {
    return parseAccountId(this.value(key)) ?? this.#refuse(key, 'is not an account');
  }

  object(key: string): JsonFields {
    return new JsonFields(this.value(key), `${this.#where}.${key}`);
  }

  /** The elements of an array of `min` to `max`, each read by `read`, which is given the element and its name. */
  list<T>(key: string, min: number, max: number, read: (element: JsonValue, where: string) => T): T[] {
    const value = this.value(key);
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      this.#refuse(key, `is not an array of ${min} to ${max} elements`);
    }
    return (value as readonly JsonValue[]).map((element, i) => read(element, `${this.#where}.${key}[${i}]`));
  }

  /** A strictly ascending list of digests. */
  digestSet(key: string, min: number, max: number): Digest[] {
    const digests = this.list(key, min, max, (element, where) => {
      const digest = parseDigest(element);
      if (digest === undefined) throw new SchemaViolation(`${where} is not a digest`);
      return digest;
    });
    if (!isStrictlyAscending(digests)) this.#refuse(key, 'is not sorted and unique');
    return digests;
  }

  /** Refuses members that were not asked for. */
  end(): void {
    for (const key of Object.keys(this.#members)) if (!this.#asked.has(key)) this.#refuse(key, 'is not in the schema');
  }
}

/** Whether each text is above the one before it, by UTF-16 code units. */
export function isStrictlyAscending(texts: readonly string[]): boolean {
  return texts.every((text, i) => i === 0 || (texts[i - 1] ?? '') < text);
}

/** Reads an in-memory JSON value; a violation becomes 'SCHEMA_VIOLATION'. */
export function readValue<T>(value: JsonValue, read: (value: JsonValue) => T): Result<T, 'SCHEMA_VIOLATION'> {
  try {
    return ok(read(value));
  } catch (error) {
    if (error instanceof SchemaViolation) return fail('SCHEMA_VIOLATION', error.message);
    throw error;
  }
}

/** Reads bytes that must be the canonical form (RFC 8785) of a document that `read` accepts. */
export function readDocument<T>(
  bytes: Uint8Array,
  limits: JsonLimits,
  read: (value: JsonValue) => T,
): Result<T, DocumentErrorCode> {
  const parsed = parseCanonicalJson(bytes, limits);
  return parsed.ok ? readValue(parsed.value, read) : parsed;
}
