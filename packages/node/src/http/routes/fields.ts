/**
 * Parameters and bodies of the API: each field checks its value and describes itself in OpenAPI's words, from one place.
 * Members that are not declared are refused.
 */
import {
  type AccountId,
  type Digest,
  type JsonValue,
  parseAccountId,
  parseBase64,
  parseDigest,
  type Result,
} from '@cloister/encoding';

export type JsonSchema = { readonly [key: string]: JsonValue };

/** `parse` takes text (path and query) or JSON (bodies) and gives undefined for what does not fit. */
export interface Field<T> {
  readonly about: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
  readonly parse: (value: unknown) => T | undefined;
  /** What an absent optional field is. */
  readonly absent: T | undefined;
}

export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> };

export function digestField(about: string): Field<Digest> {
  const schema = { type: 'string', pattern: '^[0-9a-f]{64}$' };
  return { about, schema, required: true, parse: parseDigest, absent: undefined };
}

export function accountField(about: string): Field<AccountId> {
  const schema = { type: 'string', pattern: '^[0-9a-f]{64}$' };
  return { about, schema, required: true, parse: parseAccountId, absent: undefined };
}

/** A whole number in decimal digits. */
export function integerField(about: string, bounds: { readonly min: number; readonly max: number }): Field<number> {
  const { min, max } = bounds;
  return {
    about,
    schema: { type: 'integer', minimum: min, maximum: max },
    required: true,
    absent: undefined,
    parse: (value) => {
      if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,15})$/.test(value)) return undefined;
      const number = Number(value);
      return number >= min && number <= max ? number : undefined;
    },
  };
}

export function textField(about: string, maxLength: number, pattern?: string): Field<string> {
  const matches = pattern === undefined ? undefined : new RegExp(pattern, 'u');
  return {
    about,
    schema: { type: 'string', minLength: 1, maxLength, ...(pattern === undefined ? {} : { pattern }) },
    required: true,
    absent: undefined,
    parse: (value) => {
      const fits = typeof value === 'string' && value.length >= 1 && value.length <= maxLength;
      return fits && (matches === undefined || matches.test(value)) ? value : undefined;
    },
  };
}

export function base64Field(about: string, maxBytes: number): Field<Uint8Array> {
  const schema = { type: 'string', contentEncoding: 'base64', maxLength: 4 * Math.ceil(maxBytes / 3) };
  return {
    about,
    schema,
    required: true,
    absent: undefined,
    parse: (value) => {
      const bytes = parseBase64(value);
      return bytes !== undefined && bytes.length <= maxBytes ? bytes : undefined;
    },
  };
}

/** The same field, with a value for when it is absent. */
export function withDefault<T extends JsonValue>(field: Field<T>, absent: T): Field<T> {
  return { ...field, required: false, absent, schema: { ...field.schema, default: absent } };
}

/** The same field; undefined when absent. */
export function optional<T>(field: Field<T>): Field<T | undefined> {
  return { ...field, required: false };
}

/** Reads all declared fields of an object and refuses any other. `detail` names the field. */
export function parseFields<T>(fields: Fields<T>, given: unknown): Result<T, 'INVALID_PARAMETER'> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return { ok: false, code: 'INVALID_PARAMETER', detail: 'an object is expected' };
  }
  const values = given as { readonly [name: string]: unknown };
  for (const name of Object.keys(values)) {
    if (!Object.hasOwn(fields, name)) {
      return {
        ok: false,
        code: 'INVALID_PARAMETER',
        detail: `there is no parameter ${JSON.stringify(name.slice(0, 64))}`,
      };
    }
  }
  const parsed: Partial<T> = {};
  for (const name of Object.keys(fields) as (keyof T & string)[]) {
    const field = fields[name];
    if (!Object.hasOwn(values, name)) {
      if (field.required) return { ok: false, code: 'INVALID_PARAMETER', detail: `${name} is missing` };
      if (field.absent !== undefined) parsed[name] = field.absent;
      continue;
    }
    const value = field.parse(values[name]);
    if (value === undefined) return { ok: false, code: 'INVALID_PARAMETER', detail: `${name} is not valid` };
    parsed[name] = value;
  }
  return { ok: true, value: parsed as T };
}
