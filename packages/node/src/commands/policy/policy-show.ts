/** `cloister policy show`: by which rules a network takes evidence, and what is about to change. */
import { appraisalPolicyToJson, loosenings, policyDigest } from '@cloister/attestation';
import type { ListedMeasurement } from '@cloister/client';
import type { CliCommand } from '../command.ts';
import { NODE_FLAG, operatorApi } from '../network/connect.ts';
import { readRules, type ScheduledChange } from './network-rules.ts';

function describeMeasurement(view: ListedMeasurement): string {
  const { platform, name, measurement, image, phase, graceUntilHeight, effectiveHeight, nodes } = view;
  const until = graceUntilHeight === null ? '' : `, counts until block ${graceUntilHeight}`;
  const from = phase === 'pending' ? `, counts from block ${effectiveHeight}` : '';
  return `  ${platform} ${name}: ${phase}${until}${from}, run by ${nodes.length}\n    measurement ${measurement}\n    image       ${image}`;
}

function describeChange(change: ScheduledChange | undefined): string {
  if (change === undefined) return 'no change is scheduled';
  const { policy, loosenings: looser, effectiveHeight } = change;
  const what = looser.length === 0 ? 'loosens nothing' : `loosens ${looser.join(', ')}`;
  return `from block ${effectiveHeight} on: policy ${policyDigest(policy)}, which ${what}`;
}

export const policyShow: CliCommand = {
  name: 'policy show',
  summary:
    "Print the network's appraisal policy, the change that is scheduled, and the measurements that may hold keys.",
  usage: '[--node URL]',
  flags: NODE_FLAG,
  positionals: { min: 0, max: 0 },
  chain: 'always',
  async run(invocation) {
    const rules = await readRules(invocation.output, await operatorApi(invocation));
    const { network, chainId, policy, scheduled, measurements, height, rulesDigest } = rules;
    const json = {
      network,
      chainId,
      height,
      policyDigest: policyDigest(policy),
      rulesDigest,
      policy: appraisalPolicyToJson(policy),
      scheduled:
        scheduled === undefined
          ? null
          : {
              policyDigest: policyDigest(scheduled.policy),
              policy: appraisalPolicyToJson(scheduled.policy),
              loosenings: [...loosenings(policy, scheduled.policy)],
              effectiveHeight: scheduled.effectiveHeight,
            },
      measurements: measurements.map((one) => ({ ...one })),
    };
    const lines = [
      `${network} ${chainId}, block ${height}`,
      `policy ${json.policyDigest}`,
      JSON.stringify(json.policy, null, 2),
      describeChange(scheduled),
      `measurements (policy, anchors and these together: ${rulesDigest})`,
      ...(measurements.length === 0 ? ['  none'] : measurements.map(describeMeasurement)),
    ];
    invocation.output.result(json, lines.join('\n'));
    return 0;
  },
};
