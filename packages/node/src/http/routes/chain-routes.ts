/** Routes over the chain itself: status, genesis, blocks, events, proofs. */
import { asHeight, toBase64 } from '@cloister/encoding';
import type { ChainReader } from '@cloister/replica';
import { ApiError } from '../api-error.ts';
import { BULK_EVENTS } from '../gate/costs.ts';
import { eventJson, pageCost, readPage } from '../streams/event-pages.ts';
import { defaultedField, integerField, optionalField, textField } from './fields.ts';
import { type AnyRoute, json, jsonAnswer, jsonText, route } from './route.ts';

const SAFE: { readonly min: number; readonly max: number } = { min: 0, max: Number.MAX_SAFE_INTEGER };
const BLOCKS_MAX = 100;
const EVENTS_MAX = 1_000;
/** Payload bytes of one page of events; a page is cut at a whole event. */
const PAGE_BYTES = 4 * 1024 * 1024;

async function blockJson(chain: ChainReader, height: number, provableHeight: number): Promise<object | undefined> {
  const executed = await chain.executed(asHeight(height));
  const block = executed === undefined ? undefined : await chain.block(executed.hash);
  if (executed === undefined || block === undefined) return undefined;
  const { epoch, view, parentHash, proposer } = block.header;
  return {
    height,
    hash: executed.hash,
    timeMs: executed.timeMs,
    epoch,
    view,
    parentHash,
    proposer,
    batches: block.body.batches.length,
    firstSequence: executed.firstSequence,
    eventCount: executed.eventCount,
    eventRoot: executed.eventRoot,
    provable: height <= provableHeight,
  };
}

const status = route({
  method: 'GET',
  path: '/v1/status',
  summary: 'Where this node stands',
  group: 'probe',
  cost: 1,
  answer: jsonAnswer('Status'),
  handle: async ({ node }) => jsonText(await node.status()),
});

const genesis = route({
  method: 'GET',
  path: '/v1/genesis',
  summary: 'The exact bytes of the genesis, whose hash is the chain id',
  group: 'probe',
  cost: 2,
  answer: { contentType: 'application/json', schema: { type: 'object' } },
  handle: ({ chain }) => ({ status: 200, bytes: chain.genesisBytes, contentType: 'application/json' }),
});

const blocks = route({
  method: 'GET',
  path: '/v1/blocks',
  summary: 'Executed blocks in ascending order; the newest ones without `from`',
  group: 'log',
  cost: 1,
  query: {
    from: optionalField(integerField('First height', SAFE)),
    limit: defaultedField(integerField('At most so many', { min: 1, max: BLOCKS_MAX }), 20),
  },
  answer: jsonAnswer('Blocks'),
  handle: async ({ chain, follow }, { query: { from, limit } }) => {
    const { height, provableHeight } = follow.position;
    const first = Math.max(1, from ?? height - limit + 1);
    const found: object[] = [];
    for (let at = first; at <= height && at < first + limit; at++) {
      const block = await blockJson(chain, at, provableHeight);
      if (block !== undefined) found.push(block);
    }
    return json({ blocks: found, height }, 4 * found.length);
  },
});

const block = route({
  method: 'GET',
  path: '/v1/blocks/{height}',
  summary: 'One executed block',
  group: 'log',
  cost: 1,
  params: { height: integerField('Its height', SAFE) },
  answer: jsonAnswer('Block'),
  refusals: [404],
  handle: async ({ chain, follow }, { params }) => {
    const found = await blockJson(chain, params.height, follow.position.provableHeight);
    if (found === undefined)
      throw new ApiError(404, 'NOT_FOUND', `no block of height ${params.height} is executed here`);
    return json(found);
  },
});

const events = route({
  method: 'GET',
  path: '/v1/events',
  summary: 'Events in the order of the log; `next` is where to go on',
  group: (query) => (Number((query as { readonly limit?: unknown }).limit) > BULK_EVENTS ? 'bulk' : 'log'),
  cost: 1,
  query: {
    from: defaultedField(integerField('First sequence', SAFE), 0),
    limit: defaultedField(integerField('At most so many', { min: 1, max: EVENTS_MAX }), 100),
    type: optionalField(textField('Only this type', 64, '^[A-Za-z]+$')),
  },
  answer: jsonAnswer('Events'),
  handle: async (context, { query }) => {
    const { simulated, chain } = context;
    const page = await readPage(context, { ...query, bytesMax: PAGE_BYTES });
    const next = (page.events.at(-1)?.sequence ?? query.from - 1) + 1;
    const list = page.events.map((event) => eventJson(event)).join(',');
    const text = `{"events":[${list}],"next":${next},"eventCount":${chain.log.head.count},"simulated":${simulated}}`;
    return jsonText(text, pageCost(page));
  },
});

const eventProof = route({
  method: 'GET',
  path: '/v1/proofs/events/{sequence}',
  summary: 'Proof that an event is in the finalized log, for a light client of this chain',
  group: 'proof',
  cost: 2,
  params: { sequence: integerField('Sequence of the event', SAFE) },
  answer: jsonAnswer('EventProof'),
  refusals: [404],
  handle: async ({ chain, eventProof: prove }, { params: { sequence } }) => {
    if (sequence >= chain.log.head.count) throw new ApiError(404, 'NOT_FOUND', `there is no event ${sequence} yet`);
    const proof = await prove(sequence);
    if (proof === undefined) throw new ApiError(404, 'NOT_PROVABLE', 'no finalized header covers it yet');
    return json({ sequence, proof: toBase64(proof) });
  },
});

export const CHAIN_ROUTES: readonly AnyRoute[] = [status, genesis, blocks, block, events, eventProof];
