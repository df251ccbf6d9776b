/**
 * Shape checks on parsed JSON.
 */
import type { JsonValue } from '@cloister/encoding';

/** The object's members when it has exactly `keys`, otherwise undefined. */
export function exactKeys<K extends string>(value: JsonValue, keys: readonly K[]): Record<K, JsonValue> | undefined {
  const object = jsonObject(value);
  if (object === undefined || Object.keys(object).length !== keys.length) return undefined;
  return keys.every((key) => Object.hasOwn(object, key)) ? (object as Record<K, JsonValue>) : undefined;
}

/** The value as an object (neither null nor an array), otherwise undefined. */
export function jsonObject(value: JsonValue | undefined): { readonly [key: string]: JsonValue } | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as { readonly [key: string]: JsonValue };
}

/** An array of which every element passes, without repetition; otherwise undefined. */
export function distinctList<T extends string>(
  value: JsonValue,
  isElement: (element: JsonValue) => element is T,
  maxLength: number,
): readonly T[] | undefined {
  if (!Array.isArray(value) || value.length > maxLength) return undefined;
  const elements: T[] = [];
  for (const element of value as readonly JsonValue[]) {
    if (!isElement(element)) return undefined;
    elements.push(element);
  }
  return new Set(elements).size === elements.length ? elements : undefined;
}
