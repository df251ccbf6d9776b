/** `cloister policy check` and `cloister policy diff`: a policy file by itself, and beside the one in force. */
import { type AppraisalPolicy, appraisalPolicyToJson, loosenings, policyDigest } from '@cloister/attestation';
import { canonicalJson, type JsonValue } from '@cloister/encoding';
import { anyObject, parseShape } from '@cloister/encoding/shape';
import { NodeError } from '../../process/errors.ts';
import { readPolicy, readPolicyFile } from '../attest/attest-files.ts';
import { type CliCommand, type Invocation, positional, textFlag } from '../command.ts';
import { NODE_FLAG, operatorApi } from '../network/connect.ts';
import { readRules } from './network-rules.ts';

/** The policy in force, if a node is named or runs in the home. */
async function policyInForce(invocation: Invocation): Promise<AppraisalPolicy | undefined> {
  try {
    return (await readRules(invocation.output, await operatorApi(invocation))).policy;
  } catch (error) {
    const isNone = error instanceof NodeError && error.code === 'STOPPED' && textFlag(invocation, 'node') === undefined;
    if (!isNone) throw error;
    return undefined;
  }
}

function describeLoosenings(looser: readonly string[]): string {
  return looser.length === 0
    ? 'nowhere looser than the policy in force: it would take effect at once'
    : `looser than the policy in force in ${looser.join(', ')}: it would take effect after the delay of the network`;
}

export const policyCheck: CliCommand = {
  name: 'policy check',
  summary: 'Check a policy file and say what it would loosen; exit 3 when it is no policy that a ledger takes.',
  usage: '<file> [--node URL]',
  flags: NODE_FLAG,
  positionals: { min: 1, max: 1 },
  chain: 'sometimes',
  async run(invocation) {
    const path = positional(invocation, 0);
    const read = await readPolicyFile(path);
    if (!read.ok) {
      const { code, detail } = read;
      invocation.output.result({ valid: false, code, detail }, `${path}: refused: ${code} ${detail}`.trimEnd());
      return 3;
    }
    const current = await policyInForce(invocation);
    const digest = policyDigest(read.policy);
    const looser = current === undefined ? undefined : [...loosenings(current, read.policy)];
    const isUnchanged = current !== undefined && policyDigest(current) === digest;
    const compared = isUnchanged ? 'it is the policy in force' : describeLoosenings(looser ?? []);
    invocation.output.result(
      {
        valid: true,
        policyDigest: digest,
        unchanged: current === undefined ? null : isUnchanged,
        loosenings: looser ?? null,
      },
      [`${path}: valid`, `policy ${digest}`, looser === undefined ? 'not compared: no node was asked' : compared].join(
        '\n',
      ),
    );
    return 0;
  },
};

export type PolicyDifference = { readonly path: string; readonly from: JsonValue; readonly to: JsonValue };

/** What differs, member by member; lists and values as a whole. */
export function differencesOf(from: JsonValue, to: JsonValue, path = ''): readonly PolicyDifference[] {
  if (canonicalJson(from) === canonicalJson(to)) return [];
  const [before, after] = [membersOf(from), membersOf(to)];
  if (before === undefined || after === undefined) return [{ path, from, to }];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) =>
    differencesOf(before[name] ?? null, after[name] ?? null, path === '' ? name : `${path}.${name}`),
  );
}

function membersOf(value: JsonValue): { readonly [member: string]: JsonValue } | undefined {
  const read = parseShape(anyObject, value);
  return read.ok ? read.value : undefined;
}

export const policyDiff: CliCommand = {
  name: 'policy diff',
  summary: 'Print where a policy file differs from the policy in force.',
  usage: '<file> [--node URL]',
  flags: NODE_FLAG,
  positionals: { min: 1, max: 1 },
  chain: 'always',
  async run(invocation) {
    const next = await readPolicy(positional(invocation, 0));
    const { policy: current } = await readRules(invocation.output, await operatorApi(invocation));
    const looser = loosenings(current, next);
    const differences = differencesOf(appraisalPolicyToJson(current), appraisalPolicyToJson(next));
    const lines = differences.map(({ path, from, to }) => {
      const mark = looser.some((name) => path === name || path.startsWith(`${name}.`)) ? 'LOOSER ' : '';
      return `${mark}${path}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
    });
    invocation.output.result(
      { from: policyDigest(current), to: policyDigest(next), loosenings: [...looser], differences: [...differences] },
      [
        `from policy ${policyDigest(current)}`,
        `to policy   ${policyDigest(next)}`,
        ...(lines.length === 0 ? ['no difference'] : [...lines, describeLoosenings(looser)]),
      ].join('\n'),
    );
    return 0;
  },
};
