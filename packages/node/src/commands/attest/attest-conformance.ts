/** `cloister attest conformance`: every case of a manifest, without a network and without a node. */
import { dirname, join } from 'node:path';
import { parseConformanceManifest, runConformanceCase } from '@cloister/attestation';
import { type CliCommand, positional, UsageError } from '../command.ts';
import { readFileBytes } from './attest-files.ts';

export const attestConformance: CliCommand = {
  name: 'attest conformance',
  summary: 'Run every case of a conformance manifest; exit 1 when any disagrees.',
  usage: '<manifest>',
  flags: {},
  positionals: { min: 1, max: 1 },
  chain: 'never',
  async run(invocation) {
    const path = positional(invocation, 0);
    const manifest = parseConformanceManifest(await readFileBytes(path));
    if (!manifest.ok) throw new UsageError(`${path}: ${manifest.code} ${manifest.detail ?? ''}`.trimEnd());
    let failed = 0;
    for (const vector of manifest.value) {
      const files = 'unreadable' in vector ? new Map() : await readNamed(dirname(path), vector);
      const outcome = runConformanceCase(vector, (name) => files.get(name));
      if (outcome.agrees) continue;
      failed++;
      const { id, verdict = null, code = null, detail = null, differences } = outcome;
      const reason = code === null ? '' : ` (${[code, detail].filter((part) => part !== null).join(' ')})`;
      invocation.output.result(
        { id, agrees: false, verdict, code, detail, differences: [...differences] },
        `${id}: ${differences.join('; ')}${reason}`,
      );
    }
    const passed = manifest.value.length - failed;
    invocation.output.result({ passed, failed }, `${passed} passed, ${failed} failed`);
    return failed === 0 ? 0 : 1;
  },
};

/** The files that a case names, without those that cannot be read. */
async function readNamed(
  directory: string,
  { evidence, endorsements }: { readonly evidence: string; readonly endorsements: readonly string[] },
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of [evidence, ...endorsements]) {
    const bytes = await readFileBytes(join(directory, name)).catch(() => undefined);
    if (bytes !== undefined) files.set(name, bytes);
  }
  return files;
}
