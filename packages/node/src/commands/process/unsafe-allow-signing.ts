/**
 * `cloister unsafe-allow-signing`: an operator vouches that a key signed nothing above a view, after its guard was
 * lost.
 */
import { asEpoch, asValidatorId, asView } from '@cloister/encoding';
import { guardMarkOp } from '@cloister/replica';
import { openLevelStore } from '@cloister/store-level';
import { homeLayout, readNodeKeys } from '../../process/home.ts';
import { type CliCommand, numberFlag, UsageError } from '../command.ts';

export const unsafeAllowSigning: CliCommand = {
  name: 'unsafe-allow-signing',
  summary:
    'Vouch that the key of a stopped node signed nothing above a view, where the others cannot go on without it.',
  usage: '--above-view VIEW',
  flags: {
    'above-view': {
      type: 'string',
      value: 'VIEW',
      about: 'No signature is made in this view or below; `cloister status` shows the present view.',
    },
  },
  positionals: { min: 0, max: 0 },
  chain: 'never',
  async run(invocation) {
    const view = numberFlag(invocation, 'above-view', { min: 0, max: Number.MAX_SAFE_INTEGER });
    if (view === undefined) throw new UsageError('--above-view VIEW is needed');
    const layout = homeLayout(invocation.home);
    const { validator } = await readNodeKeys(layout);
    // Opening refuses while a node runs in this home.
    const guard = await openLevelStore(layout.signGuard);
    try {
      const floor = { epoch: asEpoch(0), view: asView(view) };
      await guard.batch([guardMarkOp({ validator: asValidatorId(validator.id), floor })], { sync: true });
    } finally {
      await guard.close();
    }
    const text = `the next start signs above view ${view}. If this key signed in a later view, here or elsewhere, it is now proven faulty.`;
    invocation.output.result({ home: layout.root, aboveView: view }, text);
    return 0;
  },
};
