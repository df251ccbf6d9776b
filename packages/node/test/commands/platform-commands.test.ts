/** What commands say of platforms: measurements of an image, and the reference values of a genesis. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { appraisalPolicyToJson, PLATFORMS, trustAnchorsToJson } from '@cloister/attestation';
import { simulatedAppraisalPolicy, simulatedMeasurement } from '@cloister/attestation/simulated';
import { ed25519KeyPair } from '@cloister/crypto';
import type { JsonValue } from '@cloister/encoding';
import { parseGenesis } from '@cloister/ledger';
import { type BuiltImage, buildImage } from '@cloister/platform';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CliCommand, type FlagValue, Output, UsageError } from '../../src/commands/command.ts';
import { genesisCreate } from '../../src/commands/network/genesis.ts';
import { enclaveInspect, enclaveMeasure } from '../../src/commands/process/enclave.ts';
import { seedOf, temporaryFolder } from '../samples.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let image: string;
let built: BuiltImage;

beforeAll(async () => {
  folder = await temporaryFolder();
  image = join(folder.path, 'image');
  built = await buildImage(image);
});
afterAll(() => folder.remove());

class Captured extends Output {
  value: JsonValue = null;
  text = '';
  override result(value: JsonValue, text: string): void {
    this.value = value;
    this.text = text;
  }
}

async function run(command: CliCommand, flags: { [name: string]: FlagValue }, ...words: string[]): Promise<Captured> {
  const output = new Captured(true, 'never');
  expect(await command.run({ flags, positionals: words, output, home: folder.path })).toBe(0);
  return output;
}

it.each([enclaveMeasure, enclaveInspect])('$name prints what each SIMULATED platform measures', async (command) => {
  const { value, text } = await run(command, {}, image);
  const measurements = PLATFORMS.map((platform) => ({
    platform,
    measurement: simulatedMeasurement(platform, built.measurement),
  }));
  expect(value).toMatchObject({ image: built.image, simulated: true, measurements });
  for (const { measurement } of measurements) expect(text).toMatch(new RegExp(`SIMULATED \\S+ +${measurement}`));
});

let made = 0;
async function createGenesis(platforms: readonly string[], from = image): Promise<JsonValue> {
  const { id } = ed25519KeyPair(seedOf('validator'));
  const out = join(folder.path, `genesis-${made++}.json`);
  const flags = { name: 'n', validator: [`v:${id}`], governance: [id], image: [from], platform: platforms, out };
  await run(genesisCreate, flags);
  const parsed = parseGenesis(await readFile(out));
  if (!parsed.ok) throw new Error(parsed.code);
  return parsed.value.genesis.referenceValues.map(({ platform, measurement }) => ({ platform, measurement }));
}

it('genesis create allows an image on all platforms, or on those that are named', async () => {
  const all = PLATFORMS.map((platform) => ({
    platform,
    measurement: simulatedMeasurement(platform, built.measurement),
  }));
  expect(await createGenesis([])).toEqual(all);
  expect(await createGenesis(['tdx', 'nitro'])).toEqual(
    all.filter(({ platform }) => ['nitro', 'tdx'].includes(platform)),
  );
  await expect(createGenesis(['sev'])).rejects.toBeInstanceOf(UsageError);
});

it('genesis create allows no debug image on any platform', async () => {
  const debug = join(folder.path, 'debug');
  await mkdir(debug);
  await buildImage(debug, { debug: true });
  await expect(createGenesis(['tdx'], debug)).rejects.toMatchObject({ code: 'GENESIS_INVALID' });
});

it('genesis create trusts vendors, with measured bases and a policy of its own', async () => {
  const { id } = ed25519KeyPair(seedOf('validator'));
  const policyFile = join(folder.path, 'policy.json');
  const policy = simulatedAppraisalPolicy({ maxAgeBlocks: 5, refreshWindowBlocks: 4, nonceWindowBlocks: 3 });
  await writeFile(policyFile, JSON.stringify(appraisalPolicyToJson(policy)));
  const bases = [`tdx:${'ab'.repeat(48)}`, `sev-snp:${'cd'.repeat(48)}`];
  const flags = { name: 'n', validator: [`v:${id}`], governance: [id], image: [image], policy: policyFile };
  const out = join(folder.path, 'vendors.json');
  const { text } = await run(genesisCreate, { ...flags, vendor: ['intel', 'amd'], base: bases, out });
  expect(text).toContain('the pinned roots of intel, amd');
  expect(text).not.toContain('SIMULATED');
  const parsed = parseGenesis(await readFile(out));
  if (!parsed.ok) throw new Error(parsed.code);
  const { trustAnchors, appraisalPolicy, referenceValues } = parsed.value.genesis;
  expect(trustAnchorsToJson(trustAnchors)).toEqual({ simulated: false, vendors: ['amd', 'intel'] });
  expect(appraisalPolicy).toEqual(policy);
  expect(referenceValues).toMatchObject([
    { platform: 'sev-snp', measurement: 'cd'.repeat(48), image: built.image },
    { platform: 'tdx', measurement: 'ab'.repeat(48), image: built.image },
  ]);
  const { policy: _, ...withoutPolicy } = flags;
  for (const wrong of [
    { ...withoutPolicy, vendor: ['intel'], base: bases },
    { ...flags, vendor: ['acme'], base: bases },
    { ...flags, vendor: ['intel'], base: ['tdx:ab'] },
    { ...flags, vendor: ['intel'], base: [`arm:${'ab'.repeat(48)}`] },
    { ...flags, vendor: ['intel'], platform: ['tdx'] },
    { ...flags, base: bases },
  ]) {
    await expect(run(genesisCreate, { ...wrong, out: join(folder.path, 'no.json') })).rejects.toBeInstanceOf(
      UsageError,
    );
  }
});
