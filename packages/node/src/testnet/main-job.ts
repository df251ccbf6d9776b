/**
 * The main job in front of the user: an owner seals, publishes and grants a model; a tenant sends sealed images and opens
 * verified answers. Both run here, on the client's side: no validator sees weights, images or answers.
 */
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { CloisterClient, createHttpApi, type InferenceResult, type PendingExecutor } from '@cloister/client';
import type { ExecutionPolicy } from '@cloister/confidential';
import { type AccountId, assert, type Digest } from '@cloister/encoding';
import { tryModel } from '@cloister/platform';
import type { Output } from '../commands/command.ts';
import { tensorNumbers } from '../commands/network/tensors-json.ts';
import { accountKey } from '../commands/process/keys.ts';
import { DIGIT_PIXELS, type Digit, digitsSplit } from '../digits/split.ts';
import { writeFileAtomic } from '../process/atomic-file.ts';
import { platformName } from '../process/platforms.ts';
import { type BareModel, DIGITS_MODEL, loadBareModel } from './bare-model.ts';
import type { TestnetLayout, TestnetValidator } from './layout.ts';
import { beside, drawDigit, short, timedStep } from './render.ts';

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

/** A model of the testnet: what its owner asks of a request, and whose enclaves get its key. */
type ModelPlan = {
  readonly name: string;
  readonly executionPolicy: ExecutionPolicy;
  readonly executors: readonly TestnetValidator[];
};

type PublishedModel = ModelPlan & { readonly model: Digest };

/** One executor at a time, any of them. */
function singlePlan({ validators }: TestnetLayout): ModelPlan {
  const executionPolicy: ExecutionPolicy = { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' };
  return { name: 'digits', executionPolicy, executors: validators };
}

/** The same weights under another key: two platforms must give the same answer. Undefined where no two platforms stand. */
function severalPlan({ validators }: TestnetLayout): ModelPlan | undefined {
  const [first] = validators;
  const second = validators.find(({ platform }) => platform !== first?.platform);
  if (first === undefined || second === undefined) return undefined;
  // Both of two: of more, the equal answers might come from one platform.
  const executionPolicy: ExecutionPolicy = { k: 2, m: 2, minPlatforms: 2, assignment: 'tenant' };
  return { name: 'digits-on-two-platforms', executionPolicy, executors: [first, second] };
}

/** "2 executors on at least 2 platforms, 2 of them equal" */
function asked({ k, m, minPlatforms }: ExecutionPolicy): string {
  const platforms = minPlatforms > 1 ? ` on at least ${minPlatforms} platforms` : '';
  return k === 1 ? 'one executor' : `${k} executors${platforms}, ${m} of them equal`;
}

async function publish({ owner }: Parties, plan: ModelPlan, { layout, output }: JobOptions): Promise<PublishedModel> {
  const platforms = [...new Set(layout.validators.map(({ platform }) => platform))].sort();
  const { name, executionPolicy } = plan;
  const prepared = await owner.prepareModel(
    {
      onnx: await readFile(DIGITS_MODEL),
      name,
      version: '1',
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, DIGIT_PIXELS] }],
      outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 10] }],
      engine: { name: 'onnxruntime-node', version: '1.30.0' },
      releasePolicy: { images: [layout.image.digest], platforms, mayReplicate: false },
      executionPolicy,
    },
    { tryModel },
  );
  const { model, modelKey, ciphertext } = prepared;
  await timedStep(
    output,
    `owner seals ${name} (${ciphertext.length} bytes; a request needs ${asked(executionPolicy)}) and publishes ${short(model)}`,
    () => owner.publishModel(prepared),
  );
  for (const { id, name: validator, platform } of plan.executors) {
    const enclave = `the enclave of ${validator} on ${platformName(platform, true)}`;
    await timedStep(output, `owner verifies ${enclave} and grants it the key of ${name}`, () =>
      owner.grantModelKey({ model, modelKey, node: id }),
    );
  }
  return { ...plan, model };
}

function highest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((best, value, i, all) => (value > (all[best] ?? 0) ? i : best), 0);
}

/** Lines with one title, which stands before the first. */
function titled(title: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => `${(i === 0 ? title : '').padEnd(13)}${line}`);
}

async function account(
  result: InferenceResult,
  { executionPolicy }: PublishedModel,
  executors: readonly PendingExecutor[],
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
  const nodeOn = ({ node, platform }: Pick<PendingExecutor, 'node' | 'platform'>): string =>
    `${names.get(node) ?? short(node)} on ${platformName(platform, result.simulated)}`;
  const measurements = new Map(receipts.map(({ executor }) => [executor.measurement, executor.platform]));
  const read = highest(answer);
  const title = `inference ${index + 1} of ${options.images}`;
  options.output.result(
    {
      event: 'inference',
      task: result.task,
      label: digit.label,
      answer: read,
      equalsBareModel: same,
      asked: executors.map(({ node, platform }) => ({ node, platform })),
      executors: receipts.map(({ executor: { node, platform, measurement } }) => ({ node, platform, measurement })),
      threshold: result.threshold,
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
        ...(executors.length === 1
          ? []
          : [`model asks   ${asked(executionPolicy)}`, ...titled('asked', executors.map(nodeOn))]),
        ...titled(
          'executed by',
          receipts.map(({ executor }) => nodeOn(executor)),
        ),
        `agreement    ${receipts.length} equal of ${executors.length} asked, ${result.threshold} needed`,
        ...titled(
          'measurement',
          [...measurements].map(
            ([measurement, platform]) => `${short(measurement)}… ${platformName(platform, result.simulated)}`,
          ),
        ),
        `blocks       requested in ${result.requestHeight}, completed in ${result.completedHeight}`,
        `task         ${short(result.task)}…`,
        `receipt      ${relative(process.cwd(), files[0] ?? '')}`,
      ],
      28,
    )}`,
  );
  return same && outcome.status === 'completed';
}

/** The models that the images need: each image goes to one executor in turn, and the last one to several where it can. */
async function publishModels(
  parties: Parties,
  options: JobOptions,
): Promise<{ readonly single?: PublishedModel; readonly several?: PublishedModel }> {
  const plan = severalPlan(options.layout);
  if (plan === undefined) {
    options.output.note('  fewer than two platforms: no model asks for executors on distinct platforms here');
    return { single: await publish(parties, singlePlan(options.layout), options) };
  }
  const several = (): Promise<PublishedModel> => publish(parties, plan, options);
  if (options.images === 1) return { several: await several() };
  return { single: await publish(parties, singlePlan(options.layout), options), several: await several() };
}

/** The executors that a tenant asks: each lawful one in turn, or those that the SDK chooses by the model's policy. */
function executorsFor({ executionPolicy, executors }: PublishedModel, index: number): readonly AccountId[] | undefined {
  if (executionPolicy.k > 1) return undefined;
  return executors.slice(index % executors.length, (index % executors.length) + 1).map(({ id }) => id);
}

/** @returns whether every answer equals the bare model's. */
export async function runMainJob(options: JobOptions): Promise<{ readonly model: Digest; readonly equal: boolean }> {
  const parties = await connect(options);
  const bare = await loadBareModel();
  const { single, several } = await publishModels(parties, options);
  const { held } = digitsSplit();
  let equal = true;
  for (let index = 0; index < options.images; index++) {
    const digit = held[index % held.length];
    const published = index === options.images - 1 ? (several ?? single) : single;
    assert(digit !== undefined && published !== undefined, 'there are digits, and a model for each image');
    const executors = executorsFor(published, index);
    const bytes = new Uint8Array(digit.image.buffer, digit.image.byteOffset, digit.image.byteLength);
    const pending = await parties.tenant.requestInference({
      model: published.model,
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, DIGIT_PIXELS], data: bytes }],
      ...(executors === undefined ? {} : { executors }),
    });
    const result = await parties.tenant.awaitInference(pending);
    equal = (await account(result, published, pending.executors, digit, bare, options, index)) && equal;
  }
  const shown = single ?? several;
  assert(shown !== undefined, 'a model was published');
  return { model: shown.model, equal };
}
