/** `cloister enclave …`: builds, signs, measures and inspects enclave images. */
import { join } from 'node:path';
import type { JsonValue, Measurement } from '@cloister/encoding';
import { buildImage, IMAGE_SIGNATURE_FILE, inspectImage, measureImage, signImage } from '@cloister/platform';
import { platformName, simulatedMeasurements } from '../../process/platforms.ts';
import { type CliCommand, positional, requiredFlag } from '../command.ts';
import { accountKey } from './keys.ts';

type Measured = { readonly measurement: Measurement; readonly image: string };

/** The digest of the image, and its reference value on each platform: their base is SIMULATED, and measures nothing else. */
function describe({ measurement, image }: Measured): string {
  const lines = simulatedMeasurements(measurement).map(
    (one) => `measurement on ${platformName(one.platform, true).padEnd(17)} ${one.measurement}`,
  );
  return [`image                            ${image}`, ...lines].join('\n');
}

function describeJson({ measurement, image }: Measured): { readonly [name: string]: JsonValue } {
  const measurements = simulatedMeasurements(measurement).map((one) => ({ ...one }));
  return { measurement, image, simulated: true, measurements };
}

export const enclaveBuild: CliCommand = {
  name: 'enclave build',
  summary: 'Build the enclave image of this version, byte for byte the same everywhere.',
  usage: '<folder>',
  flags: {},
  positionals: { min: 1, max: 1 },
  chain: 'never',
  async run(invocation) {
    const folder = positional(invocation, 0);
    const built = await buildImage(folder);
    invocation.output.result(describeJson(built), describe(built));
    return 0;
  },
};

export const enclaveMeasure: CliCommand = {
  name: 'enclave measure',
  summary: 'Print what a platform would measure of an image.',
  usage: '<folder>',
  flags: {},
  positionals: { min: 1, max: 1 },
  chain: 'never',
  async run(invocation) {
    const measured = await measureImage(positional(invocation, 0));
    invocation.output.result(describeJson(measured), describe(measured));
    return 0;
  },
};

export const enclaveInspect: CliCommand = {
  name: 'enclave inspect',
  summary: 'Check every file of an image against its manifest; exit 3 when one differs.',
  usage: '<folder>',
  flags: {},
  positionals: { min: 1, max: 1 },
  chain: 'never',
  async run(invocation) {
    const inspected = await inspectImage(positional(invocation, 0));
    const { manifest, deviations } = inspected;
    const findings = deviations.map(({ path, kind }) => `${path} is ${kind}`);
    const text = findings.length === 0 ? 'every file is as the manifest says' : findings.join('\n');
    const value = { ...describeJson(inspected), manifest, deviations } as unknown as JsonValue;
    invocation.output.result(value, `${manifest.name} ${manifest.version}\n${describe(inspected)}\n${text}`);
    return findings.length === 0 ? 0 : 3;
  },
};

export const enclaveSign: CliCommand = {
  name: 'enclave sign',
  summary: "Put the publisher's signature beside an image; it is no part of the measurement.",
  usage: '<folder> --key NAME',
  flags: {
    key: { type: 'string', value: 'NAME', about: "Account key of the publisher: a name of 'keys list', or a file." },
  },
  positionals: { min: 1, max: 1 },
  chain: 'never',
  async run(invocation) {
    const folder = positional(invocation, 0);
    const key = await accountKey(invocation.home, requiredFlag(invocation, 'key'));
    const signer = await signImage(folder, key);
    const file = join(folder, IMAGE_SIGNATURE_FILE);
    invocation.output.result({ signer, file }, `signed by ${signer}\nwritten to ${file}`);
    return 0;
  },
};
