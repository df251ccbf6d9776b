/**
 * Parameters and bodies of the API: each field has its shape and describes itself in OpenAPI's words, from one place.
 * Members that are not declared are refused.
 */
import { type AccountId, type Digest, fail, type JsonValue, type Result } from '@cloister/encoding';
import * as shapes from '@cloister/encoding/shape';

export type JsonSchema = { readonly [key: string]: JsonValue };

/** The shape is that of text (path and query) or of JSON (bodies); of an optional field, also that of an absent one. */
export interface Field<T> {
  readonly about: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
  readonly shape: shapes.Shape<T>;
}

export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

const HEX_32: JsonSchema = { type: 'string', pattern: '^[0-9a-f]{64}$' };

export function digestField(about: string): Field<Digest> {
  return { about, schema: HEX_32, required: true, shape: shapes.digest };
}

export function accountField(about: string): Field<AccountId> {
  return { about, schema: HEX_32, required: true, shape: shapes.account };
}

/** A whole number in decimal digits. */
export function integerField(
  about: string,
  { min, max }: { readonly min: number; readonly max: number },
): Field<number> {
  const digits = shapes.matching(/^(?:0|[1-9][0-9]{0,15})$/, 16, 'decimal digits');
  return {
    about,
    schema: { type: 'integer', minimum: min, maximum: max },
    required: true,
    shape: shapes.refined(
      shapes.mapped(digits, Number),
      (number) => number >= min && number <= max,
      `a number from ${min} to ${max}`,
    ),
  };
}

export function textField(about: string, maxLength: number, pattern?: string): Field<string> {
  return {
    about,
    schema: { type: 'string', minLength: 1, maxLength, ...(pattern === undefined ? {} : { pattern }) },
    required: true,
    shape: shapes.refined(
      pattern === undefined
        ? shapes.text(maxLength)
        : shapes.matching(new RegExp(pattern, 'u'), maxLength, `text of the pattern ${pattern}`),
      (text) => text !== '',
      'text',
    ),
  };
}

export function base64Field(about: string, maxBytes: number): Field<Uint8Array> {
  const schema = { type: 'string', contentEncoding: 'base64', maxLength: 4 * Math.ceil(maxBytes / 3) };
  return { about, schema, required: true, shape: shapes.base64Bytes(maxBytes) };
}

/** The same field, with a value for when it is absent. */
export function defaultedField<T extends JsonValue>(field: Field<T>, absent: T): Field<T> {
  const { about, schema, shape } = field;
  return {
    about,
    required: false,
    schema: { ...schema, default: absent },
    shape: shapes.withDefault(shape, absent),
  };
}

/** The same field; undefined when absent. */
export function optionalField<T>(field: Field<T>): Field<T | undefined> {
  return { ...field, required: false, shape: shapes.optional(field.shape) };
}

/** A reader of all declared fields that refuses any other. `detail` names the field. */
export function fieldsReader<T extends object>(fields: Fields<T>): (given: unknown) => Result<T, 'INVALID_PARAMETER'> {
  const shape = shapes.object(shapesOf(fields));
  return (given) => {
    const read = shapes.parseUnknown(shape, given, 'parameters');
    return read.ok ? read : fail('INVALID_PARAMETER', read.detail);
  };
}

function shapesOf<T extends object>(fields: Fields<T>): shapes.Members<T> {
  const members: Partial<{ -readonly [K in keyof T]: shapes.Shape<T[K]> }> = {};
  for (const name of Object.keys(fields) as (keyof T)[]) members[name] = fields[name].shape;
  return members as shapes.Members<T>;
}
