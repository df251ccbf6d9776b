/** `cloister attest show`: what this machine can do. */
import type { JsonValue } from '@cloister/encoding';
import { type AttestationWay, findAttesters } from '@cloister/platform/attesters';
import type { CliCommand } from '../command.ts';

function row({ name, platform, usable, simulated, reason }: AttestationWay): readonly [string, string, string, string] {
  const evidence = simulated ? 'SIMULATED' : (platform ?? 'unknown');
  return [name, evidence, usable ? 'yes' : 'no', reason];
}

/** One line for each way. */
export function describeWays(ways: readonly AttestationWay[]): string {
  const rows = [['way', 'evidence', 'usable', 'why'] as const, ...ways.map(row)];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((cells) => String(cells[column]).length)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const real = ways.filter(({ usable, simulated }) => usable && !simulated);
  const verdict =
    real.length === 0
      ? 'Only SIMULATED evidence can be made on this machine: it proves nothing to anyone.'
      : `This machine can attest itself through ${real.map(({ name }) => name).join(' and ')}.`;
  return [...lines, verdict].join('\n');
}

function jsonOf({ paths, platform, provider, ...rest }: AttestationWay): JsonValue {
  return { ...rest, paths: [...paths], platform: platform ?? null, provider: provider ?? null };
}

export const attestShow: CliCommand = {
  name: 'attest show',
  summary: 'Print what evidence this machine can make, and what it lacks for other kinds.',
  usage: '',
  flags: {},
  positionals: { min: 0, max: 0 },
  chain: 'never',
  async run({ output }) {
    const ways = await findAttesters();
    output.result({ ways: ways.map(jsonOf) }, describeWays(ways));
    return 0;
  },
};
