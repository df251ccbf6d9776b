/** `cloister init`: makes a home with fresh keys. */
import { randomBytes } from 'node:crypto';
import { initHome } from '../../process/home.ts';
import type { CliCommand } from '../command.ts';

export const init: CliCommand = {
  name: 'init',
  summary: 'Make a home with fresh keys and a config file; nothing that exists is overwritten.',
  usage: '[--home DIR]',
  flags: {},
  positionals: { min: 0, max: 0 },
  chain: 'never',
  async run({ home, output }) {
    const { layout, keys } = await initHome({
      ...(home === undefined ? {} : { directory: home }),
      nodeKeySeed: randomBytes(32),
      validatorKeySeed: randomBytes(32),
    });
    output.result(
      { home: layout.root, id: keys.validator.id },
      `home ${layout.root}\nid   ${keys.validator.id}\nNext: put the network's genesis at ${layout.genesisFile} and run 'cloister start', or run 'cloister join'.`,
    );
    return 0;
  },
};
