/** Routes over the agreed state: validators, measurements, the appraisal policy, models, inferences, records. */
import { policyDigest as appraisalPolicyDigest, appraisalPolicyToJson } from '@cloister/attestation';
import { type ModelManifest, modelManifestToJson } from '@cloister/confidential';
import { type JsonValue, parseJson } from '@cloister/crypto';
import {
  attestationView,
  inferenceView,
  type LedgerState,
  listInferences,
  listMeasurements,
  listMembers,
  listModels,
  type MemberView,
  type ModelView,
  modelView,
  networkOf,
  networkView,
  recordView,
  type Task,
} from '@cloister/ledger';
import type { ChainReader } from '@cloister/validator';
import { digestField, integerField, textField, withDefault } from './fields.ts';
import { type AnyRoute, ApiError, json, jsonAnswer, route } from './route.ts';

function memberJson(state: LedgerState, member: MemberView): object {
  const view = attestationView(state, member.id);
  if (view === undefined) return { ...member, attestation: null };
  const { platform, product, tcb, tcbStatus, advisories, validUntilHeight, validUntilMs, evicted } = view;
  const shown = { platform, product, tcb, tcbStatus, advisories, validUntilHeight, validUntilMs, evicted };
  return { ...member, attestation: shown };
}

const validators = route({
  method: 'GET',
  path: '/v1/validators',
  summary: 'Validators, then members without weight, with their platforms and standing at this height',
  answer: jsonAnswer('Validators'),
  handle: ({ state }) => json({ validators: listMembers(state()).map((member) => memberJson(state(), member)) }),
});

const measurements = route({
  method: 'GET',
  path: '/v1/measurements',
  summary: 'What the network allows to run, and who runs it',
  answer: jsonAnswer('Measurements'),
  handle: ({ state }) => {
    const { policyDigest } = state();
    const { simulated } = networkOf(state()).trustAnchors;
    return json({ policyDigest, simulated, measurements: listMeasurements(state()) });
  },
});

const policy = route({
  method: 'GET',
  path: '/v1/policy',
  summary: 'The appraisal policy in force, and the one that was decided and waits for its height',
  answer: jsonAnswer('Policy'),
  handle: ({ state }) => {
    const { appraisalPolicy, scheduledPolicy, policyDigest, simulated, height } = networkView(state());
    const scheduled =
      scheduledPolicy === null
        ? null
        : {
            policy: appraisalPolicyToJson(scheduledPolicy.appraisalPolicy),
            digest: appraisalPolicyDigest(scheduledPolicy.appraisalPolicy),
            loosenings: scheduledPolicy.loosenings,
            decidedHeight: scheduledPolicy.height,
            effectiveHeight: scheduledPolicy.effectiveHeight,
          };
    return json({
      policy: appraisalPolicyToJson(appraisalPolicy),
      digest: appraisalPolicyDigest(appraisalPolicy),
      policyDigest,
      simulated,
      height,
      scheduled,
    });
  },
});

function manifestJson(manifest: ModelManifest): JsonValue {
  return modelManifestToJson(manifest) as JsonValue;
}

function modelJson({ model, owner, height, revokedHeight, manifest, grants }: ModelView): object {
  return {
    model,
    owner,
    height,
    revokedHeight,
    manifest: manifestJson(manifest),
    grants: grants.map(({ keyset }) => keyset),
    executors: grants,
  };
}

const models = route({
  method: 'GET',
  path: '/v1/models',
  summary: 'Published models and the enclaves that hold their keys',
  answer: jsonAnswer('Models'),
  handle: ({ state }) => json({ models: listModels(state()).map(modelJson) }),
});

const model = route({
  method: 'GET',
  path: '/v1/models/{id}',
  summary: 'One model',
  params: { id: digestField('Model id') },
  answer: jsonAnswer('Model'),
  refusals: [404],
  handle: ({ state }, { params: { id } }) => {
    const found = modelView(state(), id);
    if (found === undefined) throw new ApiError(404, 'NOT_FOUND', `no model ${id}`);
    return json(modelJson(found));
  },
});

function inferenceJson(task: Task): object {
  const { id, ...rest } = task;
  return { task: id, ...rest };
}

/** Receipts with the bytes that their events hold. */
async function receiptsOf(chain: ChainReader, task: Task): Promise<readonly object[]> {
  return Promise.all(
    task.receipts.map(async (receipt) => {
      const event = await chain.log.get(receipt.sequence);
      const payload = event === undefined ? undefined : parseJson(event.payload, { maxBytes: 1 << 20, maxDepth: 8 });
      const fields = payload?.ok ? (payload.value as { readonly [key: string]: JsonValue }) : {};
      return { ...receipt, response: fields.response ?? null, receipt: fields.receipt ?? '' };
    }),
  );
}

const inferences = route({
  method: 'GET',
  path: '/v1/inferences',
  summary: 'Inferences that the state still holds, newest first',
  query: { limit: withDefault(integerField('At most so many', { min: 1, max: 500 }), 50) },
  answer: jsonAnswer('Inferences'),
  handle: ({ state }, { query }) => json({ inferences: listInferences(state(), query.limit).map(inferenceJson) }),
});

const inference = route({
  method: 'GET',
  path: '/v1/inferences/{task}',
  summary: 'One inference, its receipts and sealed responses included',
  params: { task: digestField('Task id') },
  answer: jsonAnswer('Inference'),
  refusals: [404],
  handle: async ({ chain, state }, { params: { task: id } }) => {
    const task = inferenceView(state(), id);
    if (task === undefined) throw new ApiError(404, 'NOT_FOUND', `no inference ${id} in the state`);
    return json({ ...inferenceJson(task), receipts: await receiptsOf(chain, task) });
  },
});

const record = route({
  method: 'GET',
  path: '/v1/records/{namespace}/{key}',
  summary: 'One record of the key-value store',
  params: { namespace: textField('Namespace', 256), key: textField('Key', 1024) },
  answer: jsonAnswer('Record'),
  refusals: [404],
  handle: ({ state }, { params: { namespace, key } }) => {
    const found = recordView(state(), namespace, key);
    if (found === undefined) throw new ApiError(404, 'NOT_FOUND', 'no such record');
    return json(found);
  },
});

export const LEDGER_ROUTES: readonly AnyRoute[] = [
  validators,
  measurements,
  policy,
  models,
  model,
  inferences,
  inference,
  record,
];
