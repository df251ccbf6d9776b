/**
 * The main job in front of the user: an owner seals, publishes and grants a model; a tenant sends sealed images and opens
 * verified answers. Both run here, on the client's side: no validator sees weights, images or answers.
 */
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { CloisterClient, createHttpApi, type InferenceResult } from '@cloister/client';
import type { AccountId, Digest } from '@cloister/crypto';
import { writeFileAtomic } from '../atomic-file.ts';
import type { Output } from '../commands/command.ts';
import { accountKey } from '../commands/keys.ts';
import { tensorNumbers } from '../commands/tensors-json.ts';
import { DIGIT_PIXELS, type Digit, digitsSplit } from '../digits/split.ts';
import { type BareModel, DIGITS_MODEL, loadBareModel } from './bare-model.ts';
import type { TestnetLayout } from './layout.ts';
import { beside, drawDigit, short, step } from './render.ts';

type Parties = { readonly owner: CloisterClient; readonly tenant: CloisterClient };

export type JobOptions = {
  readonly layout: TestnetLayout;
  readonly api: string;
  readonly images: number;
  readonly output: Output;
};

async function connect({ layout, api }: JobOptions): Promise<Parties> {
  const client = async (name: string): Promise<CloisterClient> =>
    CloisterClient.connect({
      api: createHttpApi({ baseUrl: api }),
      chainId: layout.chainId,
      keyPair: await accountKey(layout.clientHome, name),
      // This is a testnet, and it says SIMULATED wherever it prints a result.
      acceptSimulated: true,
    });
  return { owner: await client('owner'), tenant: await client('tenant') };
}

async function publish({ owner }: Parties, { layout, output }: JobOptions): Promise<Digest> {
  const prepared = owner.prepareModel({
    onnx: await readFile(DIGITS_MODEL),
    name: 'digits',
    version: '1',
    inputs: [{ name: 'image', datatype: 'FP32', shape: [1, DIGIT_PIXELS] }],
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 10] }],
    engine: { name: 'onnxruntime-node', version: '1.30.0' },
    releasePolicy: { images: [layout.image.digest], platforms: ['sev-snp'], mayReplicate: false },
    executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
  });
  await step(
    output,
    `owner seals the digits model (${prepared.ciphertext.length} bytes) and publishes ${short(prepared.model)}`,
    () => owner.publishModel(prepared),
  );
  for (const { id, name } of layout.validators) {
    await step(output, `owner verifies the enclave of ${name} and grants it the model's key`, () =>
      owner.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: id }),
    );
  }
  return prepared.model;
}

/** The first images go to one executor each, in turn; the last goes to several at once, more than half of whom must agree. */
function executorsFor(index: number, options: JobOptions): AccountId[] {
  const ids = options.layout.validators.map(({ id }) => id);
  const several = Math.min(3, ids.length);
  if (index === options.images - 1 && several > 1) return ids.slice(0, several);
  return ids.slice(index % ids.length, (index % ids.length) + 1);
}

function highest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((best, value, i, all) => (value > (all[best] ?? 0) ? i : best), 0);
}

async function account(
  result: InferenceResult,
  digit: Digit,
  bare: BareModel,
  options: JobOptions,
  index: number,
): Promise<boolean> {
  const { outcome, receipts } = result;
  const tensor = outcome.status === 'completed' ? outcome.tensors[0] : undefined;
  const answer = tensor === undefined ? [] : tensorNumbers(tensor);
  const expected = Array.from(await bare.run(digit.image));
  const same = answer.length === expected.length && answer.every((value, i) => value === expected[i]);
  const files: string[] = [];
  for (const [i, receipt] of receipts.entries()) {
    const file = join(options.layout.folder, 'receipts', `${short(result.task)}-${i + 1}.dsse.json`);
    await writeFileAtomic(file, receipt.bytes);
    files.push(file);
  }
  const names = new Map(options.layout.validators.map(({ id, name }) => [id, name]));
  const read = highest(answer);
  const title = `inference ${index + 1} of ${options.images}`;
  options.output.result(
    {
      event: 'inference',
      task: result.task,
      label: digit.label,
      answer: read,
      equalsBareModel: same,
      executors: receipts.map(({ executor }) => executor.node),
      threshold: result.threshold,
      measurement: receipts[0]?.executor.measurement ?? null,
      requestedInBlock: result.requestHeight,
      completedInBlock: result.completedHeight,
      receipts: files,
      simulated: result.simulated,
    },
    `\n${title}\n${beside(
      drawDigit(digit.image),
      [
        `answer       ${read}  (probability ${(answer[read] ?? 0).toFixed(4)}; a person wrote ${digit.label})`,
        `bare model   ${same ? 'gives exactly the same ten probabilities' : `DIFFERS: ${highest(expected)}`}`,
        `executed by  ${receipts.map(({ executor }) => names.get(executor.node) ?? short(executor.node)).join(', ')}`,
        `agreement    ${receipts.length} equal of ${executorsFor(index, options).length} asked, ${result.threshold} needed`,
        `measurement  ${short(receipts[0]?.executor.measurement ?? '')}… SIMULATED SEV-SNP`,
        `blocks       requested in ${result.requestHeight}, completed in ${result.completedHeight}`,
        `task         ${short(result.task)}…`,
        `receipt      ${relative(process.cwd(), files[0] ?? '')}`,
      ],
      28,
    )}`,
  );
  return same && outcome.status === 'completed';
}

/** @returns whether every answer equals the bare model's. */
export async function runMainJob(options: JobOptions): Promise<{ readonly model: Digest; readonly equal: boolean }> {
  const parties = await connect(options);
  const bare = await loadBareModel();
  const model = await publish(parties, options);
  const { held } = digitsSplit();
  let equal = true;
  for (let index = 0; index < options.images; index++) {
    const digit = held[index % held.length];
    if (digit === undefined) break;
    const executors = executorsFor(index, options);
    const bytes = new Uint8Array(digit.image.buffer, digit.image.byteOffset, digit.image.byteLength);
    const result = await parties.tenant.infer({
      model,
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, DIGIT_PIXELS], data: bytes }],
      executors,
      threshold: Math.floor(executors.length / 2) + 1,
    });
    equal = (await account(result, digit, bare, options, index)) && equal;
  }
  return { model, equal };
}
