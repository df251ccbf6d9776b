/** The API over a made-up node: every route against its own OpenAPI document, and every way to ask wrongly. */
import { EventEmitter } from 'node:events';
import { connect } from 'node:net';
import { type AppraisalPolicy, appraisalPolicyToJson, policyDigest } from '@cloister/attestation';
import { asHeight, toBase64 } from '@cloister/encoding';
import type { PayloadByKind } from '@cloister/ledger';
import { GENESIS, IMAGE, MEASUREMENT, tenant, v0, v1 } from '@cloister/testkit';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClientBudgets } from '../../src/http/gate/budgets.ts';
import { type ApiServer, createApiServer } from '../../src/http/server.ts';
import { streamEvents } from '../../src/http/streams/event-stream.ts';
import { API_OPTIONS, damage, type FakeContext, makeContext, uploadHeaders } from './fake-context.ts';
import { misfits } from './schema-check.ts';

let fake: FakeContext;
let server: ApiServer;
let errors: unknown[];

beforeEach(async () => {
  fake = await makeContext();
  errors = [];
  server = createApiServer(fake.context, {
    ...API_OPTIONS,
    allowedHosts: ['node.example'],
    onError: (error) => errors.push(error),
  });
});
afterEach(async () => {
  await server.close();
  await fake.remove();
});

type Answer = { readonly status: number; readonly body: Record<string, unknown>; readonly raw: Buffer };

async function ask(
  method: 'GET' | 'POST',
  url: string,
  payload?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const sent = payload === undefined ? {} : { payload: payload as never };
  const response = await server.app.inject({ method, url, headers, ...sent });
  const json = String(response.headers['content-type']).startsWith('application/json');
  return { status: response.statusCode, body: json ? response.json() : {}, raw: response.rawPayload };
}

type Document = {
  openapi: string;
  paths: Record<string, Record<string, { responses: Record<string, { content: Record<string, { schema: never }> }> }>>;
  components: { schemas: Record<string, never> };
};

async function document(): Promise<Document> {
  return (await ask('GET', '/v1/openapi.json')).body as never;
}

describe('OpenAPI', () => {
  it('names exactly the routes that are registered', async () => {
    const { openapi, paths } = await document();
    expect(openapi).toBe('3.1.0');
    const said = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((m) => `${m} ${path}`));
    const tree = server.app.printRoutes({ commonPrefix: false });
    for (const route of said) {
      const [method = '', path = ''] = route.split(' ');
      expect(
        server.app.hasRoute({ method: method.toUpperCase() as never, url: path.replace(/\{(\w+)\}/g, ':$1') }),
      ).toBe(true);
    }
    expect(said.length).toBe(tree.match(/\((GET|POST)[^)]*\)/g)?.length);
  });

  it('describes each answer as it is', async () => {
    const { paths, components } = await document();
    const asked: [string, string][] = [
      ['/v1/blocks', '/v1/blocks'],
      ['/v1/events', '/v1/events?from=2&limit=7'],
      ['/v1/proofs/events/{sequence}', '/v1/proofs/events/2'],
      ['/v1/validators', '/v1/validators'],
      ['/v1/measurements', '/v1/measurements'],
      ['/v1/policy', '/v1/policy'],
      ['/v1/models', '/v1/models'],
      ['/v1/models/{id}', `/v1/models/${fake.ids.model}`],
      ['/v1/inferences', '/v1/inferences'],
      ['/v1/inferences/{task}', `/v1/inferences/${fake.ids.task}`],
      ['/v1/records/{namespace}/{key}', '/v1/records/notes/a%2Fb%20c'],
      ['/v1/attestations', '/v1/attestations'],
      ['/v1/transactions/{id}', `/v1/transactions/${fake.ids.rejected}`],
      ['/healthz', '/healthz'],
    ];
    for (const [path, url] of asked) {
      const { status, body } = await ask('GET', url);
      expect([url, status]).toEqual([url, 200]);
      const schema = paths[path]?.get?.responses['200']?.content['application/json']?.schema;
      expect(schema, path).toBeDefined();
      expect([path, misfits(schema as never, body, components)]).toEqual([path, []]);
    }
  });
});

describe('answers', () => {
  it('shows an attestation with evidence, eligibility, time left and what this node found itself', async () => {
    const { body } = await ask('GET', '/v1/attestations');
    const [attestation] = body.attestations as Record<string, unknown>[];
    expect(body.simulated).toBe(true);
    expect(attestation).toMatchObject({ node: v0.id, eligible: true, reasons: [], simulated: true });
    expect(attestation?.challenge).toMatchObject({ passed: false, code: 'NONCE_MISMATCH' });
    expect(String(attestation?.bundle).length).toBeGreaterThan(1000);
    expect(attestation?.blocksLeft).toBeGreaterThan(0);
    expect(attestation?.secondsLeft).toBeGreaterThan(0);
  });

  it('gives the fate of a transaction with code, height and whether it is provable', async () => {
    expect((await ask('GET', `/v1/transactions/${fake.ids.record}`)).body).toMatchObject({
      fate: 'COMMITTED',
      height: 7,
      provable: true,
    });
    expect((await ask('GET', `/v1/transactions/${fake.ids.rejected}`)).body).toMatchObject({
      fate: 'REJECTED',
      code: 'NAMESPACE_NOT_OWNED',
      provable: false,
    });
    expect((await ask('GET', `/v1/transactions/${'0'.repeat(64)}`)).body).toMatchObject({ fate: 'UNKNOWN' });
  });

  it('filters events by type, all of them, however far apart', async () => {
    const { body } = await ask('GET', '/v1/events?type=BlockBegun&limit=1000');
    const events = body.events as { sequence: number; type: string; payload: { height: number } }[];
    expect(events.map(({ payload }) => payload.height)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const second = await ask('GET', `/v1/events?type=BlockBegun&limit=1&from=${(events[0]?.sequence ?? 0) + 1}`);
    expect((second.body.events as unknown[])[0]).toEqual(events[1]);
  });

  it('carries the sealed response and the receipt of an inference', async () => {
    const { body } = await ask('GET', `/v1/inferences/${fake.ids.task}`);
    expect(body).toMatchObject({ task: fake.ids.task, status: 'completed', disputed: false, failure: null });
    const [receipt] = body.receipts as { response: string; receipt: string }[];
    expect(receipt?.response).toBe(toBase64(new Uint8Array(1024).fill(9)));
    expect(receipt?.receipt.length).toBeGreaterThan(100);
  });

  it('takes and gives blobs as bytes', async () => {
    const bytes = Buffer.from('sealed bytes');
    const { status, body } = await ask('POST', '/v1/blobs', bytes, uploadHeaders(fake.chain, tenant, bytes));
    expect([status, body.code]).toEqual([200, undefined]);
    expect((await ask('GET', `/v1/blobs/${body.digest}`)).raw).toEqual(bytes);
    await damage(fake.blobs, body.digest as never);
    expect((await ask('GET', `/v1/blobs/${body.digest}`)).status).toBe(404);
  });

  it('hands challenges on and maps refusals', async () => {
    const challenge = toBase64(new Uint8Array(128));
    const own = await ask('POST', `/v1/attestations/${v0.id}/challenge`, { challenge });
    expect(own).toMatchObject({ status: 200, body: { answer: toBase64(Uint8Array.of(9)) } });
    const other = await ask('POST', `/v1/attestations/${v1.id}/challenge`, { challenge });
    expect(other).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
  });

  it('is not ready with reasons, and healthy all the same', async () => {
    const ready = await ask('GET', '/readyz');
    expect(ready).toMatchObject({ status: 503, body: { ready: false, reasons: ['NOT_CONNECTED'] } });
    expect((await ask('GET', '/healthz')).body).toMatchObject({ status: 'ok' });
  });

  it('tells provable events from others', async () => {
    expect((await ask('GET', '/v1/proofs/events/7')).body).toMatchObject({ code: 'NOT_PROVABLE' });
    expect((await ask('GET', '/v1/proofs/events/70000')).body).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('what governance decided', () => {
  const { appraisalPolicy } = GENESIS;

  /** Two of four decide. */
  function decide<K extends 'set-policy' | 'set-measurement'>(kind: K, payload: PayloadByKind[K]): void {
    fake.chain.block([v0, v1].map((member) => fake.chain.transaction(member, kind, payload)));
  }

  function setPolicy(change: Partial<AppraisalPolicy>): AppraisalPolicy {
    const policy = { ...appraisalPolicy, ...change };
    decide('set-policy', { policy: appraisalPolicyToJson(policy) });
    return policy;
  }

  async function conforms(path: string): Promise<Record<string, unknown>> {
    const { paths, components } = await document();
    const { body } = await ask('GET', path);
    const schema = paths[path]?.get?.responses['200']?.content['application/json']?.schema;
    expect(misfits(schema as never, body, components)).toEqual([]);
    return body;
  }

  it('shows the policy in force, and the looser one that waits for its height', async () => {
    const inForce = { policy: appraisalPolicyToJson(appraisalPolicy), digest: policyDigest(appraisalPolicy) };
    expect(await conforms('/v1/policy')).toMatchObject({ ...inForce, simulated: true, scheduled: null });
    const looser = setPolicy({ maxAgeBlocks: appraisalPolicy.maxAgeBlocks + 1 });
    const decidedHeight = fake.chain.height;
    const scheduled = {
      policy: appraisalPolicyToJson(looser),
      digest: policyDigest(looser),
      loosenings: ['maxAgeBlocks'],
      decidedHeight,
      effectiveHeight: decidedHeight + Math.max(1, GENESIS.params.measurementDelay),
    };
    expect(await conforms('/v1/policy')).toMatchObject({ ...inForce, height: decidedHeight, scheduled });
    fake.chain.advanceTo(scheduled.effectiveHeight);
    expect(await conforms('/v1/policy')).toMatchObject({ digest: policyDigest(looser), scheduled: null });
  });

  it('shows an attestation that a policy evicted, with cause, code and height', async () => {
    const [before] = (await conforms('/v1/attestations')).attestations as { hardwareId: string; evicted: null }[];
    expect(before?.evicted).toBeNull();
    setPolicy({ barredHardwareIds: [before?.hardwareId ?? ''] });
    const evicted = { cause: 'policy', code: expect.stringMatching(/^[A-Z_]+$/) as string, height: fake.chain.height };
    const attestations = (await conforms('/v1/attestations')).attestations as Record<string, unknown>[];
    expect(attestations[0]).toMatchObject({ node: v0.id, platform: 'sev-snp', eligible: false, evicted });
    expect(attestations[0]?.reasons).toContain('EVICTED');
    const validators = (await conforms('/v1/validators')).validators as Record<string, unknown>[];
    const shown = validators.map(({ id, attestation }) => [id, attestation]);
    expect(shown).toContainEqual([v0.id, expect.objectContaining({ platform: 'sev-snp', product: 'Genoa', evicted })]);
    expect(shown).toContainEqual([v1.id, null]);
  });

  it('shows the grace of a measurement, also with the attestations that stand on it', async () => {
    const graceUntilHeight = asHeight(fake.chain.height + 9);
    const pair = { platform: 'sev-snp', measurement: MEASUREMENT, image: IMAGE, name: 'enclave 0.1.0' } as const;
    decide('set-measurement', { ...pair, status: 'grace-until', graceUntilHeight });
    const { measurements } = await conforms('/v1/measurements');
    expect(measurements).toMatchObject([{ status: 'grace-until', phase: 'grace', graceUntilHeight, nodes: [v0.id] }]);
    expect(await conforms('/v1/attestations')).toMatchObject({ attestations: [{ eligible: true, graceUntilHeight }] });
  });
});

describe('bad requests', () => {
  const bad: [string, 'GET' | 'POST', string, unknown, number, string][] = [
    ['an unknown route', 'GET', '/v1/nothing', undefined, 404, 'NO_SUCH_ROUTE'],
    ['a wrong method', 'POST', '/v1/status', {}, 404, 'NO_SUCH_ROUTE'],
    ['a digest in capitals', 'GET', `/v1/transactions/${'A'.repeat(64)}`, undefined, 400, 'INVALID_PARAMETER'],
    ['an unknown parameter', 'GET', '/v1/events?form=0', undefined, 400, 'INVALID_PARAMETER'],
    ['a repeated parameter', 'GET', '/v1/events?from=0&from=1', undefined, 400, 'INVALID_PARAMETER'],
    ['a limit out of bounds', 'GET', '/v1/events?limit=100000', undefined, 400, 'INVALID_PARAMETER'],
    ['a fraction', 'GET', '/v1/events?from=1.5', undefined, 400, 'INVALID_PARAMETER'],
    ['bad base64', 'POST', '/v1/transactions', { transaction: '!!' }, 400, 'INVALID_PARAMETER'],
    ['a missing member', 'POST', '/v1/transactions', {}, 400, 'INVALID_PARAMETER'],
    ['a further member', 'POST', '/v1/transactions', { transaction: 'AAAA', x: 1 }, 400, 'INVALID_PARAMETER'],
    ['an array for a body', 'POST', '/v1/transactions', [], 400, 'INVALID_PARAMETER'],
    ['no transaction', 'POST', '/v1/transactions', { transaction: 'AAAA' }, 400, 'TRANSACTION_MALFORMED'],
    ['an unknown model', 'GET', `/v1/models/${'0'.repeat(64)}`, undefined, 404, 'NOT_FOUND'],
    ['a height that is none', 'GET', '/v1/blocks/-1', undefined, 400, 'INVALID_PARAMETER'],
    ['a broken escape', 'GET', '/v1/records/%zz/a', undefined, 400, 'BAD_REQUEST'],
  ];
  it.each(bad)('%s', async (_, method, url, payload, status, code) => {
    const answer = await ask(method, url, payload);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.body.message).toEqual(expect.any(String));
    expect(errors).toEqual([]);
  });

  it('refuses bodies that are malformed, too large or of another type', async () => {
    const type = { 'content-type': 'application/json' };
    expect(await ask('POST', '/v1/transactions', '{"a":', type)).toMatchObject({
      status: 400,
      body: { code: 'BODY_MALFORMED' },
    });
    expect(await ask('POST', '/v1/transactions', '{"a":1,"a":2}', type)).toMatchObject({
      body: { code: 'BODY_MALFORMED' },
    });
    const large = `{"transaction":"${'A'.repeat(70_000)}"}`;
    expect(await ask('POST', '/v1/transactions', large, type)).toMatchObject({
      status: 413,
      body: { code: 'BODY_TOO_LARGE' },
    });
    const text = await ask('POST', '/v1/transactions', 'x', { 'content-type': 'text/plain' });
    expect(text).toMatchObject({ status: 415, body: { code: 'CONTENT_TYPE_NOT_TAKEN' } });
    const large2 = Buffer.alloc(100_001);
    expect(await ask('POST', '/v1/blobs', large2, uploadHeaders(fake.chain, tenant, large2))).toMatchObject({
      status: 413,
    });
  });

  it('refuses Host headers that are not its own', async () => {
    const status = async (host: string): Promise<number> => (await ask('GET', '/healthz', undefined, { host })).status;
    for (const host of ['127.0.0.1:7480', 'localhost', '[::1]:80', 'node.example:1', 'LOCALHOST:99']) {
      expect([host, await status(host)]).toEqual([host, 200]);
    }
    for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost:1:2', 'a b', '169.254.1.1']) {
      expect([host, await status(host)]).toEqual([host, 403]);
    }
  });

  it('answers whatever a handler throws as an error with a code', async () => {
    Object.assign(fake.node, { fateOf: () => Promise.reject(new Error('disk on fire')) });
    const answer = await ask('GET', `/v1/transactions/${'0'.repeat(64)}`);
    expect(answer).toMatchObject({ status: 500, body: { code: 'INTERNAL', message: 'the node failed' } });
    expect(errors).toHaveLength(1);
  });

  it('never throws out of a handler, whatever path, query and body', async () => {
    const routes = Object.keys((await document()).paths).filter((path) => !path.endsWith('/stream'));
    const piece = fc.oneof(fc.string(), fc.integer().map(String), fc.constant('0'.repeat(64)));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...routes),
        fc.array(piece, { minLength: 2, maxLength: 2 }),
        fc.dictionary(fc.constantFrom('from', 'limit', 'type', 'x'), fc.string()),
        fc.option(fc.json()),
        async (path, pieces, query, body) => {
          const filled = path.replace(/\{\w+\}/g, () => encodeURIComponent(pieces.pop() ?? ''));
          const search = new URLSearchParams(query);
          const answer = await ask(body === null ? 'GET' : 'POST', `${filled}?${search}`, body ?? undefined, {
            ...(body === null ? {} : { 'content-type': 'application/json' }),
          });
          expect(answer.status).not.toBe(500);
          if (answer.status >= 400)
            expect(answer.body).toMatchObject({ code: expect.any(String), message: expect.any(String) });
        },
      ),
      { numRuns: 200 },
    );
    expect(errors).toEqual([]);
  });

  it('refuses a request that names two hosts', async () => {
    const { host, port } = new URL(await server.listen());
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => resolve(text));
      socket.write(`GET /healthz HTTP/1.1\r\nhost: ${host}\r\nhost: evil.example\r\nconnection: close\r\n\r\n`);
    });
    expect(answer).toContain('HOST_NOT_ALLOWED');
  });

  it('answers bytes that are no HTTP', async () => {
    const { port } = new URL(await server.listen());
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => resolve(text));
      socket.write('\u0000nonsense\r\n\r\n');
    });
    expect(answer).toContain('400 Bad Request');
    expect(answer).toContain('HTTP_MALFORMED');
  });
});

describe('the event stream', () => {
  async function open(
    headers: Record<string, string> = {},
    query = '',
  ): Promise<{ next(count: number): Promise<number[]>; close(): void }> {
    const base = server.app.server.listening
      ? `http://127.0.0.1:${(server.app.server.address() as { port: number }).port}`
      : await server.listen();
    const abort = new AbortController();
    const response = await fetch(`${base}/v1/events/stream${query}`, { headers, signal: abort.signal });
    expect(response.status).toBe(200);
    const reader = response.body?.getReader();
    let text = '';
    const ids: number[] = [];
    return {
      next: async (count) => {
        while (ids.length < count) {
          const chunk = await reader?.read();
          text += new TextDecoder().decode(chunk?.value);
          const blocks = text.split('\n\n');
          text = blocks.pop() ?? '';
          for (const block of blocks) {
            const id = /^id: (\d+)$/m.exec(block)?.[1];
            if (id !== undefined) ids.push(Number(id));
          }
        }
        return ids.splice(0, count);
      },
      close: () => abort.abort(),
    };
  }

  it('starts with what comes next, resumes after an id, and filters', async () => {
    const count = fake.context.chain.log.head.count;
    const live = await open();
    const resumed = await open({ 'last-event-id': `${count - 3}` });
    await fake.append();
    expect(await live.next(1)).toEqual([count]);
    expect(await resumed.next(3)).toEqual([count - 2, count - 1, count]);
    const tooMany = await fetch(
      `http://127.0.0.1:${(server.app.server.address() as { port: number }).port}/v1/events/stream`,
    );
    expect(tooMany.status).toBe(503);
    live.close();
    resumed.close();
  });

  it('gives only the type that is asked for', async () => {
    const typed = await open({}, '?from=0&type=RecordPut');
    const [sequence] = await typed.next(1);
    const { body } = await ask('GET', `/v1/events?from=${sequence}&limit=1`);
    expect(body.events).toMatchObject([{ type: 'RecordPut' }]);
    typed.close();
  });

  it('leaves nothing behind on a socket that is slow to take it', async () => {
    const ending = new AbortController();
    const slow = Object.assign(new EventEmitter(), {
      writeHead: () => slow,
      write: () => {
        setImmediate(() => slow.emit('drain'));
        return false;
      },
      end: () => slow,
    });
    const listeners: number[] = [];
    slow.on('drain', () => listeners.push(slow.listenerCount('close')));
    const budgets = new ClientBudgets({ tokensPerSecond: 1_000, monotonicMs: () => performance.now() });
    const reader = { client: 'slow', budgets };
    const streaming = streamEvents(fake.context, slow as never, { from: 0, type: undefined }, reader, ending.signal);
    while (listeners.length < 4) await new Promise((resolve) => setImmediate(resolve));
    ending.abort();
    await streaming;
    expect(new Set(listeners).size).toBe(1);
  });

  it('refuses a Last-Event-ID that is no sequence', async () => {
    const answer = await ask('GET', '/v1/events/stream', undefined, { 'last-event-id': 'x' });
    expect(answer).toMatchObject({ status: 400, body: { code: 'INVALID_PARAMETER' } });
  });
});
