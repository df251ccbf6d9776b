/** The rules of a network as a node tells them: trust anchors, policy in force and to come, measurements, pace of blocks. */
import type { AppraisalPolicy, TrustAnchors } from '@cloister/attestation';
import type { ListedMeasurement, OperatorApi } from '@cloister/client';
import type { Digest } from '@cloister/encoding';
import { parseGenesis } from '@cloister/ledger';
import { NodeError } from '../../process/errors.ts';
import type { Output } from '../command.ts';
import { said } from '../network/connect.ts';

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
  readonly measurements: readonly ListedMeasurement[];
  readonly height: number;
  /** Block time. */
  readonly atMs: number;
};

/** @throws ClientError with an API code; NodeError API_FAILED for a genesis that is none */
export async function readRules(output: Output, api: OperatorApi): Promise<NetworkRules> {
  const parsed = parseGenesis(await api.genesis());
  if (!parsed.ok) throw new NodeError('API_FAILED', `the node's genesis is not understood: ${parsed.code}`);
  const [status, measurements, current] = await Promise.all([api.status(), api.measurements(), api.policy()]);
  const { name: network, trustAnchors } = parsed.value.genesis;
  const { height, blockTimeMs } = said(output, status);
  const { policy, policyDigest, scheduled } = said(output, current);
  return {
    network,
    chainId: parsed.value.chainId,
    trustAnchors,
    policy,
    scheduled: scheduled ?? undefined,
    rulesDigest: policyDigest,
    measurements: said(output, measurements),
    height,
    atMs: blockTimeMs,
  };
}

/** Blocks by which the pace is measured. */
const PACE_BLOCKS = 100;
const ASSUMED_BLOCK_MS = 1000;

export type Pace = { readonly blockMs: number; readonly isMeasured: boolean };

/** Block time from one block to the next, over the newest blocks that the node has; a second where it has too few. */
export async function readPace(output: Output, api: OperatorApi): Promise<Pace> {
  const blocks = said(output, await api.blocks(PACE_BLOCKS));
  const [first, last] = [blocks[0], blocks.at(-1)];
  if (first === undefined || last === undefined || last.height <= first.height || last.timeMs <= first.timeMs) {
    return { blockMs: ASSUMED_BLOCK_MS, isMeasured: false };
  }
  return { blockMs: (last.timeMs - first.timeMs) / (last.height - first.height), isMeasured: true };
}
