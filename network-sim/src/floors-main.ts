/**
 * `pnpm sim:floors [--nodes 4] [--byzantine K] [--behaviours a,b] [--seconds 12] [--load-ms 20] [--wide] [--seed 1]`: what
 * each Byzantine behaviour costs the honest validators, as a table of ratios to a clean run. Exit code 1 when a line says LOW,
 * or an invariant broke.
 */
import { parseArgs } from 'node:util';
import { BYZANTINE_NAMES, type ByzantineName, LEAST_PACE, measureFloors, WIDE_NETWORK } from './index.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '4' },
    byzantine: { type: 'string' },
    behaviours: { type: 'string', default: BYZANTINE_NAMES.join(',') },
    seconds: { type: 'string', default: '12' },
    wide: { type: 'boolean', default: false },
    'load-ms': { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
});
const behaviours = values.behaviours.split(',').map(behaviourNamed);
const measured = await measureFloors({
  behaviours,
  validators: Number(values.nodes),
  ...(values.byzantine === undefined ? {} : { byzantine: Number(values.byzantine) }),
  forMs: Number(values.seconds) * 1_000,
  loadIntervalMs: Number(values['load-ms']),
  ...(values.wide ? { network: WIDE_NETWORK } : {}),
  seed: values.seed,
});
const { validators, byzantine, promised, clean, floors } = measured;
const write = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
write(`${byzantine} of ${validators} validators Byzantine, ${values.seconds} s of virtual time, seed ${values.seed}`);
write(`clean run: ${clean.transactions.executed} transactions, ${Math.min(...clean.heights)} blocks`);
write(
  `promised: at least ${promised.toFixed(2)} of the transactions; LOW below it, or below ${LEAST_PACE} of the blocks\n`,
);
write(`${'behaviour'.padEnd(24)} transactions  blocks  violations`);
let failed = clean.violations.length > 0;
for (const { behaviour, transactionRatio, blockRatio, attacked } of floors) {
  const low = transactionRatio < promised || blockRatio < LEAST_PACE || attacked.violations.length > 0;
  failed ||= low;
  const columns = [transactionRatio.toFixed(2).padStart(12), blockRatio.toFixed(2).padStart(7)];
  write(
    `${behaviour.padEnd(24)} ${columns.join(' ')} ${String(attacked.violations.length).padStart(11)}${low ? '  LOW' : ''}`,
  );
}
process.exitCode = failed ? 1 : 0;

function behaviourNamed(name: string): ByzantineName {
  const known = BYZANTINE_NAMES.find((each) => each === name);
  if (known === undefined) throw new Error(`no behaviour "${name}"; there are ${BYZANTINE_NAMES.join(', ')}`);
  return known;
}
