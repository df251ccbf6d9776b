/**
 * Configuration: flags over CLOISTER_* variables over config.toml over defaults, each value checked, each with its origin.
 *
 * Unknown keys, variables and flags are errors: a misspelt option never passes silently.
 */

import { readFile } from 'node:fs/promises';
import { assert, CodedError } from '@cloister/encoding';
import { array, bool, count, oneOf, parseUnknown, refined, type Shape, text } from '@cloister/encoding/shape';
import { parse, TomlError } from 'smol-toml';
import {
  CONFIG_KEYS,
  CONFIG_OPTIONS,
  type Config,
  type ConfigKey,
  type ConfigValue,
  flagOf,
  type OptionType,
  variableOf,
} from './config-options.ts';

export type ConfigErrorCode =
  | 'CONFIG_UNREADABLE'
  | 'CONFIG_SYNTAX'
  | 'CONFIG_UNKNOWN_KEY'
  | 'CONFIG_UNKNOWN_VARIABLE'
  | 'CONFIG_UNKNOWN_FLAG'
  | 'CONFIG_INVALID_VALUE';

/** What is wrong with a configuration, and where. */
export class ConfigError extends CodedError<ConfigErrorCode> {
  /** The key, variable or flag; undefined when the file as a whole is at fault. */
  readonly key: string | undefined;

  constructor(code: ConfigErrorCode, key: string | undefined, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options);
    this.key = key;
  }
}

export type ConfigOrigin = 'flag' | 'environment' | 'file' | 'default';

export interface EffectiveValue {
  readonly key: ConfigKey;
  readonly value: ConfigValue;
  readonly origin: ConfigOrigin;
  /** The flag, variable or file path that gave the value; empty for a default. */
  readonly source: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** In the order of the options. */
  readonly effective: readonly EffectiveValue[];
}

export interface ConfigSources {
  /** Path of config.toml; a missing file is an empty one. */
  readonly file?: string;
  readonly environment?: { readonly [name: string]: string | undefined };
  /** By flag name without dashes ('api-port') or by key ('api.port'). */
  readonly flags?: { readonly [name: string]: ConfigValue | undefined };
  /** CLOISTER_* variables that belong to the command line itself; CLOISTER_HOME always does. */
  readonly otherVariables?: readonly string[];
}

const FILE_BYTES_MAX = 256 * 1024;

function invalid(where: string, key: ConfigKey, what: string): ConfigError {
  return new ConfigError('CONFIG_INVALID_VALUE', where, `${where}: ${key} ${what}`);
}

/** Text of a variable or flag as a value of the option's type; what does not read as one stays text and is refused. */
function fromText(is: OptionType, text: string): ConfigValue {
  switch (is.type) {
    case 'integer':
      return /^(0|-?[1-9][0-9]{0,15})$/.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return text === '' ? [] : text.split(',').map((item) => item.trim());
    case 'text':
    case 'choice':
      return text;
  }
}

function plainText(maxLength: number, pattern: RegExp = /^/, minLength = 0): Shape<string> {
  return refined(text(maxLength, minLength), (value) => !value.includes('\0') && pattern.test(value), 'plain text');
}

/** The shape of an option's values, and the same in words for the operator. */
function shapeOf(is: OptionType): { readonly shape: Shape<ConfigValue>; readonly words: string } {
  switch (is.type) {
    case 'text':
      return {
        shape: plainText(is.maxLength, is.pattern),
        words: `must be text of at most ${is.maxLength} plain characters`,
      };
    case 'choice':
      return { shape: oneOf(is.of), words: `must be one of ${is.of.join(', ')}` };
    case 'integer':
      return { shape: count(is), words: `must be a whole number from ${is.min} to ${is.max}` };
    case 'boolean':
      return { shape: bool, words: 'must be true or false' };
    case 'list':
      return {
        shape: array(plainText(512, undefined, 1), { max: is.maxItems }),
        words: `must be a list of at most ${is.maxItems} texts`,
      };
  }
}

/** The value if it fits, or throws CONFIG_INVALID_VALUE. */
function checked(key: ConfigKey, value: unknown, where: string): ConfigValue {
  const { shape, words } = shapeOf(CONFIG_OPTIONS[key].is);
  const read = parseUnknown(shape, value);
  if (!read.ok) throw invalid(where, key, words);
  return read.value;
}

function isConfigKey(name: string): name is ConfigKey {
  return Object.hasOwn(CONFIG_OPTIONS, name);
}

type Values = { readonly [name: string]: ConfigValue | undefined };

/** Whether each option has a value of its type, a default too. */
function isConfig(values: Values): values is Values & Config {
  return CONFIG_KEYS.every((key) => parseUnknown(shapeOf(CONFIG_OPTIONS[key].is).shape, values[key]).ok);
}

type Layer = Map<ConfigKey, { readonly value: ConfigValue; readonly source: string }>;

function tomlLayer(text: string, path: string): Layer {
  let document: Record<string, unknown>;
  try {
    document = parse(text) as Record<string, unknown>;
  } catch (cause) {
    const message = cause instanceof TomlError ? (cause.message.split('\n')[0] ?? '') : 'not TOML';
    const line = cause instanceof TomlError ? `:${cause.line}` : '';
    throw new ConfigError('CONFIG_SYNTAX', undefined, `${path}${line}: ${message}`, { cause });
  }
  const layer: Layer = new Map();
  for (const [section, table] of Object.entries(document)) {
    if (typeof table !== 'object' || table === null || Array.isArray(table)) {
      throw new ConfigError('CONFIG_UNKNOWN_KEY', section, `${path}: ${section} is not a section of this file`);
    }
    for (const [name, value] of Object.entries(table)) {
      const key = `${section}.${name}`;
      if (!isConfigKey(key)) throw new ConfigError('CONFIG_UNKNOWN_KEY', key, `${path}: there is no option ${key}`);
      layer.set(key, { value: checked(key, value, path), source: path });
    }
  }
  return layer;
}

async function fileLayer(path: string): Promise<Layer> {
  let toml: string;
  try {
    toml = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new ConfigError('CONFIG_UNREADABLE', undefined, `cannot read ${path}`, { cause });
  }
  if (toml.length > FILE_BYTES_MAX) throw new ConfigError('CONFIG_SYNTAX', undefined, `${path} is too large`);
  return tomlLayer(toml, path);
}

function environmentLayer(sources: ConfigSources): Layer {
  const byVariable = new Map(CONFIG_KEYS.map((key) => [variableOf(key), key]));
  const others = new Set(['CLOISTER_HOME', ...(sources.otherVariables ?? [])]);
  const layer: Layer = new Map();
  for (const [name, text] of Object.entries(sources.environment ?? {})) {
    if (!name.startsWith('CLOISTER_') || text === undefined || others.has(name)) continue;
    const key = byVariable.get(name);
    if (key === undefined) {
      throw new ConfigError('CONFIG_UNKNOWN_VARIABLE', name, `the environment variable ${name} names no option`);
    }
    layer.set(key, { value: checked(key, fromText(CONFIG_OPTIONS[key].is, text), name), source: name });
  }
  return layer;
}

function flagLayer(flags: NonNullable<ConfigSources['flags']>): Layer {
  const byFlag = new Map<string, ConfigKey>(
    CONFIG_KEYS.flatMap((key) => [[flagOf(key), key] as const, [key, key] as const]),
  );
  const layer: Layer = new Map();
  for (const [name, given] of Object.entries(flags)) {
    if (given === undefined) continue;
    const key = byFlag.get(name);
    if (key === undefined) throw new ConfigError('CONFIG_UNKNOWN_FLAG', name, `there is no option --${name}`);
    const value = typeof given === 'string' ? fromText(CONFIG_OPTIONS[key].is, given) : given;
    layer.set(key, { value: checked(key, value, `--${flagOf(key)}`), source: `--${flagOf(key)}` });
  }
  return layer;
}

/** Throws `ConfigError`. */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const layers: readonly (readonly [ConfigOrigin, Layer])[] = [
    ['flag', flagLayer(sources.flags ?? {})],
    ['environment', environmentLayer(sources)],
    ['file', sources.file === undefined ? new Map() : await fileLayer(sources.file)],
  ];
  const effective = CONFIG_KEYS.map((key): EffectiveValue => {
    for (const [origin, layer] of layers) {
      const found = layer.get(key);
      if (found !== undefined) return { key, origin, ...found };
    }
    return { key, value: CONFIG_OPTIONS[key].default, origin: 'default', source: '' };
  });
  const config = Object.fromEntries(effective.map(({ key, value }) => [key, value]));
  assert(isConfig(config), 'every option has a value');
  return { config, effective };
}
