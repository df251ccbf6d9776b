/** Whether a value fits a JSON Schema, as far as this project's OpenAPI document uses the language. */
import type { JsonValue } from '@cloister/encoding';

type Schema = { readonly [key: string]: JsonValue };

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

/** Where and how `value` does not fit; empty when it does. */
export function misfits(
  schema: Schema,
  value: unknown,
  document: { readonly schemas: Record<string, Schema> },
  at = '$',
): string[] {
  if (typeof schema.$ref === 'string') {
    const target = document.schemas[schema.$ref.split('/').at(-1) ?? ''];
    return target === undefined ? [`${at}: no schema ${schema.$ref}`] : misfits(target, value, document, at);
  }
  if (Array.isArray(schema.allOf)) {
    return (schema.allOf as Schema[]).flatMap((one) => misfits(one, value, document, at));
  }
  if (Array.isArray(schema.anyOf)) {
    const all = (schema.anyOf as Schema[]).map((one) => misfits(one, value, document, at));
    return all.some((found) => found.length === 0) ? [] : all.flat();
  }
  const found: string[] = [];
  const type = typeOf(value);
  const wanted = schema.type;
  if (typeof wanted === 'string' && wanted !== type && !(wanted === 'number' && type === 'integer')) {
    return [`${at}: ${type}, not ${wanted}`];
  }
  if (Array.isArray(schema.enum) && !schema.enum.includes(value as JsonValue)) found.push(`${at}: ${String(value)}`);
  if (typeof schema.pattern === 'string' && !new RegExp(schema.pattern).test(String(value)))
    found.push(`${at}: pattern`);
  if (typeof schema.minimum === 'number' && Number(value) < schema.minimum)
    found.push(`${at}: ${String(value)} too small`);
  if (Array.isArray(value) && typeof schema.items === 'object') {
    for (const [i, item] of value.entries())
      found.push(...misfits(schema.items as Schema, item, document, `${at}[${i}]`));
  }
  if (type === 'object') {
    const object = value as Record<string, unknown>;
    for (const name of (schema.required ?? []) as string[]) if (!(name in object)) found.push(`${at}.${name}: missing`);
    for (const [name, property] of Object.entries((schema.properties ?? {}) as Record<string, Schema>)) {
      if (name in object) found.push(...misfits(property, object[name], document, `${at}.${name}`));
    }
  }
  return found;
}
