/** `cloister enclave …`: builds, signs, measures and inspects enclave images. */
import { join } from 'node:path';
import type { JsonValue } from '@cloister/crypto';
import { buildImage, IMAGE_SIGNATURE_FILE, inspectImage, measureImage, signImage } from '@cloister/enclave';
import { type Command, positional, requiredFlag } from './command.ts';
import { accountKey } from './keys.ts';

function describe({ measurement, image }: { readonly measurement: string; readonly image: string }): string {
  return `measurement ${measurement}\nimage       ${image}`;
}

export const enclaveBuild: Command = {
  name: 'enclave build',
  summary: 'Build the enclave image of this version, byte for byte the same everywhere.',
  usage: '<folder>',
  flags: {},
  positionals: { min: 1, max: 1 },
  async run(invocation) {
    const folder = positional(invocation, 0);
    const { measurement, image } = await buildImage(folder);
    invocation.output.result({ measurement, image }, describe({ measurement, image }));
    return 0;
  },
};

export const enclaveMeasure: Command = {
  name: 'enclave measure',
  summary: 'Print what a platform would measure of an image.',
  usage: '<folder>',
  flags: {},
  positionals: { min: 1, max: 1 },
  async run(invocation) {
    const measured = await measureImage(positional(invocation, 0));
    invocation.output.result({ ...measured }, describe(measured));
    return 0;
  },
};

export const enclaveInspect: Command = {
  name: 'enclave inspect',
  summary: 'Check every file of an image against its manifest; exit 3 when one differs.',
  usage: '<folder>',
  flags: {},
  positionals: { min: 1, max: 1 },
  async run(invocation) {
    const inspected = await inspectImage(positional(invocation, 0));
    const { manifest, measurement, image, deviations } = inspected;
    const findings = deviations.map(({ path, kind }) => `${path} is ${kind}`);
    const text = findings.length === 0 ? 'every file is as the manifest says' : findings.join('\n');
    const value = { measurement, image, manifest, deviations } as unknown as JsonValue;
    invocation.output.result(value, `${manifest.name} ${manifest.version}\n${describe(inspected)}\n${text}`);
    return findings.length === 0 ? 0 : 3;
  },
};

export const enclaveSign: Command = {
  name: 'enclave sign',
  summary: "Put the publisher's signature beside an image; it is no part of the measurement.",
  usage: '<folder> --key NAME',
  flags: {
    key: { type: 'string', value: 'NAME', about: "Account key of the publisher: a name of 'keys list', or a file." },
  },
  positionals: { min: 1, max: 1 },
  async run(invocation) {
    const folder = positional(invocation, 0);
    const key = await accountKey(invocation.home, requiredFlag(invocation, 'key'));
    const signer = await signImage(folder, key);
    const file = join(folder, IMAGE_SIGNATURE_FILE);
    invocation.output.result({ signer, file }, `signed by ${signer}\nwritten to ${file}`);
    return 0;
  },
};
