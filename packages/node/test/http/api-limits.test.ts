/** What a client can make the API hold or do: each bound is filled, and whoever fills it is the one that pays. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type Digest, ok, toBase64 } from '@cloister/encoding';
import { digestOf, keyOf, owner, stranger, tenant } from '@cloister/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BlobNames } from '../../src/blobs/blob-names.ts';
import { BLOBS_PER_ACCOUNT_MAX } from '../../src/blobs/blob-store.ts';
import { LedgerOrders } from '../../src/desk/ledger-orders.ts';
import { FETCHES_MAX, MISSING_MAX, NamedBlobs } from '../../src/desk/named-blobs.ts';
import { QUESTION_SHARE, QuestionServer } from '../../src/desk/question-server.ts';
import { ClientBudgets } from '../../src/http/gate/budgets.ts';
import { clientOf } from '../../src/http/gate/client-key.ts';
import {
  BODY_BYTES_MIN,
  ClientConnections,
  IDLE_MS,
  LOOK_MS,
  PIPELINED_MAX,
  STALL_MS,
  UNREAD_PER_CLIENT_MAX,
} from '../../src/http/gate/connections.ts';
import { BURST_SECONDS, GROUP_LIMITS, REFUSED_SUBMISSION_COST } from '../../src/http/gate/costs.ts';
import { FairGate } from '../../src/http/gate/fair-gate.ts';
import { KEYS_KEPT, keysKept, verifyNatively } from '../../src/http/gate/native-signature.ts';
import { isForeign } from '../../src/http/gate/origin-check.ts';
import { type ApiServer, createApiServer } from '../../src/http/server.ts';
import { STREAMS_PER_CLIENT_MAX } from '../../src/http/streams/event-streams.ts';
import { ANSWERS_MAX, cachedQuestions } from '../../src/http/thread/cached-questions.ts';
import { API_OPTIONS, type FakeContext, makeContext, uploadHeaders } from './fake-context.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('who asks', () => {
  it('is an address, and of IPv6 a network that one machine has to itself', () => {
    const same = [
      ['127.0.0.1', '127.0.0.1', '::ffff:127.0.0.1'],
      ['2001:db8:0:7::/64', '2001:db8:0:7::1', '2001:0db8:0000:0007:ffff::9', '2001:db8:0:7:1:2:3:4'],
      ['0:0:0:0::/64', '::1', '::'],
      ['fe80:0:0:0::/64', 'fe80::1%eth0'],
    ];
    for (const [client, ...addresses] of same) {
      for (const address of addresses) expect([address, clientOf(address)]).toEqual([address, client]);
    }
    expect(clientOf('2001:db8:0:8::1')).not.toBe(clientOf('2001:db8:0:7::1'));
  });

  it('is foreign when a browser says that another page asks', () => {
    const host = '127.0.0.1:7480';
    const own = [{}, { 'sec-fetch-site': 'none' }, { 'sec-fetch-site': 'same-origin', origin: `http://${host}` }];
    for (const headers of own) expect([headers, isForeign({ host, ...headers })]).toEqual([headers, false]);
    const foreign = [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: '' },
      { origin: `https://${host}` },
      { origin: 'http://127.0.0.1:7481' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'same-origin, none' },
    ];
    for (const headers of foreign) expect([headers, isForeign({ host, ...headers })]).toEqual([headers, true]);
  });
});

it('a door for signatures keeps so many keys, and takes what was signed', () => {
  const message = Uint8Array.of(1, 2, 3);
  for (let i = 0; i < KEYS_KEPT + 10; i++) {
    const signer = keyOf(`signer ${i}`);
    if (i % 100 > 0) verifyNatively(signer.id, message, new Uint8Array(64));
    else expect(verifyNatively(signer.id, message, signer.sign(message))).toBe(true);
  }
  expect(keysKept()).toBe(KEYS_KEPT);
  expect(verifyNatively(tenant.id, message, owner.sign(message))).toBe(false);
  expect(verifyNatively(tenant.id, message, new Uint8Array(63))).toBe(false);
  expect(verifyNatively('ff'.repeat(32) as never, message, tenant.sign(message))).toBe(false);
});

describe('a budget', () => {
  const nowMs = 0;
  it('of an account holds wherever its transactions come from', () => {
    const budgets = new ClientBudgets({ tokensPerSecond: 1, monotonicMs: () => nowMs });
    const spend = (): void => {
      for (let i = 0; i < 100_000; i++) budgets.payAccount(tenant.id);
    };
    expect(spend).toThrow('RATE_LIMITED');
    expect(() => budgets.payAccount(owner.id)).not.toThrow();
  });
});

describe('a gate', () => {
  it('serves clients by turns, however many one of them has waiting', async () => {
    const gate = new FairGate({ slots: 1, slotsPerClient: 1, waitingPerClientMax: 100, waitingMax: 100 });
    const order: string[] = [];
    const enter = (client: string): Promise<void> =>
      gate.run(client, async () => {
        order.push(client);
        await turn();
      });
    await Promise.all([...Array.from({ length: 20 }, () => enter('flood')), enter('one'), enter('two'), enter('one')]);
    expect(order.slice(0, 6).filter((client) => client !== 'flood')).toHaveLength(3);
    expect(order).toHaveLength(23);
  });

  it('holds so many of a client, and so many of all', async () => {
    const gate = new FairGate({ slots: 2, slotsPerClient: 1, waitingPerClientMax: 2, waitingMax: 3 });
    let open: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      open = resolve;
    });
    const enter = (client: string): Promise<void> => gate.run(client, () => held);
    const inside = [enter('a'), enter('a'), enter('a')];
    await expect(enter('a')).rejects.toMatchObject({ status: 429, retryAfterS: 1 });
    inside.push(enter('b'), enter('b'));
    await expect(enter('c')).rejects.toMatchObject({ status: 503, code: 'BUSY' });
    expect(gate.waiting).toBe(3);
    open();
    await Promise.all(inside);
    expect(gate.waiting).toBe(0);
    await enter('c');
  });
});

describe('connections', () => {
  let nowMs: number;
  let received: number;
  let server: Server;
  let connections: ClientConnections;
  const sockets: Socket[] = [];
  const streams: ServerResponse[] = [];

  async function listen(limits: { max: number; perClientMax: number }): Promise<void> {
    nowMs = 0;
    received = 0;
    server = createServer((request, response) => {
      request.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      if (request.url === '/stream') streams.push(response);
      else if (request.url === '/big') response.write(Buffer.alloc(32 * 1024 * 1024));
      else if (request.method === 'GET' && request.url !== '/never') response.end('ok');
    });
    connections = new ClientConnections(limits, () => nowMs);
    connections.watch(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }
  afterEach(async () => {
    connections.stop();
    streams.splice(0);
    for (const socket of sockets.splice(0)) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  async function open(text = '', from = '127.0.0.1'): Promise<Socket & { closed_: Promise<void> }> {
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port, localAddress: from });
    sockets.push(socket);
    socket.on('error', () => undefined);
    const closed_ = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const accepted = new Promise((resolve) => server.once('connection', resolve));
    await accepted;
    if (text !== '') {
      const heard = new Promise((resolve) => server.once('request', resolve));
      socket.write(text);
      if (text.includes('\r\n\r\n')) await heard;
    }
    return Object.assign(socket, { closed_ });
  }
  const closes = async (socket: { closed_: Promise<void> }): Promise<void> => socket.closed_;

  it('beyond those of one client push out the one of its own that waited longest', async () => {
    await listen({ max: 10, perClientMax: 2 });
    const [first, second, other] = [await open(), await open(), await open('', '127.0.0.2')];
    const third = await open();
    await closes(first);
    expect([second.destroyed, third.destroyed, other.destroyed, connections.size]).toEqual([false, false, false, 3]);
  });

  it('beyond all push out one of the client that has most', async () => {
    await listen({ max: 3, perClientMax: 3 });
    const [first, second, other] = [await open(), await open(), await open('', '127.0.0.2')];
    const late = await open('', '127.0.0.3');
    await closes(first);
    expect([second.destroyed, other.destroyed, late.destroyed]).toEqual([false, false, false]);
  });

  it('that all have work to do turn a new one away', async () => {
    await listen({ max: 1, perClientMax: 1 });
    const working = await open('GET /never HTTP/1.1\r\nhost: a\r\n\r\n');
    const late = await open();
    await closes(late);
    expect(working.destroyed).toBe(false);
  });

  it('that bring nothing, or drip a header without end, are closed', async () => {
    await listen({ max: 10, perClientMax: 10 });
    const [silent, dripping] = [await open(), await open('GET / HTTP/1.1\r\nx: ')];
    nowMs = IDLE_MS - 1;
    dripping.write('a');
    connections.sweep();
    expect(connections.size).toBe(2);
    nowMs = IDLE_MS;
    connections.sweep();
    await Promise.all([closes(silent), closes(dripping)]);
  });

  it('whose body stands still are closed, and those whose body moves are not', async () => {
    await listen({ max: 10, perClientMax: 10 });
    const post = `POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: ${4 * BODY_BYTES_MIN}\r\n\r\n`;
    const [stuck, moving] = [await open(post), await open(post)];
    connections.sweep();
    moving.write(Buffer.alloc(BODY_BYTES_MIN));
    while (received < BODY_BYTES_MIN) await turn();
    nowMs = STALL_MS - 1;
    connections.sweep();
    nowMs = STALL_MS;
    connections.sweep();
    await closes(stuck);
    expect([moving.destroyed, connections.size]).toEqual([false, 1]);
  });

  it('whose reader stands still are closed', async () => {
    await listen({ max: 10, perClientMax: 10 });
    const reader = await open('GET /big HTTP/1.1\r\nhost: a\r\n\r\n');
    reader.pause();
    // The kernel takes some of it for a moment.
    for (let i = 0; i < 1_000 && connections.size > 0; i++) {
      nowMs += STALL_MS;
      connections.sweep();
      await turn();
    }
    expect([connections.size, connections.closed]).toEqual([0, 1]);
  });

  it('whose stream is never read are closed, although all of it has left this process', async () => {
    await listen({ max: 10, perClientMax: 10 });
    const get = 'GET /stream HTTP/1.1\r\nhost: a\r\n\r\n';
    const [unread, read] = [await open(get), await open(get)];
    unread.pause();
    let taken = 0;
    read.on('data', (chunk: Buffer) => {
      taken += chunk.length;
    });
    // More than the reader's kernel takes in by itself, and less than this side's keeps for it.
    const page = Buffer.alloc(256 * 1024);
    const written = streams.map(async (stream) => new Promise<void>((resolve) => stream.write(page, () => resolve())));
    await Promise.all(written);
    while (taken < page.length) await turn();
    // The reader's kernel takes some more of it for a moment.
    for (let i = 0; i < 1_000 && connections.size > 1; i++) {
      // Signs of life go on leaving: they must not count as read.
      for (const stream of streams) stream.write(': alive\n\n');
      nowMs += LOOK_MS;
      await connections.look();
      connections.sweep();
    }
    expect(nowMs).toBeGreaterThanOrEqual(STALL_MS);
    expect([connections.size, connections.closed]).toEqual([1, 1]);
    // What this side kept for it is gone: it reads no more than its own kernel had.
    unread.resume();
    await closes(unread);
    expect([unread.bytesRead < page.length, read.destroyed]).toEqual([true, false]);
  });

  it('that send ahead more than so many requests are closed', async () => {
    await listen({ max: 10, perClientMax: 10 });
    const one = 'GET /never HTTP/1.1\r\nhost: a\r\n\r\n';
    const eager = await open(one.repeat(PIPELINED_MAX + 1));
    await closes(eager);
  });

  it('count what was answered and not taken up, for each client', async () => {
    await listen({ max: 10, perClientMax: 10 });
    const response = { once: (_: string, done: () => void) => ended.push(done) };
    const ended: (() => void)[] = [];
    connections.answering('a', UNREAD_PER_CLIENT_MAX, response as never);
    expect(connections.overloadedBy('a')).toBeUndefined();
    connections.answering('a', 1, response as never);
    expect([connections.overloadedBy('a'), connections.overloadedBy('b')]).toEqual(['client', undefined]);
    for (let i = 0; i < 8; i++) connections.answering(`c${i}`, UNREAD_PER_CLIENT_MAX, response as never);
    expect(connections.overloadedBy('b')).toBe('all');
    for (const done of ended) done();
    expect([connections.overloadedBy('a'), connections.overloadedBy('b')]).toEqual([undefined, undefined]);
  });
});

describe('questions to the thread that votes', () => {
  it('get their share of its time and no more, however many there are', async () => {
    let nowMs = 0;
    let answered = 0;
    let longest = 0;
    const server = new QuestionServer({
      questions: {
        status: async () => {
          nowMs += 1;
          return '{}';
        },
      } as never,
      answer: () => answered++,
      monotonicMs: () => nowMs,
      onError: () => undefined,
    });
    for (let i = 0; i < 1_000; i++) server.take({ id: i, name: 'status', args: [] });
    for (let i = 0; i < 200; i++) {
      const before = nowMs;
      await turn();
      longest = Math.max(longest, nowMs - before);
    }
    // The clock stands still but for the questions, so that nothing but the burst is there to be used.
    expect(longest).toBeLessThanOrEqual(4);
    const first = answered;
    expect(first).toBeGreaterThan(20);
    expect(first).toBeLessThan(80);
    nowMs += 100;
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(answered - first).toBeLessThanOrEqual(100 * QUESTION_SHARE + 20);
    expect(answered).toBeGreaterThan(first);
  });

  it('do not hold up transactions, which are no questions, when their share is used up', async () => {
    let nowMs = 0;
    const answered: string[] = [];
    const server = new QuestionServer({
      questions: {
        status: async () => {
          nowMs += 1;
        },
        submit: async () => {
          nowMs += 1;
        },
      } as never,
      answer: ({ id }) => answered.push(id < 1_000 ? 'status' : 'submit'),
      monotonicMs: () => nowMs,
      onError: () => undefined,
    });
    for (let i = 0; i < 500; i++) server.take({ id: i, name: 'status', args: [] });
    for (let i = 0; i < 100; i++) await turn();
    const before = answered.length;
    for (let i = 0; i < 200; i++) server.take({ id: 1_000 + i, name: 'submit', args: [] });
    for (let i = 0; i < 150; i++) await turn();
    expect(before).toBeLessThan(80);
    expect(answered.filter((name) => name === 'submit')).toHaveLength(200);
  });

  it('are asked once for everybody until the next block, and a bounded number of answers is kept', async () => {
    let asked = 0;
    let height = 1;
    const node = { model: async (id: Digest) => `${id} ${++asked}` };
    const cached = cachedQuestions(
      node as never,
      {
        get position() {
          return { height } as never;
        },
      },
      () => 0,
    );
    const [one, two] = await Promise.all([cached.model(digestOf('a')), cached.model(digestOf('a'))]);
    expect([one === two, asked]).toEqual([true, 1]);
    height = 2;
    await cached.model(digestOf('a'));
    expect(asked).toBe(2);
    for (let i = 0; i < ANSWERS_MAX; i++) await cached.model(digestOf(`model ${i}`));
    await cached.model(digestOf('a'));
    expect(asked).toBe(2 + ANSWERS_MAX + 1);
  });
});

describe('the API of a node', () => {
  let fake: FakeContext;
  let server: ApiServer;
  beforeEach(async () => {
    fake = await makeContext();
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await server.close();
    await fake.remove();
  });

  function serve(clientTokensPerSecond: number): void {
    const onError = (error: unknown): void => {
      throw error;
    };
    server = createApiServer(fake.context, { ...API_OPTIONS, streamsMax: 64, clientTokensPerSecond, onError });
  }
  async function send(method: 'GET' | 'POST', url: string, payload?: unknown, headers: Record<string, string> = {}) {
    const sent = payload === undefined ? {} : { payload: payload as never };
    const answer = await server.app.inject({ method, url, headers, ...sent });
    const { code } = String(answer.headers['content-type']).startsWith('application/json')
      ? (answer.json() as { code?: string })
      : {};
    return { status: answer.statusCode, code, retryAfter: answer.headers['retry-after'] };
  }

  it('tells a client over its budget when to come back, for one kind of request alone', async () => {
    serve(1);
    const answers = [];
    for (let i = 0; i < BURST_SECONDS + 2; i++) answers.push(await send('GET', '/v1/status'));
    const refused = answers.find(({ status }) => status === 429);
    expect(refused).toMatchObject({ code: 'RATE_LIMITED', retryAfter: expect.stringMatching(/^[1-9]\d*$/) as string });
    expect((await send('GET', '/v1/events?limit=1')).status).toBe(200);
  });

  it('charges a forger for each forgery and shows none of them to the thread that votes', async () => {
    // Budgets fill up by this clock alone: a slow machine must not earn the forger tokens.
    let nowMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    serve(10);
    let shown = 0;
    Object.assign(fake.node, {
      submitVerified: async () => {
        shown++;
        return ok({ id: digestOf('taken') });
      },
    });
    const good = fake.chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: 'v' });
    const forged = Uint8Array.from(good.bytes);
    forged[forged.length - 40] = (forged[forged.length - 40] ?? 0) ^ 1;
    const hand = async (bytes: Uint8Array, remoteAddress: string): Promise<string | undefined> => {
      const payload = { transaction: toBase64(bytes) };
      const answer = await server.app.inject({ method: 'POST', url: '/v1/transactions', payload, remoteAddress });
      return (answer.json() as { code?: string }).code;
    };
    const forge = (): Promise<string | undefined> => hand(forged, '127.0.0.1');
    // A full bucket pays for the first ones; the last of them leaves a debt, and so does each that time pays for.
    const each = 1 + REFUSED_SUBMISSION_COST;
    const paid = Math.ceil((10 * BURST_SECONDS) / each);
    const codes: (string | undefined)[] = [];
    for (let i = 0; i <= paid; i++) codes.push(await forge());
    expect(codes).toEqual([...Array.from({ length: paid }, () => 'SIGNATURE_INVALID'), 'RATE_LIMITED']);
    const debt = paid * each - 10 * BURST_SECONDS;
    nowMs += ((debt + 1) / 10) * 1000;
    expect([await forge(), await forge()]).toEqual(['SIGNATURE_INVALID', 'RATE_LIMITED']);
    expect(shown).toBe(0);
    expect([await hand(good.bytes, '127.0.0.2'), shown]).toEqual([undefined, 1]);
  });

  it('charges nothing for transactions that are taken, and hands on what the pool says of others', async () => {
    serve(5);
    const transaction = toBase64(
      fake.chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: 'v' }).bytes,
    );
    for (let i = 0; i < 50; i++) expect((await send('POST', '/v1/transactions', { transaction })).status).toBe(200);
    fake.verdict.code = 'BACKPRESSURE';
    expect(await send('POST', '/v1/transactions', { transaction })).toMatchObject({ status: 503, retryAfter: '1' });
  });

  it('charges the ordinary price for a transaction that a bound of tasks keeps out, and says when to come back', async () => {
    serve(5);
    const transaction = toBase64(
      fake.chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: 'v' }).bytes,
    );
    fake.verdict.code = 'TASK_LIMIT';
    for (let i = 0; i < 5 * BURST_SECONDS; i++) {
      const full = { status: 429, code: 'TASK_LIMIT', retryAfter: '1' };
      expect(await send('POST', '/v1/transactions', { transaction })).toMatchObject(full);
    }
  });

  it('takes a blob for an account of the chain alone, or because the ledger names it', async () => {
    serve(10_000);
    const bytes = Buffer.from('an upload');
    const plain = { 'content-type': 'application/octet-stream' };
    const { chain } = fake;
    const signed = uploadHeaders(chain, tenant, bytes);
    const refusals: [Record<string, string>, number, string][] = [
      [plain, 400, 'DIGEST_REQUIRED'],
      [{ ...plain, 'cloister-digest': String(signed['cloister-digest']) }, 403, 'UPLOAD_NOT_CLAIMED'],
      [{ ...signed, 'cloister-upload': 'x' }, 400, 'CLAIM_MALFORMED'],
      [uploadHeaders(chain, tenant, bytes, chain.height - 1), 403, 'CLAIM_EXPIRED'],
      [uploadHeaders(chain, tenant, bytes, chain.height + 100_000), 403, 'CLAIM_TOO_FAR'],
      [{ ...signed, 'cloister-digest': digestOf('other') }, 403, 'SIGNATURE_INVALID'],
      [
        { ...signed, 'cloister-upload': signed['cloister-upload']?.replace(tenant.id, owner.id) ?? '' },
        403,
        'SIGNATURE_INVALID',
      ],
      [uploadHeaders(chain, stranger, bytes), 403, 'SENDER_UNKNOWN'],
    ];
    for (const [headers, status, code] of refusals) {
      expect(await send('POST', '/v1/blobs', bytes, headers)).toMatchObject({ status, code });
    }
    const other = Buffer.from('an uplaod');
    expect(await send('POST', '/v1/blobs', other, signed)).toMatchObject({ status: 400, code: 'BLOB_MISMATCH' });
    expect([fake.blobs.count, fake.blobs.bytes]).toEqual([0, 0]);
    expect((await send('POST', '/v1/blobs', bytes, signed)).status).toBe(200);
    expect((await send('POST', '/v1/blobs', bytes, signed)).status).toBe(200);
    expect(fake.blobs.count).toBe(1);
  });

  it('asks members for no digest that somebody made up', async () => {
    serve(10_000);
    expect((await send('GET', `/v1/blobs/${digestOf('made up')}`)).status).toBe(404);
    expect(fake.fetched).toEqual([]);
    const { manifest } = [...fake.chain.state.models.values()][0] ?? {};
    expect((await send('GET', `/v1/blobs/${manifest?.ciphertextDigest}`)).status).toBe(404);
    expect(fake.fetched).toEqual([manifest?.ciphertextDigest]);
    await send('GET', `/v1/blobs/${manifest?.ciphertextDigest}`);
    expect(fake.fetched).toHaveLength(1);
  });

  it('serves so many streams to one client', async () => {
    serve(10_000);
    const url = await server.listen();
    const ending = new AbortController();
    const open = (): Promise<Response> => fetch(`${url}/v1/events/stream`, { signal: ending.signal });
    const streams = await Promise.all(Array.from({ length: STREAMS_PER_CLIENT_MAX }, open));
    expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await open()).status).toBe(429);
    ending.abort();
  });

  it('refuses what a page of another origin sends, whatever the method', async () => {
    serve(10_000);
    const origin = 'http://evil.example';
    for (const [method, url] of [
      ['GET', '/v1/status'],
      ['POST', '/v1/transactions'],
      ['GET', '/v1/nothing'],
    ] as const) {
      expect(await send(method, url, undefined, { origin })).toMatchObject({ status: 403, code: 'ORIGIN_NOT_ALLOWED' });
    }
  });

  it('lists in pages that lead on to the end, without a sort of the whole', async () => {
    serve(10_000);
    const orders = new LedgerOrders(fake.node.state);
    const { models, members } = fake.chain.state;
    expect(orders.models(undefined, 10)).toEqual([...models.keys()]);
    expect(orders.models([...models.keys()][0], 10)).toEqual([]);
    const seen: string[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const answer = await server.app.inject(`/v1/validators?limit=1${next === '' ? '' : `&after=${next}`}`);
      const page = answer.json() as { validators: { id: string }[]; next: string | null };
      expect(page.validators.length).toBeLessThanOrEqual(1);
      seen.push(...page.validators.map(({ id }) => id));
      next = page.next;
    }
    expect(seen).toEqual([...members.keys()].sort());
  });
});

describe('blobs for readers', () => {
  it('are fetched a few at a time, and what nobody has is remembered for a while', async () => {
    const fake = await makeContext();
    let nowMs = 0;
    const asked: Digest[] = [];
    const answers: (() => void)[] = [];
    const blobs = new NamedBlobs({
      blobs: fake.blobs,
      names: { has: () => true } as unknown as BlobNames,
      holdBlob: (digest) =>
        new Promise((resolve) => {
          asked.push(digest);
          answers.push(() => resolve(false));
        }),
      monotonicMs: () => nowMs,
    });
    const waiting = Array.from({ length: 5 }, (_, i) => blobs.file(digestOf(`${i}`)));
    for (let i = 0; i < 5; i++) await turn();
    expect(asked).toHaveLength(FETCHES_MAX);
    for (const answer of answers.splice(0)) answer();
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 5 }, () => undefined));
    await blobs.file(digestOf('0'));
    expect(asked).toHaveLength(FETCHES_MAX);
    for (let i = 0; i < MISSING_MAX; i++) {
      const file = blobs.file(digestOf(`missing ${i}`));
      while (answers.length === 0) await turn();
      for (const answer of answers.splice(0)) answer();
      await file;
    }
    // The oldest was forgotten for the newest.
    void blobs.file(digestOf('0'));
    while (answers.length === 0) await turn();
    expect(asked.at(-1)).toBe(digestOf('0'));
    nowMs += 60_000;
    answers.pop()?.();
    await fake.remove();
  });

  it('of one account are so many at most, however small', async () => {
    const fake = await makeContext();
    let code: string | undefined;
    for (let i = 0; i <= BLOBS_PER_ACCOUNT_MAX && code === undefined; i++) {
      const reserved = fake.blobs.reserve(digestOf(`${i}`), 1, tenant.id);
      code = reserved.ok ? undefined : reserved.code;
    }
    expect(code).toBe('BLOB_ACCOUNT_QUOTA_EXCEEDED');
    expect(fake.blobs.reserve(digestOf('other'), 1, owner.id).ok).toBe(true);
    await fake.remove();
  });
});

it('each group of routes has slots', () => {
  for (const [group, { slots, slotsPerClient }] of Object.entries(GROUP_LIMITS)) {
    expect([group, slots >= slotsPerClient && slotsPerClient >= 1]).toEqual([group, true]);
  }
});
