/** Routes over the chain itself: status, genesis, blocks, events, proofs. */
import { asHeight, parseUtf8, toBase64 } from '@cloister/crypto';
import type { StoredEvent } from '@cloister/event-log';
import type { ChainReader } from '@cloister/validator';
import type { ApiContext } from './api-context.ts';
import { integerField, optional, textField, withDefault } from './fields.ts';
import { type AnyRoute, ApiError, json, jsonAnswer, route } from './route.ts';

const SAFE: { readonly min: number; readonly max: number } = { min: 0, max: Number.MAX_SAFE_INTEGER };
const BLOCKS_MAX = 100;
const EVENTS_MAX = 1_000;
/** Payload bytes of one page of events; a page is cut at a whole event. */
const PAGE_BYTES = 8 * 1024 * 1024;

/** The log's own JSON of an event: payloads are canonical JSON and not parsed again. */
export function eventJson({ sequence, height, type, hash, payload }: StoredEvent): string {
  const text = parseUtf8(payload) ?? '{}';
  return `{"sequence":${sequence},"height":${height},"type":${JSON.stringify(type)},"hash":"${hash}","payload":${text}}`;
}

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
  answer: jsonAnswer('Status'),
  handle: (context) => json(context.status()),
});

const genesis = route({
  method: 'GET',
  path: '/v1/genesis',
  summary: 'The exact bytes of the genesis, whose hash is the chain id',
  answer: { contentType: 'application/json', schema: { type: 'object' } },
  handle: ({ chain }) => ({ status: 200, bytes: chain.genesisBytes, contentType: 'application/json' }),
});

const blocks = route({
  method: 'GET',
  path: '/v1/blocks',
  summary: 'Executed blocks in ascending order; the newest ones without `from`',
  query: {
    from: optional(integerField('First height', SAFE)),
    limit: withDefault(integerField('At most so many', { min: 1, max: BLOCKS_MAX }), 20),
  },
  answer: jsonAnswer('Blocks'),
  handle: async ({ chain, state, provableHeight }, { query: { from, limit } }) => {
    const { height } = state();
    const first = Math.max(1, from ?? height - limit + 1);
    const found: object[] = [];
    for (let at = first; at <= height && at < first + limit; at++) {
      const block = await blockJson(chain, at, provableHeight());
      if (block !== undefined) found.push(block);
    }
    return json({ blocks: found, height });
  },
});

const block = route({
  method: 'GET',
  path: '/v1/blocks/{height}',
  summary: 'One executed block',
  params: { height: integerField('Its height', SAFE) },
  answer: jsonAnswer('Block'),
  refusals: [404],
  handle: async ({ chain, provableHeight }, { params }) => {
    const found = await blockJson(chain, params.height, provableHeight());
    if (found === undefined)
      throw new ApiError(404, 'NOT_FOUND', `no block of height ${params.height} is executed here`);
    return json(found);
  },
});

/** Stored events of a page, ascending. */
async function page(
  { chain, index }: ApiContext,
  query: { readonly from: number; readonly limit: number; readonly type?: string | undefined },
): Promise<StoredEvent[]> {
  const end = chain.log.head.count;
  const found: StoredEvent[] = [];
  let bytes = 0;
  const take = (event: StoredEvent): boolean => {
    bytes += event.payload.length;
    if (found.length > 0 && bytes > PAGE_BYTES) return false;
    found.push(event);
    return true;
  };
  if (query.from >= end) return found;
  if (query.type === undefined) {
    const to = Math.min(end, query.from + query.limit);
    for await (const event of chain.log.read({ from: query.from, to })) if (!take(event)) break;
    return found;
  }
  for (const sequence of await index.sequences(query.type, query.from, end, query.limit)) {
    const event = await chain.log.get(sequence);
    if (event === undefined || !take(event)) break;
  }
  return found;
}

const events = route({
  method: 'GET',
  path: '/v1/events',
  summary: 'Events in the order of the log; `next` is where to go on',
  query: {
    from: withDefault(integerField('First sequence', SAFE), 0),
    limit: withDefault(integerField('At most so many', { min: 1, max: EVENTS_MAX }), 100),
    type: optional(textField('Only this type', 64, '^[A-Za-z]+$')),
  },
  answer: jsonAnswer('Events'),
  handle: async (context, { query }) => {
    const found = await page(context, query);
    const next = (found.at(-1)?.sequence ?? query.from - 1) + 1;
    const text = `{"events":[${found.map(eventJson).join(',')}],"next":${next},"eventCount":${context.chain.log.head.count}}`;
    return { status: 200, text, contentType: 'application/json' };
  },
});

const eventProof = route({
  method: 'GET',
  path: '/v1/proofs/events/{sequence}',
  summary: 'Proof that an event is in the finalized log, for a light client of this chain',
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
