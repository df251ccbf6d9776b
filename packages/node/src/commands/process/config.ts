/** `cloister config show`: every option with its value and where it came from. */
import { loadConfig } from '../../config/config.ts';
import { homeLayout } from '../../process/home.ts';
import type { CliCommand } from '../command.ts';

export const configShow: CliCommand = {
  name: 'config show',
  summary: 'Print every option with its effective value and its origin.',
  usage: '[--home DIR]',
  flags: {},
  positionals: { min: 0, max: 0 },
  chain: 'never',
  async run({ home, output }) {
    const { effective } = await loadConfig({ file: homeLayout(home).configFile, environment: process.env });
    const rows = effective.map(({ key, value, origin, source }) => ({
      key,
      value: Array.isArray(value) ? [...value] : (value as string | number | boolean),
      origin,
      source,
    }));
    const text = rows.map((row) => `${row.key.padEnd(34)} ${JSON.stringify(row.value).padEnd(34)} ${row.origin}`);
    output.result(rows, text.join('\n'));
    return 0;
  },
};
