/** `cloister version`. */
import manifest from '../../../package.json' with { type: 'json' };
import type { CliCommand } from '../command.ts';

export const VERSION: string = manifest.version;

export const version: CliCommand = {
  name: 'version',
  summary: 'Print the version of this program and of its runtime.',
  usage: '',
  flags: {},
  positionals: { min: 0, max: 0 },
  chain: 'never',
  async run({ output }) {
    output.result({ version: VERSION, node: process.version }, `cloister ${VERSION} (node ${process.version})`);
    return 0;
  },
};
