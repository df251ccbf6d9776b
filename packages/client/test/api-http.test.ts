import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asAccountId, asDigest, toBase64 } from '@cloister/encoding';
import { RULES_SUBJECT } from '@cloister/ledger';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClientError } from '../src/errors.ts';
import type { NodeApi } from '../src/node/api.ts';
import { createHttpApi } from '../src/node/api-http.ts';

const digest = asDigest('ab'.repeat(32));
const account = asAccountId('cd'.repeat(32));

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

let server: Server;
let api: NodeApi;
let seen: Seen[];
let respond: (request: IncomingMessage, response: ServerResponse) => void;

const json = (status: number, value: unknown) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
};
const bytes = (status: number, value: Uint8Array) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(status).end(value);
};

beforeEach(async () => {
  seen = [];
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ method: request.method, url: request.url, body, headers: request.headers });
    respond(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  api = createHttpApi({ baseUrl: `http://127.0.0.1:${port}/`, timeoutMs: 2_000 });
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Every call of the port, whose answers a node may make up. */
const calls: readonly [string, (port: NodeApi) => Promise<unknown>][] = [
  ['status', (port) => port.status()],
  ['genesis', (port) => port.genesis()],
  ['submitTransaction', (port) => port.submitTransaction(new Uint8Array(3))],
  ['transactionFate', (port) => port.transactionFate(digest)],
  ['putBlob', (port) => port.putBlob(new Uint8Array(3), { digest, claim: 'claim' })],
  ['getBlob', (port) => port.getBlob(digest, 1000)],
  ['events', (port) => port.events({ from: 3, limit: 2, type: 'RecordPut' })],
  ['attestations', (port) => port.attestations()],
  ['challenge', (port) => port.challenge(account, new Uint8Array(3))],
  ['model', (port) => port.model(digest)],
  ['inference', (port) => port.inference(digest)],
  ['eventProof', (port) => port.eventProof(7)],
  ['facts', (port) => port.facts([RULES_SUBJECT])],
];

describe('the HTTP adapter', () => {
  it('asks the endpoints of the API', async () => {
    respond = json(200, {});
    for (const [, call] of calls) await call(api).catch(() => undefined);
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /v1/status',
      'GET /v1/genesis',
      'POST /v1/transactions',
      `GET /v1/transactions/${digest}`,
      'POST /v1/blobs',
      `GET /v1/blobs/${digest}`,
      'GET /v1/events?from=3&limit=2&type=RecordPut',
      'GET /v1/attestations',
      `POST /v1/attestations/${account}/challenge`,
      `GET /v1/models/${digest}`,
      `GET /v1/inferences/${digest}`,
      'GET /v1/proofs/events/7',
      'GET /v1/proofs/facts?keys=rules',
    ]);
    expect(seen[2]?.body).toBe(JSON.stringify({ transaction: toBase64(new Uint8Array(3)) }));
    expect(seen[8]?.body).toBe(JSON.stringify({ challenge: toBase64(new Uint8Array(3)) }));
  });

  it('reads answers, and ignores members that it does not know', async () => {
    respond = json(200, { chainId: digest, height: 5, provableHeight: 4, eventCount: 9, more: [] });
    expect(await api.status()).toEqual({ chainId: digest, height: 5, provableHeight: 4, eventCount: 9 });
    respond = json(200, { id: digest, fate: 'REJECTED', code: 'TASK_EXISTS', height: 3, sequence: 7 });
    expect(await api.transactionFate(digest)).toEqual({ fate: 'REJECTED', sequence: 7 });
    respond = json(200, { proof: toBase64(Uint8Array.of(3, 4)) });
    expect(await api.facts([RULES_SUBJECT, { about: 'model', model: digest }])).toEqual(Uint8Array.of(3, 4));
    expect(seen.at(-1)?.url).toBe(`/v1/proofs/facts?keys=rules,model/${digest}`);
    respond = json(200, { events: [{ sequence: 1, height: 1, type: 'RecordPut', payload: { key: 'a' } }] });
    expect(await api.events({ from: 0, limit: 1, type: 'RecordPut' })).toEqual([
      { sequence: 1, type: 'RecordPut', payload: { key: 'a' } },
    ]);
    respond = json(200, { proof: toBase64(Uint8Array.of(1, 2)) });
    expect(await api.eventProof(0)).toEqual(Uint8Array.of(1, 2));
    respond = bytes(200, Uint8Array.of(5, 6));
    expect(await api.getBlob(digest, 2)).toEqual(Uint8Array.of(5, 6));
  });

  it('tells absence from refusal', async () => {
    respond = json(404, { code: 'NOT_FOUND' });
    expect(await api.inference(digest)).toBeUndefined();
    expect(await api.getBlob(digest, 10)).toBeUndefined();
    respond = json(404, { code: 'NOT_PROVABLE', detail: 'not yet' });
    expect(await api.eventProof(1)).toBeUndefined();
    await expect(api.model(digest)).rejects.toMatchObject({ code: 'API_REFUSED', detail: 'NOT_PROVABLE not yet' });
    respond = bytes(502, new Uint8Array(0));
    await expect(api.model(digest)).rejects.toMatchObject({ code: 'API_REFUSED', detail: 'HTTP_502' });
  });

  it('bounds answers', async () => {
    respond = bytes(200, new Uint8Array(11));
    await expect(api.getBlob(digest, 10)).rejects.toMatchObject({ code: 'API_ANSWER_TOO_LARGE' });
    respond = bytes(200, new Uint8Array(2 * 1024 * 1024));
    await expect(api.genesis()).rejects.toMatchObject({ code: 'API_ANSWER_TOO_LARGE' });
  });

  it('asks again when a busy node says how long to wait, and not beyond the time of the call', async () => {
    let asked = 0;
    respond = (_, response) => {
      const busy = ++asked === 1;
      const headers: Record<string, string> = busy ? { 'retry-after': '0' } : {};
      const body = busy ? { code: 'RATE_LIMITED' } : { id: digest, fate: 'PENDING' };
      response.writeHead(busy ? 429 : 200, headers).end(JSON.stringify(body));
    };
    expect(await api.transactionFate(digest)).toEqual({ fate: 'PENDING' });
    expect(asked).toBe(2);
    respond = (_, response) => {
      asked++;
      response.writeHead(429, { 'retry-after': '60' }).end(JSON.stringify({ code: 'RATE_LIMITED' }));
    };
    await expect(api.status()).rejects.toMatchObject({ code: 'API_REFUSED', detail: 'RATE_LIMITED' });
    expect(asked).toBe(3);
  });

  it('reads lists to their end, and refuses one that leads elsewhere', async () => {
    const listed = (node: string): object => ({ node, keyset: digest, platform: 'tdx', eligible: true });
    const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
    respond = (request, response) => {
      const last = request.url?.includes('after=') === true;
      response.end(JSON.stringify({ attestations: [listed(last ? b : a)], next: last ? null : a }));
    };
    expect((await api.attestations()).map(({ node }) => node)).toEqual([a, b]);
    respond = json(200, { attestations: [], next: '../../elsewhere?x=1' });
    await expect(api.attestations()).rejects.toMatchObject({ code: 'API_ANSWER_MALFORMED' });
  });

  it('says who uploads what', async () => {
    respond = json(200, { digest });
    await api.putBlob(new Uint8Array(3), { digest, claim: 'claim' });
    expect(seen.at(-1)?.headers).toMatchObject({ 'cloister-digest': digest, 'cloister-upload': 'claim' });
  });

  it('gives up on a node that does not answer, is gone, or sends it elsewhere', async () => {
    respond = () => undefined;
    const { port } = server.address() as AddressInfo;
    const hasty = createHttpApi({ baseUrl: `http://127.0.0.1:${port}`, timeoutMs: 30 });
    await expect(hasty.status()).rejects.toMatchObject({ code: 'API_TIMEOUT' });
    respond = (_, response) => void response.destroy();
    await expect(api.status()).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
    respond = (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    await expect(api.status()).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
  });

  it('asks once more when a connection breaks, and not more often', async () => {
    let broken = 0;
    respond = (request, response) => {
      if (broken++ === 0) response.destroy();
      else bytes(200, new Uint8Array([7]))(request, response);
    };
    expect(await api.getBlob(digest, 1_000)).toEqual(new Uint8Array([7]));
    expect(broken).toBe(2);
    respond = (_, response) => {
      broken++;
      response.destroy();
    };
    await expect(api.getBlob(digest, 1_000)).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
    expect(broken).toBe(4);
  });

  it('throws nothing but ClientError on made-up answers', async () => {
    const made = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc
        .record({
          events: fc.anything(),
          manifest: fc.jsonValue(),
          grants: fc.jsonValue(),
          attestations: fc.jsonValue(),
          fate: fc.constantFrom('REJECTED', 'x', 1),
          proof: fc.string(),
          answer: fc.base64String(),
          status: fc.constantFrom('open', 'failed', 'y'),
          receipts: fc.jsonValue(),
        })
        .map((value) => new TextEncoder().encode(JSON.stringify(value) ?? '')),
    );
    await fc.assert(
      fc.asyncProperty(made, fc.constantFrom(200, 200, 400, 404, 500), async (body, status) => {
        const fetch = async (): Promise<Response> => new Response(Uint8Array.from(body), { status });
        const port = createHttpApi({ baseUrl: 'http://node', fetch });
        for (const [name, call] of calls) {
          const thrown: unknown = await call(port).then(
            () => undefined,
            (error: unknown) => error,
          );
          if (thrown !== undefined) expect(thrown, name).toBeInstanceOf(ClientError);
        }
      }),
      { numRuns: 200 },
    );
  });
});
