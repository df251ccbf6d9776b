/** Routes over the agreed state: validators, measurements, the appraisal policy, models, inferences, records. */
import { type JsonValue, parseJson } from '@cloister/encoding';
import type { ApiContext } from '../api-context.ts';
import { ApiError } from '../api-error.ts';
import { ITEMS_PER_TOKEN } from '../gate/costs.ts';
import type { JsonText, Page, PageQuery } from '../thread/node-questions.ts';
import { defaultedField, digestField, type Field, integerField, optionalField, textField } from './fields.ts';
import { type AnyRoute, type ApiReply, jsonAnswer, jsonText, route } from './route.ts';

const LIST_MAX = 500;

/** Where a list goes on; the form is that of its `next`. */
export function cursorField(pattern: string): Field<string | undefined> {
  return optionalField(textField('`next` of the page before', 64, pattern));
}
export const ID_CURSOR = '^[0-9a-f]{64}$';
const SEQUENCE_CURSOR = '^(0|[1-9][0-9]{0,14})$';

/** A page of a list, put together from questions that are small enough for the other thread. */
export async function listReply(
  name: string,
  { after, limit }: PageQuery,
  simulated: boolean,
  ask: (query: PageQuery) => Promise<Page>,
): Promise<ApiReply> {
  const items: JsonText[] = [];
  let next: string | null = null;
  for (let cursor = after; items.length < limit; ) {
    const page: Page = await ask({ after: cursor, limit: limit - items.length });
    items.push(...page.items);
    next = page.next;
    if (next === null) break;
    cursor = next;
  }
  const text = `{"${name}":[${items.join(',')}],"next":${JSON.stringify(next)},"simulated":${simulated}}`;
  return jsonText(text, Math.floor(items.length / ITEMS_PER_TOKEN));
}

const validators = route({
  method: 'GET',
  path: '/v1/validators',
  summary: 'Validators, then members without weight, with their platforms and eligibility at this height',
  group: 'ledger',
  cost: 2,
  query: {
    after: cursorField(ID_CURSOR),
    limit: defaultedField(integerField('At most so many', { min: 1, max: LIST_MAX }), LIST_MAX),
  },
  answer: jsonAnswer('Validators'),
  handle: ({ node, simulated }, { query }) =>
    listReply('validators', query, simulated, (page) => node.validators(page)),
});

const measurements = route({
  method: 'GET',
  path: '/v1/measurements',
  summary: 'What the network allows to run, and who runs it',
  group: 'ledger',
  cost: 2,
  answer: jsonAnswer('Measurements'),
  handle: async ({ node }) => jsonText(await node.measurements()),
});

const policy = route({
  method: 'GET',
  path: '/v1/policy',
  summary: 'The appraisal policy in force, and the one that was decided and waits for its height',
  group: 'ledger',
  cost: 2,
  answer: jsonAnswer('Policy'),
  handle: async ({ node }) => jsonText(await node.policy()),
});

const models = route({
  method: 'GET',
  path: '/v1/models',
  summary: 'Published models and the enclaves that hold their keys',
  group: 'ledger',
  cost: 2,
  query: {
    after: cursorField(ID_CURSOR),
    limit: defaultedField(integerField('At most so many', { min: 1, max: LIST_MAX }), LIST_MAX),
  },
  answer: jsonAnswer('Models'),
  handle: ({ node, simulated }, { query }) => listReply('models', query, simulated, (page) => node.models(page)),
});

function found(text: JsonText | undefined, what: string): JsonText {
  if (text === undefined) throw new ApiError(404, 'NOT_FOUND', what);
  return text;
}

const model = route({
  method: 'GET',
  path: '/v1/models/{id}',
  summary: 'One model',
  group: 'ledger',
  cost: 1,
  params: { id: digestField('Model id') },
  answer: jsonAnswer('Model'),
  refusals: [404],
  handle: async ({ node }, { params: { id } }) => jsonText(found(await node.model(id), `no model ${id}`)),
});

/** Receipts with the bytes that their events hold. */
async function withReceipts({ chain }: ApiContext, text: JsonText): Promise<object> {
  const task = JSON.parse(text) as { readonly receipts: readonly { readonly sequence: number }[] };
  const receipts: object[] = [];
  for (const receipt of task.receipts) {
    const event = await chain.log.get(receipt.sequence);
    const payload = event === undefined ? undefined : parseJson(event.payload, { maxBytes: 1 << 20, maxDepth: 8 });
    const fields = payload?.ok ? (payload.value as { readonly [key: string]: JsonValue }) : {};
    receipts.push({ ...receipt, response: fields.response ?? null, receipt: fields.receipt ?? '' });
  }
  return { ...task, receipts };
}

const inferences = route({
  method: 'GET',
  path: '/v1/inferences',
  summary: 'Inferences that the state still holds, newest first',
  group: 'ledger',
  cost: 2,
  query: {
    after: cursorField(SEQUENCE_CURSOR),
    limit: defaultedField(integerField('At most so many', { min: 1, max: LIST_MAX }), 50),
  },
  answer: jsonAnswer('Inferences'),
  handle: ({ node, simulated }, { query }) =>
    listReply('inferences', query, simulated, (page) => node.inferences(page)),
});

const inference = route({
  method: 'GET',
  path: '/v1/inferences/{task}',
  summary: 'One inference, its receipts and sealed responses included',
  group: 'ledger',
  cost: 1,
  params: { task: digestField('Task id') },
  answer: jsonAnswer('Inference'),
  refusals: [404],
  handle: async (context, { params: { task: id } }) => {
    const text = found(await context.node.inference(id), `no inference ${id} in the state`);
    return { status: 200, json: await withReceipts(context, text) };
  },
});

const record = route({
  method: 'GET',
  path: '/v1/records/{namespace}/{key}',
  summary: 'One record of the key-value store',
  group: 'ledger',
  cost: 1,
  params: { namespace: textField('Namespace', 256), key: textField('Key', 1024) },
  answer: jsonAnswer('Record'),
  refusals: [404],
  handle: async ({ node }, { params: { namespace, key } }) =>
    jsonText(found(await node.record(namespace, key), 'no such record')),
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
