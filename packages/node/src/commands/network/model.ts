/** `cloister model …`: what a model owner does. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { ModelDescription } from '@cloister/client';
import { MODEL_KEY_BYTES, TENSOR_DATATYPES, type TensorDatatype, type TensorSpec } from '@cloister/confidential';
import { type AccountId, parseAccountId, parseDigest, parseHex, toHex } from '@cloister/encoding';
import { tryModel } from '@cloister/platform';
import { keepGranted } from '../../attest/kept-grant.ts';
import { makePrivateFolder, writeFileAtomic } from '../../process/atomic-file.ts';
import { NodeError } from '../../process/errors.ts';
import { homeLayout } from '../../process/home.ts';
import { platformFlag, platformName, platformsGiven } from '../../process/platforms.ts';
import { type CliCommand, listFlag, numberFlag, positional, requiredFlag, textFlag, UsageError } from '../command.ts';
import { CLIENT_FLAGS, connectClient, NODE_FLAG, operatorApi, said } from './connect.ts';
import { readTensors } from './tensors-json.ts';

function modelKeyPath(home: string | undefined, model: string): string {
  return join(homeLayout(home).root, 'models', `${model}.key`);
}

function isDatatype(text: string | undefined): text is TensorDatatype {
  return TENSOR_DATATYPES.some((datatype) => datatype === text);
}

/** 'image:FP32:1x784', with a question mark for a dimension that is open, and no dimensions for a scalar. */
function tensorSpec(text: string): TensorSpec {
  const [name, datatype, dimensions = ''] = text.split(':');
  const shape = dimensions === '' ? [] : dimensions.split('x').map((size) => (size === '?' ? -1 : Number(size)));
  if (!name || shape.some((size) => !Number.isSafeInteger(size) || size < -1 || size === 0)) {
    throw new UsageError(`'${text}' is not name:DATATYPE:1x784`);
  }
  if (!isDatatype(datatype)) throw new UsageError(`'${text}': the datatype is one of ${TENSOR_DATATYPES.join(', ')}`);
  return { name, datatype, shape };
}

export const modelPublish: CliCommand = {
  name: 'model publish',
  summary: 'Check an ONNX model on this machine, seal it and publish it; the key stays in the home.',
  usage:
    '<file.onnx> --name NAME --model-version V --input SPEC… --output-tensor SPEC… --image DIGEST… [--platform PLATFORM…] [--trial-input FILE] --key NAME',
  flags: {
    ...CLIENT_FLAGS,
    name: { type: 'string', value: 'NAME', about: 'Name of the model.' },
    'model-version': { type: 'string', value: 'V', about: 'Version of the model.' },
    input: {
      type: 'string',
      multiple: true,
      value: 'SPEC',
      about: 'Input tensor, such as image:FP32:1x784; ? for an open dimension.',
    },
    'output-tensor': {
      type: 'string',
      multiple: true,
      value: 'SPEC',
      about: 'Output tensor, such as probabilities:FP32:1x10.',
    },
    image: { type: 'string', multiple: true, value: 'DIGEST', about: 'Enclave image that may open the model.' },
    platform: platformFlag("Platform whose enclaves may open the model; those of the genesis' reference values."),
    'executors-min': { type: 'string', value: 'K', about: 'Executors that a request must name at least; 1.' },
    'threshold-min': { type: 'string', value: 'M', about: 'Agreement that a request must ask for at least; 1.' },
    'trial-input': {
      type: 'string',
      value: 'FILE',
      about:
        'Input to try the model with here, as for infer; by default zeros, then ones, where all dimensions are known.',
    },
    'platforms-min': {
      type: 'string',
      value: 'P',
      about: 'Distinct platforms that the executors of a request must be on at least; 1.',
    },
  },
  positionals: { min: 1, max: 1 },
  chain: 'always',
  async run(invocation) {
    const given = platformsGiven(invocation);
    const trialInput = textFlag(invocation, 'trial-input');
    const trialInputs = trialInput === undefined ? undefined : await readTensors(trialInput);
    const { client } = await connectClient(invocation);
    const platforms = given ?? client.genesisPlatforms;
    const images = listFlag(invocation, 'image').map((text) => parseDigest(text) ?? notADigest(text));
    const description: ModelDescription = {
      onnx: await readFile(positional(invocation, 0)),
      name: requiredFlag(invocation, 'name'),
      version: requiredFlag(invocation, 'model-version'),
      inputs: listFlag(invocation, 'input').map(tensorSpec),
      outputs: listFlag(invocation, 'output-tensor').map(tensorSpec),
      engine: { name: 'onnxruntime-node', version: '1.30.0' },
      releasePolicy: { images: images.sort(), platforms, mayReplicate: false },
      executionPolicy: {
        k: numberFlag(invocation, 'executors-min', { min: 1, max: 16 }) ?? 1,
        m: numberFlag(invocation, 'threshold-min', { min: 1, max: 16 }) ?? 1,
        minPlatforms: numberFlag(invocation, 'platforms-min', { min: 1, max: 4 }) ?? 1,
        assignment: 'tenant',
      },
    };
    invocation.output.note('loading the model in the engine of the enclave, on this machine');
    const options = trialInputs === undefined ? { tryModel } : { tryModel, trialInputs };
    const prepared = await client.prepareModel(description, options);
    if (!prepared.ran) {
      invocation.output.note(
        'not run here, since a dimension of an input is open: --trial-input names an input to try',
      );
    }
    // The key first: a published model without its key could never be granted.
    const path = modelKeyPath(invocation.home, prepared.model);
    await makePrivateFolder(join(homeLayout(invocation.home).root, 'models'));
    await writeFileAtomic(path, `${toHex(prepared.modelKey)}\n`);
    const { height, transaction } = await client.publishModel(prepared);
    const text = `model ${prepared.model}\npublished in block ${height}, transaction ${transaction}\nreleased to ${platforms.join(', ')}\nits key is in ${path}: whoever has it opens the model`;
    invocation.output.result(
      { model: prepared.model, height, transaction, platforms: [...platforms], keyFile: path },
      text,
    );
    return 0;
  },
};

function notADigest(text: string): never {
  throw new UsageError(`'${text}' is not a digest (64 lower-case hexadecimal digits)`);
}

/** Aborted by Ctrl-C. */
function interrupted(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}

export const modelGrant: CliCommand = {
  name: 'model grant',
  summary: "Verify a node's enclave here and grant it the key of a model.",
  usage: '<model> --to ID… --key NAME [--keep]',
  flags: {
    ...CLIENT_FLAGS,
    to: { type: 'string', multiple: true, value: 'ID', about: 'Node whose enclave gets the key.' },
    keep: { type: 'boolean', about: 'Stay, and grant again whenever an enclave of these nodes was started anew.' },
  },
  positionals: { min: 1, max: 1 },
  chain: 'always',
  async run(invocation) {
    const model = parseDigest(positional(invocation, 0)) ?? notADigest(positional(invocation, 0));
    const path = modelKeyPath(invocation.home, model);
    const modelKey = parseHex((await readFile(path, 'utf8').catch(() => '')).trim(), MODEL_KEY_BYTES);
    if (modelKey === undefined) throw new NodeError('KEY_MISSING', `the key of this model is not in ${path}`);
    const nodes = listFlag(invocation, 'to').map((text) => parseAccountId(text) ?? notADigest(text));
    if (nodes.length === 0) throw new UsageError('--to names the node, and may be repeated');
    const { client, api } = await connectClient(invocation);
    const grant = async (node: AccountId): Promise<void> => {
      const { height, enclave } = await client.grantModelKey({ model, modelKey, node });
      const { platform, measurement, image, simulated } = enclave.result;
      invocation.output.result(
        { model, node, height, platform, measurement, image, simulated },
        `granted to ${node} in block ${height}: enclave on ${platformName(platform, simulated)} verified, measurement ${measurement}`,
      );
    };
    if (invocation.flags.keep !== true) for (const node of nodes) await grant(node);
    else {
      invocation.output.note('granting these nodes again whenever their enclave is started anew; until Ctrl-C');
      await keepGranted(
        {
          model,
          nodes,
          api,
          grant,
          onRefused: (node, reason) => invocation.output.note(`not granted to ${node}: ${reason}`),
          nowMs: () => performance.now(),
          sleep: (delayMs, signal) => setTimeout(delayMs, undefined, { signal }).catch(() => undefined),
        },
        interrupted(),
      );
    }
    return 0;
  },
};

export const modelRevoke: CliCommand = {
  name: 'model revoke',
  summary: 'End requests, grants and executions of a model for good; keys that enclaves hold cannot be recalled.',
  usage: '<model> --key NAME',
  flags: CLIENT_FLAGS,
  positionals: { min: 1, max: 1 },
  chain: 'always',
  async run(invocation) {
    const model = parseDigest(positional(invocation, 0)) ?? notADigest(positional(invocation, 0));
    const { client } = await connectClient(invocation);
    const { height, sequence, transaction } = await client.submitGoverned('revoke-model', { model });
    const text = `model ${model} is revoked from block ${height} on, transaction ${transaction}`;
    invocation.output.result({ model, height, sequence, transaction }, text);
    return 0;
  },
};

export const modelRevokeGrant: CliCommand = {
  name: 'model revoke-grant',
  summary: "End a keyset's right to execute a model; the key that its enclave holds cannot be recalled.",
  usage: '<model> --keyset DIGEST… --key NAME',
  flags: {
    ...CLIENT_FLAGS,
    keyset: { type: 'string', multiple: true, value: 'DIGEST', about: 'Keyset that was granted the key of the model.' },
  },
  positionals: { min: 1, max: 1 },
  chain: 'always',
  async run(invocation) {
    const model = parseDigest(positional(invocation, 0)) ?? notADigest(positional(invocation, 0));
    const keysets = listFlag(invocation, 'keyset').map((text) => parseDigest(text) ?? notADigest(text));
    if (keysets.length === 0) throw new UsageError('--keyset names what the grant was given to, and may be repeated');
    const { client } = await connectClient(invocation);
    for (const keyset of keysets) {
      const done = await client.submitGoverned('revoke-grant', { model, keyset });
      const { height, sequence, transaction, event } = done;
      invocation.output.result(
        { model, keyset, node: event.node, height, sequence, transaction },
        `keyset ${keyset} of ${event.node} may not execute ${model} from block ${height} on, transaction ${transaction}`,
      );
    }
    return 0;
  },
};

export const modelList: CliCommand = {
  name: 'model list',
  summary: 'List the published models and how many enclaves hold the key of each.',
  usage: '[--node URL]',
  flags: NODE_FLAG,
  positionals: { min: 0, max: 0 },
  chain: 'always',
  async run(invocation) {
    const { output } = invocation;
    const told = await (await operatorApi(invocation)).models();
    const lines = said(output, told).map(({ manifest, model, grants, revokedHeight }) => {
      const revoked = revokedHeight === null ? '' : `, REVOKED at height ${revokedHeight}`;
      return `${model} ${manifest.name} ${manifest.version}, key in ${grants.length} enclaves${revoked}`;
    });
    output.result({ models: told.json }, lines.length === 0 ? 'no models' : lines.join('\n'));
    return 0;
  },
};
