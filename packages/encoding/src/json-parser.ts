/**
 * A strict JSON parser (RFC 8259) for hostile bytes, with the restrictions of I-JSON (RFC 7493).
 *
 * JSON.parse takes duplicate keys, lone surrogates and any depth, each of which lets two readers see different
 * documents or overflows a stack. This one refuses them, makes objects without a prototype (so `__proto__` is a key like
 * any other and a missing field is never found on `Object.prototype`), refuses numbers beyond a double and reads -0 as 0.
 */

import { parseUtf8 } from './bytes.ts';
import { CodedError } from './coded-error.ts';
import { assertContract, fail, ok, type Result } from './result.ts';

/** A JSON document in memory. Numbers are finite, strings well-formed UTF-16. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** `maxBytes` of UTF-8; `maxDepth` counts arrays and objects inside one another: `1` has depth 0, `[[]]` depth 2. */
export interface JsonLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
}

export type JsonErrorCode = 'JSON_TOO_LARGE' | 'JSON_TOO_DEEP' | 'JSON_MALFORMED' | 'JSON_DUPLICATE_KEY';

/** Deepest nesting that the recursive code of this package is made for. */
export const JSON_DEPTH_LIMIT = 1000;

/** Ends the recursive parser early; `parseJson` turns it into a result. */
class JsonRefusal extends CodedError<JsonErrorCode> {}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

class JsonParser {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): JsonValue {
    this.#skipSpace();
    const value = this.#value(0);
    this.#skipSpace();
    if (this.#at !== this.#text.length) throw this.#malformed('trailing characters');
    return value;
  }

  #malformed(what: string): JsonRefusal {
    return new JsonRefusal('JSON_MALFORMED', `${what} at character ${this.#at}`);
  }

  /** Code unit here, NaN at the end. */
  #peek(): number {
    return this.#text.charCodeAt(this.#at);
  }

  #skipSpace(): void {
    for (;;) {
      const unit = this.#peek();
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.#at++;
    }
  }

  #value(depth: number): JsonValue {
    const unit = this.#peek();
    switch (unit) {
      case 0x7b:
        return this.#object(depth + 1);
      case 0x5b:
        return this.#array(depth + 1);
      case QUOTE:
        return this.#string();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default:
        if (unit === MINUS || (unit >= DIGIT_0 && unit <= DIGIT_9)) return this.#number();
        throw this.#malformed('no value');
    }
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#malformed('no value');
    this.#at += word.length;
    return value;
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) throw new JsonRefusal('JSON_TOO_DEEP', `deeper than ${this.#maxDepth}`);
    this.#at++;
    this.#skipSpace();
  }

  /** After an element: true at a comma, false at the closing bracket. */
  #another(close: number): boolean {
    this.#skipSpace();
    const unit = this.#peek();
    if (unit !== close && unit !== 0x2c) throw this.#malformed('no comma or closing bracket');
    this.#at++;
    if (unit === close) return false;
    this.#skipSpace();
    return true;
  }

  #array(depth: number): JsonValue {
    this.#enter(depth);
    const elements: JsonValue[] = [];
    if (this.#peek() === 0x5d) {
      this.#at++;
      return elements;
    }
    do elements.push(this.#value(depth));
    while (this.#another(0x5d));
    return elements;
  }

  #object(depth: number): JsonValue {
    this.#enter(depth);
    const members = Object.create(null) as { [key: string]: JsonValue };
    if (this.#peek() === 0x7d) {
      this.#at++;
      return members;
    }
    do {
      if (this.#peek() !== QUOTE) throw this.#malformed('no key');
      const key = this.#string();
      if (key in members) throw new JsonRefusal('JSON_DUPLICATE_KEY', `duplicate key before character ${this.#at}`);
      this.#skipSpace();
      if (this.#peek() !== 0x3a) throw this.#malformed('no colon');
      this.#at++;
      this.#skipSpace();
      members[key] = this.#value(depth);
    } while (this.#another(0x7d));
    return members;
  }

  /**
   * Finds the closing quote and leaves the token to JSON.parse, whose string grammar is RFC 8259's and which, unlike
   * `slice`, returns a copy that does not keep the whole document alive.
   */
  #string(): string {
    const start = this.#at++;
    for (;;) {
      const unit = this.#peek();
      if (unit === QUOTE) break;
      if (Number.isNaN(unit)) throw this.#malformed('unfinished string');
      this.#at += unit === BACKSLASH ? 2 : 1;
    }
    this.#at++;
    const value = parseStringToken(this.#text.slice(start, this.#at));
    if (value === undefined) throw this.#malformed('bad escape, control character or lone surrogate');
    return value;
  }

  #digits(): void {
    const start = this.#at;
    while (this.#peek() >= DIGIT_0 && this.#peek() <= DIGIT_9) this.#at++;
    if (this.#at === start) throw this.#malformed('no digit');
  }

  #number(): number {
    const start = this.#at;
    if (this.#peek() === MINUS) this.#at++;
    if (this.#peek() === DIGIT_0) this.#at++;
    else this.#digits();
    if (this.#peek() === 0x2e) {
      this.#at++;
      this.#digits();
    }
    if (this.#peek() === 0x65 || this.#peek() === 0x45) {
      this.#at++;
      if (this.#peek() === 0x2b || this.#peek() === MINUS) this.#at++;
      this.#digits();
    }
    const value = Number(this.#text.slice(start, this.#at));
    if (!Number.isFinite(value)) throw this.#malformed('number beyond a double');
    return value === 0 ? 0 : value;
  }
}

function parseStringToken(token: string): string | undefined {
  try {
    const value = JSON.parse(token) as string;
    return value.isWellFormed() ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Parses untrusted JSON of UTF-8 without a byte order mark. Integers beyond 2^53 lose digits as in JSON.parse
 * (`parseCanonicalJson` refuses those). A `maxDepth` beyond `JSON_DEPTH_LIMIT` is a bug and throws.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): Result<JsonValue, JsonErrorCode> {
  assertContract(limits.maxDepth >= 0 && limits.maxDepth <= JSON_DEPTH_LIMIT, 'parseJson: maxDepth out of range');
  if (bytes.length > limits.maxBytes) return fail('JSON_TOO_LARGE', `${bytes.length} bytes`);
  const text = parseUtf8(bytes);
  if (text === undefined) return fail('JSON_MALFORMED', 'not UTF-8');
  try {
    return ok(new JsonParser(text, limits.maxDepth).document());
  } catch (error) {
    if (error instanceof JsonRefusal) return fail(error.code, error.message);
    throw error;
  }
}
