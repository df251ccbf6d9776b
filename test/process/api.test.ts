/** What a running network makes of bad input: a code for each, and a node that goes on. And what its operators ask it. */

import { randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ed25519KeyPair } from '@cloister/crypto';
import { asHeight, toBase64 } from '@cloister/encoding';
import { MAX_TRANSACTION_BYTES, signTransaction, type Transaction, type TransactionFields } from '@cloister/ledger';
import { homeLayout } from '@cloister/node/testnet';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, runCommand } from './command-line.ts';
import { cleanUpAfterwards, makeFolder, Network } from './harness.ts';
import { call, type Fields, metric, post, reach, read, statusOf } from './node-api.ts';
import { fateOf, settle, signFor, submit } from './transactions.ts';

cleanUpAfterwards();
let network: Network;

beforeAll(async () => {
  network = await Network.make({ validators: 4 });
  await network.startAll();
});

/** A record of the tenant, with whatever is to be wrong about it. */
async function record(
  changed: Partial<Pick<TransactionFields, 'chainId' | 'expiryHeight'>> = {},
): Promise<Transaction> {
  const tenant = await network.accountKey('tenant');
  const { height } = await statusOf(network.api(0));
  const signed = signTransaction(tenant, {
    chainId: network.layout.chainId,
    sender: tenant.id,
    nonce: randomBytes(16).toString('hex'),
    expiryHeight: asHeight(height + 50),
    kind: 'put-record',
    payload: { namespace: 'api', key: 'k', value: 'v' },
    ...changed,
  });
  if (!signed.ok) throw new Error(signed.code);
  return signed.value;
}

describe('a transaction over HTTP', () => {
  afterEach(async () => {
    const { height } = await statusOf(network.api(0));
    await reach(network.api(0), height + 2);
    expect((await call(network.api(0), '/healthz')).status).toBe(200);
  });

  it.each([
    ['no JSON', '{"transaction":', 'application/json', 400, 'BODY_MALFORMED'],
    ['JSON of another shape', '[]', 'application/json', 400, 'INVALID_PARAMETER'],
    ['a member too many', '{"transaction":"AA==","x":1}', 'application/json', 400, 'INVALID_PARAMETER'],
    ['no base64', '{"transaction":"***"}', 'application/json', 400, 'INVALID_PARAMETER'],
    ['of another content type', 'hello', 'text/plain', 415, 'CONTENT_TYPE_NOT_TAKEN'],
    ['a body beyond the limit', `"${'A'.repeat(70_000)}"`, 'application/json', 413, 'BODY_TOO_LARGE'],
  ])('%s is refused', async (_, body, contentType, status, code) => {
    const headers = { 'content-type': contentType };
    const answer = await call(network.api(0), '/v1/transactions', { method: 'POST', headers, body });
    expect(answer).toMatchObject({ status, body: { code } });
  });

  it('random and mutated bytes are malformed or badly signed, never an error of the node', async () => {
    const good = (await record()).bytes;
    for (let i = 0; i < 40; i++) {
      const bytes = i % 2 === 0 ? randomBytes(1 + ((i * 37) % 600)) : Uint8Array.from(good);
      if (i % 2 === 1) {
        const at = (i * 131) % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (i % 8));
      }
      const { status, body } = await submit(network.api(0), bytes);
      expect([400, 403, 409], JSON.stringify(body)).toContain(status);
      expect(body.code).toMatch(
        /^(TRANSACTION_MALFORMED|TRANSACTION_KIND_UNKNOWN|PAYLOAD_\w+|WRONG_CHAIN|SENDER_UNKNOWN|SIGNATURE_INVALID|TRANSACTION_EXPIRED|EXPIRY_TOO_FAR)$/,
      );
    }
  });

  it('oversized is refused', async () => {
    const { status, body } = await submit(network.api(0), new Uint8Array(MAX_TRANSACTION_BYTES + 1));
    expect([400, 413]).toContain(status);
    expect(body.code).toMatch(/^(TRANSACTION_TOO_LARGE|INVALID_PARAMETER)$/);
  });

  it('wrongly signed is refused', async () => {
    const { bytes } = await record();
    const forged = Uint8Array.from(bytes);
    forged[forged.length - 40] = (forged[forged.length - 40] ?? 0) ^ 1;
    expect(await submit(network.api(0), forged)).toMatchObject({ status: 403, body: { code: 'SIGNATURE_INVALID' } });
  });

  it('of another chain is refused', async () => {
    const { bytes } = await record({ chainId: 'ab'.repeat(32) as TransactionFields['chainId'] });
    expect(await submit(network.api(0), bytes)).toMatchObject({ status: 400, body: { code: 'WRONG_CHAIN' } });
  });

  it('expired, or expiring too far ahead, is refused', async () => {
    const { bytes } = await record({ expiryHeight: asHeight(1) });
    expect(await submit(network.api(0), bytes)).toMatchObject({ status: 409, body: { code: 'TRANSACTION_EXPIRED' } });
    const far = await record({ expiryHeight: asHeight(1_000_000) });
    expect(await submit(network.api(0), far.bytes)).toMatchObject({ status: 400, body: { code: 'EXPIRY_TOO_FAR' } });
  });

  it('of a sender nobody knows is refused', async () => {
    const stranger = ed25519KeyPair(randomBytes(32));
    const transaction = await signFor(network, 0, stranger, 'put-record', { namespace: 'x', key: 'k', value: 'v' });
    const answer = await submit(network.api(0), transaction.bytes);
    expect(answer).toMatchObject({ status: 403, body: { code: 'SENDER_UNKNOWN' } });
  });

  it('handed in again, at any node, executes once', async () => {
    const transaction = await record();
    expect((await submit(network.api(0), transaction.bytes)).status).toBe(200);
    expect(await fateOf(network.api(0), transaction.id)).toMatchObject({ fate: 'COMMITTED' });
    for (const api of network.apis) {
      const { height } = await read<{ height: number }>(network.api(0), `/v1/transactions/${transaction.id}`);
      await reach(api, height);
      expect(await submit(api, transaction.bytes)).toMatchObject({ status: 200, body: { known: true } });
    }
    const { events } = await read<{ events: { payload: Fields }[] }>(
      network.api(1),
      '/v1/events?type=RecordPut&limit=1000',
    );
    expect(events.filter(({ payload }) => payload.transaction === transaction.id)).toHaveLength(1);
  });

  it('that the ledger rejects has its code in its fate, on every node', async () => {
    const owner = await network.accountKey('owner');
    const taken = { namespace: 'api', key: 'k', value: 'not mine' };
    const { id, bytes } = await signFor(network, 0, owner, 'put-record', taken);
    expect((await submit(network.api(2), bytes)).status).toBe(200);
    for (const api of network.apis) {
      expect(await fateOf(api, id)).toMatchObject({ fate: 'REJECTED', code: 'NAMESPACE_NOT_OWNED' });
    }
  });
});

describe('the API', () => {
  it('has a code for what is not there and for what it does not take', async () => {
    const api = network.api(0);
    expect(await call(api, '/v1/nothing')).toMatchObject({ status: 404, body: { code: 'NO_SUCH_ROUTE' } });
    expect(await call(api, '/v1/events?limit=0')).toMatchObject({ status: 400, body: { code: 'INVALID_PARAMETER' } });
    expect(await call(api, '/v1/blocks/999999')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    expect(await call(api, `/v1/inferences/${'0'.repeat(64)}`)).toMatchObject({ status: 404 });
    const challenge = toBase64(randomBytes(99));
    const path = `/v1/attestations/${network.validator(0).id}/challenge`;
    expect((await post(api, path, { challenge })).status).toBe(400);
  });

  it('refuses a Host that is not its own, and answers bytes that are no HTTP', async () => {
    const { hostname, port } = new URL(network.api(0));
    const answered = (request: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let text = '';
        const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(request));
        socket.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        socket.on('close', () => resolve(text)).on('error', reject);
      });
    expect(await answered('GET /v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')).toContain(
      'HOST_NOT_ALLOWED',
    );
    expect(await answered('\u0000\u0001 nonsense\r\n\r\n')).toContain('HTTP_MALFORMED');
  });

  it('goes on when its peers’ port is fed random bytes', async () => {
    const [address = ''] = network.node(0).addresses;
    const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1]);
    for (let i = 0; i < 5; i++) {
      await new Promise<void>((resolve) => {
        const socket = connect({ host: '127.0.0.1', port }, () => socket.end(randomBytes(2_000)));
        socket.on('error', () => undefined).on('close', () => resolve());
        socket.resume();
      });
    }
    const { height } = await statusOf(network.api(0));
    await reach(network.api(0), height + 3);
  });

  it('serves readiness, metrics and its own description', async () => {
    const api = network.api(0);
    expect(await call(api, '/readyz')).toMatchObject({ status: 200, body: { ready: true } });
    const height = await metric(api, 'cloister_consensus_height');
    expect(height).toBeGreaterThan(1);
    expect(await metric(api, 'cloister_network_peers', '{kind="member"}')).toBe(3);
    expect(await read(api, '/v1/openapi.json')).toMatchObject({ openapi: '3.1.0' });
    expect(await read(api, '/v1/status')).toMatchObject({ chainId: network.layout.chainId, simulated: true });
  });

  it('streams events, and resumes after the last one that a reader saw', async () => {
    const api = network.api(1);
    const ids = async (count: number, headers: Record<string, string>, query = ''): Promise<number[]> => {
      const ending = new AbortController();
      const response = await fetch(new URL(`/v1/events/stream${query}`, api), { headers, signal: ending.signal });
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      const found: number[] = [];
      let text = '';
      for await (const chunk of response.body ?? []) {
        text += new TextDecoder().decode(chunk as Uint8Array);
        found.splice(0, found.length, ...[...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1])));
        if (found.length >= count) break;
      }
      ending.abort();
      return found.slice(0, count);
    };
    const { eventCount } = await statusOf(api);
    // More than there are yet: the stream goes on with what is committed while it is open.
    const first = await ids(eventCount + 3, {}, '?from=0');
    expect(first).toEqual(Array.from({ length: eventCount + 3 }, (_, i) => i));
    const resumed = await ids(5, { 'last-event-id': `${eventCount - 3}` });
    expect(resumed).toEqual(Array.from({ length: 5 }, (_, i) => eventCount - 2 + i));
    const refused = await call(api, '/v1/events/stream', { headers: { 'last-event-id': 'x' } });
    expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_PARAMETER' } });
  });
});

describe('the command line', () => {
  /** A copy of a validator's home before it ever ran: keys, config and genesis. */
  async function freshHome(): Promise<string> {
    const home = join(await makeFolder(), 'home');
    await mkdir(home, { mode: 0o700 });
    await cp(join(network.validator(0).home, 'config'), join(home, 'config'), { recursive: true });
    return home;
  }
  const run = (...words: string[]) => runCommand([...words, '--output', 'json']);

  it('exits with 2 for an unknown flag, an unknown command and an unknown option of the config', async () => {
    const home = await freshHome();
    for (const words of [
      ['start', '--home', home, '--no-such-flag', 'x'],
      ['no-such-command'],
      ['start', '--home', home, '--api-port', 'many'],
    ]) {
      expect((await run(...words)).code, words.join(' ')).toBe(2);
    }
    await writeFile(homeLayout(home).configFile, '[api]\nprot = 1\n');
    const ended = await run('start', '--home', home);
    expect(ended.code).toBe(2);
    expect(errorOf(ended).code).toMatch(/^CONFIG_/);
  });

  it('refuses a key that others can read', async () => {
    const home = await freshHome();
    await chmod(homeLayout(home).validatorKeyFile, 0o644);
    const ended = await run('start', '--home', home, '--enclave-kind', 'none');
    expect(ended.code).toBe(1);
    expect(errorOf(ended)).toMatchObject({ code: 'KEY_READABLE_BY_OTHERS' });
    expect(errorOf(ended).message).toContain('chmod 600');
  });

  it('refuses a genesis that is none, and a home without one', async () => {
    const home = await freshHome();
    const { genesisFile } = homeLayout(home);
    const genesis = await readFile(genesisFile, 'utf8');
    await writeFile(genesisFile, genesis.replace('"params"', '"parms"'));
    const damaged = await run('start', '--home', home, '--enclave-kind', 'none');
    expect(damaged.code).toBe(1);
    expect(errorOf(damaged)).toMatchObject({ code: 'GENESIS_INVALID' });
    expect((await run('genesis', 'validate', genesisFile)).code).toBe(3);
    const nowhere = await run('start', '--home', join(home, 'nowhere'), '--enclave-kind', 'none');
    expect(nowhere.code).toBe(1);
    expect(errorOf(nowhere)).toMatchObject({ code: 'HOME_MISSING' });
  });

  it('asks a running node', async () => {
    const status = await run('status', '--node', network.api(0));
    expect(status.code).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject({ chainId: network.layout.chainId });
    const tenant = await network.accountKey('tenant');
    const payload = { namespace: 'cli', key: 'k', value: 'v' };
    await settle(network.api(0), await signFor(network, 0, tenant, 'put-record', payload));
    const events = await run('events', '--type', 'RecordPut', '--node', network.api(0));
    expect(events.code).toBe(0);
    expect(events.stdout.trim().split('\n').length).toBeGreaterThanOrEqual(1);
    const gone = await run('status', '--node', 'http://127.0.0.1:9');
    expect(gone.code).toBe(1);
    expect(errorOf(gone)).toMatchObject({ code: 'API_UNREACHABLE' });
  });
});
