/**
 * Fuzzes the verifiers with mutated SIMULATED evidence and endorsements.
 *
 *   pnpm fuzz [--count N] [--format sgx,tdx,sev-snp,nitro] [--seed TEXT]
 *
 * N inputs for each format (200000 unless given). Prints how often each code came; what breaks a rule is printed and
 * makes the exit code 1. The same seed gives the same inputs.
 */
import { parseArgs } from 'node:util';
import { fuzz } from '../packages/attestation/test/fuzz/target.ts';
import { FUZZED_FORMATS, isFuzzedFormat, makeTarget } from '../packages/attestation/test/fuzz/targets.ts';
import { SeededRandom } from '../packages/crypto/src/index.ts';

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '200000' },
    format: { type: 'string', default: FUZZED_FORMATS.join() },
    seed: { type: 'string', default: '1' },
  },
});

const count = Number(options.count);
const formats = options.format.split(',').filter(isFuzzedFormat);
if (!Number.isSafeInteger(count) || count < 1 || formats.length !== options.format.split(',').length) {
  console.error(`usage: pnpm fuzz [--count N] [--format ${FUZZED_FORMATS.join()}] [--seed TEXT]`);
  process.exit(2);
}

let [passed, failed] = [0, 0];
console.log(`SIMULATED evidence, seed ${options.seed}, ${count} inputs for each of ${formats.join(', ')}`);
for (const format of formats) {
  const startedAt = performance.now();
  const report = fuzz(makeTarget(format), new SeededRandom(`${options.seed} ${format}`), count);
  console.log(`\n${format}: ${report.inputs} inputs in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  const counts = [...report.counts].sort(([, a], [, b]) => b - a);
  for (const [code, times] of counts) console.log(`${String(times).padStart(10)}  ${code}`);
  for (const line of report.violations.slice(0, 20)) console.log(`VIOLATION ${line}`);
  failed += report.violations.length;
  passed += report.inputs - report.violations.length;
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
