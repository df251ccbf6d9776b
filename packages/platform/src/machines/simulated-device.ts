/**
 * The simulated machine of one platform process, with the endorsements that its vendor's service would give.
 *
 * SIMULATED: the machine's seed lies in an operator's file and the authorities' keys are public.
 */
import { readFile, stat } from 'node:fs/promises';
import { simulatedMachine, simulatedMeasurement } from '@cloister/attestation/simulated';
import { imageDigest, imageMeasurement } from '@cloister/confidential';
import { CodedError, fromHex, parseHex } from '@cloister/encoding';
import type { LaunchedDevice } from './launched-device.ts';
import type { SimulatedMachineOrder } from './machine-order.ts';

const SEED_BYTES = 32;

type DeviceSeedErrorCode = 'DEVICE_SEED_UNREADABLE' | 'DEVICE_SEED_EXPOSED' | 'DEVICE_SEED_MALFORMED';

class DeviceSeedError extends CodedError<DeviceSeedErrorCode> {}

/** Reads a seed of 32 bytes in hex from a file that nobody else can read. Throws `DeviceSeedError`. */
export async function readDeviceSeed(file: string): Promise<Uint8Array> {
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) throw new DeviceSeedError('DEVICE_SEED_EXPOSED', `${file} can be read by others`);
    text = await readFile(file, 'latin1');
  } catch (cause) {
    if (cause instanceof DeviceSeedError) throw cause;
    throw new DeviceSeedError('DEVICE_SEED_UNREADABLE', `cannot read ${file}`, { cause });
  }
  const seed = parseHex(text.trim(), SEED_BYTES);
  if (seed === undefined) throw new DeviceSeedError('DEVICE_SEED_MALFORMED', `${file} does not hold 32 bytes in hex`);
  return seed;
}

/** The machine with this seed, running the image that has this manifest: the only thing it ever signs for. */
export function launchDevice(
  seed: Uint8Array,
  { platform, product }: Pick<SimulatedMachineOrder, 'platform' | 'product'>,
  manifest: Uint8Array,
  now: () => number,
): LaunchedDevice {
  const machine = simulatedMachine({ seed, platform, product });
  const launchDigest = imageMeasurement(manifest);
  const image = imageDigest(manifest);
  const launched = { launchDigest: fromHex(launchDigest), image: fromHex(image) };
  return {
    platform,
    product: machine.product,
    measurement: simulatedMeasurement(platform, launchDigest),
    image,
    collect: async (reportData) => machine.collect({ reportData, ...launched }, now()),
  };
}
