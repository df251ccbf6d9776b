/** Bundles and appraisals on simulated machines of every platform. */
import { asDigest, asMeasurement, toHex } from '@cloister/encoding';
import { expect } from 'vitest';
import {
  type Appraisal,
  type Endorsements,
  type EvidenceBundle,
  encodeRuntimeData,
  type Platform,
  reportDataFor,
  SIMULATED_ANCHORS,
  withNewerEndorsements,
} from '../src/index.ts';
import { type SimulatedMachine, simulatedMachine, simulatedMeasurement } from '../src/simulated/index.ts';
import { AT_MS, IMAGE, MEASUREMENT, policy, runtime, seedOf } from './formats/snp-fixture.ts';

export const MACHINES: Readonly<Record<Platform, SimulatedMachine>> = {
  nitro: simulatedMachine({ seed: seedOf(81), platform: 'nitro' }),
  'sev-snp': simulatedMachine({ seed: seedOf(82), platform: 'sev-snp' }),
  sgx: simulatedMachine({ seed: seedOf(83), platform: 'sgx' }),
  tdx: simulatedMachine({ seed: seedOf(84), platform: 'tdx' }),
};

/** What the machine of a platform gives for the runtime data of the SNP fixture. */
export function machineBundle(platform: Platform, nowMs: number = AT_MS, said = runtime): EvidenceBundle {
  const runtimeData = encodeRuntimeData(said);
  const launch = { reportData: reportDataFor(runtimeData), launchDigest: MEASUREMENT, image: IMAGE };
  return { ...MACHINES[platform].collect(launch, nowMs), runtimeData };
}

/** An appraisal that is accepted unless something is overridden. */
export function machineAppraisal(platform: Platform, overrides: Partial<Appraisal> = {}): Appraisal {
  return {
    bundle: machineBundle(platform),
    referenceValues: [
      {
        platform,
        measurement: simulatedMeasurement(platform, asMeasurement(toHex(MEASUREMENT))),
        image: asDigest(toHex(IMAGE)),
        status: 'allowed',
      },
    ],
    policy,
    trustAnchors: SIMULATED_ANCHORS,
    atMs: AT_MS,
    ...overrides,
  };
}

/** The bundle that newer endorsements make of one; undefined when they touch nothing in it. */
export function mergedWith(bundle: EvidenceBundle, newer: Endorsements): EvidenceBundle | undefined {
  const merge = withNewerEndorsements(bundle, newer);
  if (merge.outcome === 'SIGNER_CHANGED') expect.fail(merge.outcome);
  return merge.outcome === 'merged' ? merge.bundle : undefined;
}
