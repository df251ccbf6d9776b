/** `cloister attest forecast`: what will cost each validator its eligibility, in how many days or blocks. */
import {
  CONFORMANCE_REQUIREMENTS,
  decodeEvidenceBundle,
  type EvidenceBundle,
  evidenceEndorsementsOf,
  type Forecast,
  type ForecastInput,
  forecast,
  VENDOR_ANCHORS,
} from '@cloister/attestation';
import type { HeldAttestation } from '@cloister/client';
import type { JsonValue } from '@cloister/encoding';
import { NodeError } from '../../process/errors.ts';
import { type CliCommand, type ExitCode, type Invocation, positional, textFlag, UsageError } from '../command.ts';
import { NODE_FLAG, operatorApi, said } from '../network/connect.ts';
import { type NetworkRules, type Pace, readPace, readRules } from '../policy/network-rules.ts';
import {
  ENDORSEMENT_FLAGS,
  instantOf,
  POLICY_FLAGS,
  readEvidenceFile,
  readGenesisFile,
  readPolicy,
} from './attest-files.ts';
import { SET_FLAGS, type SetFinder, setsOf } from './forecast-sets.ts';
import { describeForecast } from './forecast-text.ts';

const SIMULATED = 'SIMULATED platforms: whatever is accepted here proves nothing.';

export const attestForecast: CliCommand = {
  name: 'attest forecast',
  summary:
    'Tell what will cost evidence its acceptance, when, and which SVN is short; exit 3 when something costs it now.',
  usage:
    '[<file> [--endorsements FILE…] [--genesis FILE] [--at TIME] | --node URL] [--standard FILE…] [--early FILE…] [--fetch] [--policy FILE]',
  flags: { ...NODE_FLAG, ...ENDORSEMENT_FLAGS, ...POLICY_FLAGS, ...SET_FLAGS },
  positionals: { min: 0, max: 1 },
  chain: 'sometimes',
  run: (invocation) => (invocation.positionals.length === 1 ? forecastFile(invocation) : forecastNetwork(invocation)),
};

function costsNow({ causes }: Forecast): boolean {
  return causes.some(({ when }) => when === 'now');
}

function jsonOf(value: object): { readonly [member: string]: JsonValue } {
  return JSON.parse(JSON.stringify(value)) as { readonly [member: string]: JsonValue };
}

async function forecastFile(invocation: Invocation): Promise<ExitCode> {
  if (textFlag(invocation, 'node') !== undefined) throw new UsageError('a file and --node exclude each other');
  const atMs = instantOf(textFlag(invocation, 'at'));
  const path = positional(invocation, 0);
  const { evidence, endorsements } = await readEvidenceFile(invocation, path);
  const [policyPath, genesisPath] = [textFlag(invocation, 'policy'), textFlag(invocation, 'genesis')];
  const genesis = genesisPath === undefined ? undefined : (await readGenesisFile(genesisPath)).genesis;
  const trustAnchors = genesis?.trustAnchors ?? VENDOR_ANCHORS;
  const given = policyPath === undefined ? genesis?.appraisalPolicy : await readPolicy(policyPath);
  const policy = given ?? { ...CONFORMANCE_REQUIREMENTS, acceptedStatuses: ['UpToDate'] };
  const { alternatives, missing } = await (await setsOf(invocation, trustAnchors))(evidence, atMs);
  const made = forecast({ evidence, endorsements, policy, trustAnchors, atMs, alternatives });
  const lines = [
    ...(made.simulated ? [SIMULATED] : []),
    `${made.platform ?? 'unknown'} evidence, judged at ${new Date(atMs).toISOString()}; a file has no age in blocks`,
    ...[...describeForecast(made, atMs, undefined), ...missing].map((line) => `  ${line}`),
  ];
  invocation.output.result({ file: path, atMs, ...jsonOf(made), missing: [...missing] }, lines.join('\n'));
  return costsNow(made) ? 3 : 0;
}

async function forecastNetwork(invocation: Invocation): Promise<ExitCode> {
  for (const name of ['at', 'genesis', ...Object.keys(ENDORSEMENT_FLAGS)]) {
    if (invocation.flags[name] !== undefined) throw new UsageError(`--${name} belongs to a file of evidence`);
  }
  const { output } = invocation;
  const api = await operatorApi(invocation);
  const [network, pace, held, listed] = await Promise.all([
    readRules(output, api),
    readPace(output, api),
    api.attestations(),
    api.validators(),
  ]);
  const [attestations, members] = [said(output, held), said(output, listed)];
  const policyPath = textFlag(invocation, 'policy');
  const rules = policyPath === undefined ? network : { ...network, policy: await readPolicy(policyPath) };
  const sets = await setsOf(invocation, rules.trustAnchors);
  const { atMs, height } = rules;
  const validators: JsonValue[] = [];
  const lines: string[] = [];
  let isSomeLost = false;
  for (const { id, name } of members) {
    const held = attestations.find(({ node }) => node === id);
    if (held === undefined) {
      validators.push({ node: id, name, attested: false });
      lines.push('', `${name} ${id}: no attestation`);
      continue;
    }
    const bundle = bundleOf(held.bundle);
    const { made, missing } = await forecastHeld(held, bundle, rules, pace, sets);
    isSomeLost ||= costsNow(made) || !held.eligible;
    const { platform, product, eligible, reasons } = held;
    const verdict = eligible ? 'eligible' : `NOT eligible: ${reasons.join(', ')}`;
    validators.push({
      node: id,
      name,
      attested: true,
      product,
      eligible,
      reasons: [...reasons],
      ...jsonOf(made),
      missing: [...missing],
    });
    lines.push('', `${name} ${id}: ${platform} ${product}, ${verdict}`);
    lines.push(...[...describeForecast(made, atMs, height), ...missing].map((line) => `  ${line}`));
  }
  const how = pace.isMeasured ? 'as measured' : 'as assumed';
  const head = `block ${height} of ${new Date(atMs).toISOString()}, ${(pace.blockMs / 1000).toFixed(2)} seconds a block ${how}`;
  output.result(
    { height, atMs, blockMs: pace.blockMs, blockMsMeasured: pace.isMeasured, validators },
    [head, ...lines].join('\n'),
  );
  return isSomeLost ? 3 : 0;
}

async function forecastHeld(
  held: HeldAttestation,
  bundle: EvidenceBundle,
  rules: NetworkRules,
  { blockMs }: Pace,
  sets: SetFinder,
): Promise<{ readonly made: Forecast; readonly missing: readonly string[] }> {
  const { policy, trustAnchors, atMs, height, scheduled } = rules;
  const evidence = bundle.evidence.report;
  const { alternatives, missing } = await sets(evidence, atMs);
  const { validUntilHeight, aliveUntilHeight } = held;
  const measurementUntilHeight = graceOf(held, rules);
  const input: ForecastInput = {
    evidence,
    endorsements: evidenceEndorsementsOf(bundle.endorsements),
    policy,
    trustAnchors,
    atMs,
    heights: { height, validUntilHeight, aliveUntilHeight, measurementUntilHeight, blockMs },
    scheduled,
    alternatives,
  };
  return { made: forecast(input), missing };
}

/** Last height at which its software counts, where that is limited. */
function graceOf(
  { platform, measurement, image }: HeldAttestation,
  { measurements }: NetworkRules,
): number | undefined {
  const entry = measurements.find(
    (view) => view.platform === platform && view.measurement === measurement && view.image === image,
  );
  return entry?.status === 'grace-until' ? (entry.graceUntilHeight ?? undefined) : undefined;
}

function bundleOf(bytes: Uint8Array): EvidenceBundle {
  const decoded = decodeEvidenceBundle(bytes);
  if (!decoded.ok) throw new NodeError('API_FAILED', `the node's evidence is not understood: ${decoded.code}`);
  return decoded.value;
}
