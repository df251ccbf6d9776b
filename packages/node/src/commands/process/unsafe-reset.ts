/** `cloister unsafe-reset`: removes the chain of a home, never its sign guard, so that the node syncs again from its peers. */
import { rm } from 'node:fs/promises';
import { homeLayout, readNodeKeys } from '../../process/home.ts';
import { resetForResync } from '../../process/reset.ts';
import type { CliCommand } from '../command.ts';

export const unsafeReset: CliCommand = {
  name: 'unsafe-reset',
  summary: 'Remove the chain data of a stopped node; it syncs again from its peers. The sign guard stays.',
  usage: '[--keep-keys]',
  flags: {
    'keep-keys': { type: 'boolean', about: 'Keep the keys (and then the sign guard): the way back after damage.' },
  },
  positionals: { min: 0, max: 0 },
  chain: 'never',
  async run({ home, flags, output }) {
    const layout = homeLayout(home);
    await readNodeKeys(layout);
    const keepKeys = flags['keep-keys'] === true;
    await resetForResync(layout);
    if (!keepKeys) {
      // A new key has signed nothing, so it needs no guard; the old key must never sign again without one.
      for (const path of [layout.nodeKeyFile, layout.validatorKeyFile, layout.signGuard]) {
        await rm(path, { recursive: true, force: true });
      }
    }
    const text = keepKeys
      ? 'chain data removed; keys and sign guard kept. Start the node: it syncs from its peers without signing, and signs again by itself once it has caught up.'
      : 'chain data, keys and sign guard removed.';
    output.result({ home: layout.root, keysKept: keepKeys }, text);
    return 0;
  },
};
