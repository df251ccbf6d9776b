/**
 * The JSON Canonicalization Scheme (RFC 8785): one text for one document, for what people and browsers sign.
 */
import { equalBytes, utf8 } from './bytes.ts';
import { JSON_DEPTH_LIMIT, type JsonErrorCode, type JsonLimits, type JsonValue, parseJson } from './json-parser.ts';
import { assertContract, fail, type Result } from './result.ts';

/**
 * Canonical text: no white space, keys in order of UTF-16 code units, numbers and strings as ECMAScript writes them.
 * Takes any value, since it checks each: throws `AssertionFailure` for what is not a `JsonValue`: NaN, infinities, lone surrogates, undefined, class instances,
 * nesting beyond 1000 (which includes cycles).
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      assertContract(value.isWellFormed(), 'canonicalJson: lone surrogate');
      return JSON.stringify(value);
    case 'number':
      assertContract(Number.isFinite(value), 'canonicalJson: not a finite number');
      return String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      break;
    default:
      assertContract(false, `canonicalJson: ${typeof value} is not JSON`);
  }
  if (value === null) return 'null';
  assertContract(depth < JSON_DEPTH_LIMIT, 'canonicalJson: too deep');
  return isArray(value) ? writeArray(value, depth) : writeObject(value, depth);
}

/** `Array.isArray` that also narrows readonly arrays away. */
function isArray(value: object): value is readonly unknown[] {
  return Array.isArray(value);
}

function writeArray(elements: readonly unknown[], depth: number): string {
  let text = '[';
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i];
    assertContract(element !== undefined, 'canonicalJson: hole in an array');
    text += (i === 0 ? '' : ',') + write(element, depth + 1);
  }
  return `${text}]`;
}

function writeObject(members: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(members);
  assertContract(prototype === null || Object.getPrototypeOf(prototype) === null, 'canonicalJson: class instance');
  let text = '{';
  // Texts compare by UTF-16 code units, as RFC 8785 section 3.2.3 wants.
  const entries = Object.entries(members).sort(([left], [right]) => (left < right ? -1 : 1));
  for (const [key, member] of entries) {
    assertContract(member !== undefined, 'canonicalJson: undefined member');
    text += `${text === '{' ? '' : ','}${write(key, depth)}:${write(member, depth + 1)}`;
  }
  return `${text}}`;
}

/** As `parseJson`, and 'JSON_NOT_CANONICAL' when `bytes` are not the canonical form of what they mean. */
export function parseCanonicalJson(
  bytes: Uint8Array,
  limits: JsonLimits,
): Result<JsonValue, JsonErrorCode | 'JSON_NOT_CANONICAL'> {
  const parsed = parseJson(bytes, limits);
  if (!parsed.ok) return parsed;
  return equalBytes(utf8(canonicalJson(parsed.value)), bytes) ? parsed : fail('JSON_NOT_CANONICAL');
}
