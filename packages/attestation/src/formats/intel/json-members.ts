/**
 * Members of Intel's JSON statements, each in its exact form. Throws `DecodeError`, which `readStatement` answers.
 */
import { DecodeError, fromHex, type JsonValue, parseJson } from '@cloister/encoding';
import { jsonObject } from '../../policy/json-fields.ts';
import { parseInstant } from '../../x509/instants.ts';

/** A JSON object with readers for its members. */
export class JsonMembers {
  readonly #members: { readonly [key: string]: JsonValue };
  readonly #what: string;

  constructor(value: JsonValue | undefined, what: string) {
    const members = jsonObject(value);
    if (members === undefined) throw new DecodeError(`${what}: not an object`);
    this.#members = members;
    this.#what = what;
  }

  #refuse(key: string): DecodeError {
    return new DecodeError(`${this.#what}.${key}`);
  }

  has(key: string): boolean {
    return this.#members[key] !== undefined;
  }

  text(key: string): string {
    const value = this.#members[key];
    if (typeof value !== 'string' || value.length > 256) throw this.#refuse(key);
    return value;
  }

  /** A whole number of 0 to `maximum`. */
  number(key: string, maximum: number): number {
    const value = this.#members[key];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > maximum) throw this.#refuse(key);
    return value;
  }

  /** Hex of either case, of exactly so many bytes. */
  hex(key: string, byteLength: number): Uint8Array {
    const value = this.text(key);
    if (value.length !== 2 * byteLength || !/^[0-9a-fA-F]*$/.test(value)) throw this.#refuse(key);
    return fromHex(value);
  }

  /** Milliseconds of the Unix epoch. */
  instant(key: string): number {
    const ms = parseInstant(this.text(key));
    if (ms === undefined) throw this.#refuse(key);
    return ms;
  }

  /** One of these texts. */
  oneOf<T extends string>(key: string, values: readonly T[]): T {
    const value = this.text(key);
    const known = values.find((candidate) => candidate === value);
    if (known === undefined) throw this.#refuse(key);
    return known;
  }

  object(key: string): JsonMembers {
    return new JsonMembers(this.#members[key], `${this.#what}.${key}`);
  }

  /** An array of objects, of `minimum` to `maximum` elements. */
  objects(key: string, minimum: number, maximum: number): readonly JsonMembers[] {
    const value = this.#members[key];
    if (!Array.isArray(value) || value.length < minimum || value.length > maximum) throw this.#refuse(key);
    return value.map((element: JsonValue, index) => new JsonMembers(element, `${this.#what}.${key}[${index}]`));
  }

  /** An array of texts; empty when the member is absent. */
  texts(key: string, maximum: number): readonly string[] {
    const value = this.#members[key];
    if (value === undefined) return [];
    if (!Array.isArray(value) || value.length > maximum) throw this.#refuse(key);
    return value.map((element: JsonValue) => {
      if (typeof element !== 'string' || element.length > 256) throw this.#refuse(key);
      return element;
    });
  }
}

/** Reads a whole statement; the refused member in place of a value when it is not what `read` expects. */
export function readStatement<T>(
  bytes: Uint8Array,
  what: string,
  read: (members: JsonMembers) => T,
): { readonly value: T } | { readonly refused: string } {
  const parsed = parseJson(bytes, { maxBytes: 256 * 1024, maxDepth: 8 });
  if (!parsed.ok) return { refused: parsed.code };
  try {
    return { value: read(new JsonMembers(parsed.value, what)) };
  } catch (error) {
    if (error instanceof DecodeError) return { refused: error.message };
    throw error;
  }
}
