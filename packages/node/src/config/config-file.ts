/** The config file in its first form: every option with its default, commented out. */
import { stringify } from 'smol-toml';
import { CONFIG_KEYS, CONFIG_OPTIONS, type ConfigKey, type ConfigValue } from './config-options.ts';

function sectionOf(key: ConfigKey): string {
  return key.slice(0, key.indexOf('.'));
}

function line(key: ConfigKey, value: ConfigValue): string {
  const name = key.slice(key.indexOf('.') + 1);
  return stringify({ [name]: Array.isArray(value) ? [...value] : value }).trim();
}

/** A config.toml with the given values set and everything else commented out at its default. */
export function configToml(values: { readonly [Key in ConfigKey]?: ConfigValue } = {}): string {
  const lines = ['# Cloister node. Precedence: flag, then CLOISTER_* variable, then this file, then the default.'];
  let section = '';
  for (const key of CONFIG_KEYS) {
    if (sectionOf(key) !== section) {
      section = sectionOf(key);
      lines.push('', `[${section}]`);
    }
    const option = CONFIG_OPTIONS[key];
    const value = values[key];
    lines.push(`# ${option.about}`, value === undefined ? `# ${line(key, option.default)}` : line(key, value));
  }
  return `${lines.join('\n')}\n`;
}

export const DEFAULT_CONFIG_TOML: string = configToml();
