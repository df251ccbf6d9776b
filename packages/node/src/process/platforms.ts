/** Platforms as people and flags name them, and what each one's SIMULATED machine measures of an image. */
import { PLATFORMS, type Platform } from '@cloister/attestation';
import { simulatedMeasurement } from '@cloister/attestation/simulated';
import type { Measurement } from '@cloister/encoding';
import { type Flag, type Invocation, listFlag, UsageError } from '../commands/command.ts';

const NAMES: Readonly<Record<Platform, string>> = { nitro: 'Nitro', 'sev-snp': 'SEV-SNP', sgx: 'SGX', tdx: 'TDX' };

/** Such as "SIMULATED TDX": wherever a platform of a simulated chain is shown. */
export function platformName(platform: Platform, simulated: boolean): string {
  return simulated ? `SIMULATED ${NAMES[platform]}` : NAMES[platform];
}

export type PlatformMeasurement = { readonly platform: Platform; readonly measurement: Measurement };

/** What evidence of simulated machines shows for an image with this launch digest, by platform in ascending order. */
export function simulatedMeasurements(
  launchDigest: Measurement,
  platforms: readonly Platform[] = PLATFORMS,
): readonly PlatformMeasurement[] {
  return [...platforms]
    .sort()
    .map((platform) => ({ platform, measurement: simulatedMeasurement(platform, launchDigest) }));
}

/** `--platform`, for several. */
export function platformFlag(about: string): Flag {
  return { type: 'string', multiple: true, value: 'PLATFORM', about };
}

/** The platforms that were named, ascending; undefined when none was. */
export function platformsGiven(invocation: Invocation): readonly Platform[] | undefined {
  const words = listFlag(invocation, 'platform');
  if (words.length === 0) return undefined;
  const unknown = words.find((word) => !PLATFORMS.some((platform) => platform === word));
  if (unknown !== undefined) throw new UsageError(`--platform is one of ${PLATFORMS.join(', ')}, not '${unknown}'`);
  return PLATFORMS.filter((platform) => words.includes(platform));
}
