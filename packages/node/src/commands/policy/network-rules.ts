/** The rules of a network as a node tells them: trust anchors, policy in force and to come, measurements, pace of blocks. */
import { type AppraisalPolicy, appraisalPolicyFromJson, type TrustAnchors } from '@cloister/attestation';
import { canonicalJson, type Digest, type JsonValue, utf8 } from '@cloister/encoding';
import { type MeasurementProjection, parseGenesis } from '@cloister/ledger';
import { NodeError } from '../../process/errors.ts';
import type { Output } from '../command.ts';
import { getJson } from '../network/connect.ts';

export type ScheduledChange = {
  readonly policy: AppraisalPolicy;
  readonly loosenings: readonly string[];
  readonly effectiveHeight: number;
};

export type NetworkRules = {
  readonly network: string;
  readonly chainId: Digest;
  readonly trustAnchors: TrustAnchors;
  /** In force. */
  readonly policy: AppraisalPolicy;
  readonly scheduled: ScheduledChange | undefined;
  /** Names policy, anchors and measurements together. */
  readonly rulesDigest: string;
  readonly measurements: readonly MeasurementProjection[];
  readonly height: number;
  /** Block time. */
  readonly atMs: number;
};

function policyOf(value: JsonValue): AppraisalPolicy {
  const policy = appraisalPolicyFromJson(value);
  if (!policy.ok) throw new NodeError('API_FAILED', `the node's policy is not understood: ${policy.code}`);
  return policy.value;
}

type PolicyAnswer = {
  readonly policy: JsonValue;
  readonly policyDigest: string;
  readonly scheduled: {
    readonly policy: JsonValue;
    readonly loosenings: readonly string[];
    readonly effectiveHeight: number;
  } | null;
};

function changeOf(scheduled: PolicyAnswer['scheduled']): ScheduledChange | undefined {
  if (scheduled === null) return undefined;
  const { policy, loosenings, effectiveHeight } = scheduled;
  return { policy: policyOf(policy), loosenings, effectiveHeight };
}

/** @throws NodeError API_FAILED */
export async function readRules(output: Output, url: string): Promise<NetworkRules> {
  const parsed = parseGenesis(utf8(canonicalJson(await getJson(output, url, '/v1/genesis'))));
  if (!parsed.ok) throw new NodeError('API_FAILED', `the node's genesis is not understood: ${parsed.code}`);
  const [status, measured, current] = await Promise.all([
    getJson(output, url, '/v1/status') as Promise<unknown> as Promise<{ height: number; blockTimeMs: number }>,
    getJson(output, url, '/v1/measurements') as Promise<unknown> as Promise<{
      measurements: readonly MeasurementProjection[];
    }>,
    getJson(output, url, '/v1/policy') as Promise<unknown> as Promise<PolicyAnswer>,
  ]);
  const { name: network, trustAnchors } = parsed.value.genesis;
  return {
    network,
    chainId: parsed.value.chainId,
    trustAnchors,
    policy: policyOf(current.policy),
    scheduled: changeOf(current.scheduled),
    rulesDigest: current.policyDigest,
    measurements: measured.measurements,
    height: status.height,
    atMs: status.blockTimeMs,
  };
}

/** Blocks by which the pace is measured. */
const PACE_BLOCKS = 100;
const ASSUMED_BLOCK_MS = 1000;

export type Pace = { readonly blockMs: number; readonly isMeasured: boolean };

/** Block time from one block to the next, over the newest blocks that the node has; a second where it has too few. */
export async function readPace(output: Output, url: string): Promise<Pace> {
  const { blocks } = (await getJson(output, url, `/v1/blocks?limit=${PACE_BLOCKS}`)) as unknown as {
    readonly blocks: readonly { readonly height: number; readonly timeMs: number }[];
  };
  const [first, last] = [blocks[0], blocks.at(-1)];
  if (first === undefined || last === undefined || last.height <= first.height || last.timeMs <= first.timeMs) {
    return { blockMs: ASSUMED_BLOCK_MS, isMeasured: false };
  }
  return { blockMs: (last.timeMs - first.timeMs) / (last.height - first.height), isMeasured: true };
}
