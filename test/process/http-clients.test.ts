/**
 * A hostile HTTP client of one address against one validator of four: whatever it does, the network commits on, and a client
 * of another address is answered as before. Everything is measured against a clean stretch just before.
 */
import { randomBytes } from 'node:crypto';
import { type ClientRequest, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PacedLoad } from './byzantine/paced-load.ts';
import { cleanUpAfterwards, Network } from './harness.ts';
import { reach } from './node-api.ts';
import { signFor } from './transactions.ts';

cleanUpAfterwards();

/** Every address of 127.0.0.0/8 is this machine's, so that one machine has many clients. */
const ATTACKER = '127.0.0.3';
const BYSTANDER = '127.0.0.2';
const PER_SECOND = 20;
const CLEAN_MS = 1_500;
const ATTACKED_MS = 2_000;
const ATTEMPTS = 3;
/** Of what is committed in a clean stretch. */
const COMMITTED_SHARE = 0.5;
/** How much longer the bystander's slower answers may take: both stretches last two seconds, on a machine that others use. */
const LATENCY_FACTOR = 20;
const LATENCY_FLOOR_MS = 25;

let network: Network;
let load: PacedLoad;
let forged: Buffer;
const all = [0, 1, 2, 3];

beforeAll(async () => {
  network = await Network.make({ validators: 4 });
  await network.startAll();
  await Promise.all(network.apis.map((api) => reach(api, 3)));
  load = await PacedLoad.start(network, all, PER_SECOND);
  await load.pace(CLEAN_MS);
  const tenant = await network.accountKey('tenant');
  const good = await signFor(network, 0, tenant, 'put-record', { namespace: 'forged', key: 'k', value: 'v' });
  forged = Buffer.from(good.bytes);
});
afterAll(() => load.stop());

type Asked = { readonly status: number; readonly ms: number; readonly retryAfter: string | undefined };

function ask(from: string, method: string, path: string, body?: Buffer, headers: object = {}): Promise<Asked> {
  const { hostname, port } = new URL(network.api(0));
  const startMs = performance.now();
  return new Promise((resolve) => {
    const done = (status: number, retryAfter?: string): void =>
      resolve({ status, ms: performance.now() - startMs, retryAfter });
    const sent: ClientRequest = request(
      {
        hostname,
        port,
        method,
        path,
        localAddress: from,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-length': body.length }) },
      },
      (response) => {
        response.resume();
        response.on('end', () => done(response.statusCode ?? 0, response.headers['retry-after']));
        response.on('error', () => done(0));
      },
    );
    sent.on('error', () => done(0));
    sent.end(body);
  });
}

/** Runs `work` on so many lanes until told to stop. */
function lanes(width: number, work: () => Promise<unknown>): { stop(): Promise<void> } {
  let going = true;
  const running = Array.from({ length: width }, async () => {
    while (going) await work();
  });
  return {
    stop: async () => {
      going = false;
      await Promise.all(running);
    },
  };
}

/** Opens connections that only hold, until told to stop. */
function holders(count: number, text: string, reads: boolean): { stop(): Promise<void> } {
  const { hostname, port } = new URL(network.api(0));
  const sockets: Socket[] = Array.from({ length: count }, () => {
    const socket = connect({ host: hostname, port: Number(port), localAddress: ATTACKER });
    socket.on('error', () => undefined);
    socket.write(text.replace('HOST', `${hostname}:${port}`));
    if (!reads) socket.pause();
    return socket;
  });
  return {
    stop: async () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function everything(...parts: readonly { stop(): Promise<void> }[]): { stop(): Promise<void> } {
  return {
    stop: async () => {
      await Promise.all(parts.map((part) => part.stop()));
    },
  };
}

function forgery(): Promise<Asked> {
  randomBytes(31).copy(forged, forged.length - 64);
  const body = Buffer.from(JSON.stringify({ transaction: forged.toString('base64') }));
  return ask(ATTACKER, 'POST', '/v1/transactions', body, { 'content-type': 'application/json' });
}

const UPLOAD = 'content-type: application/octet-stream\r\ncontent-length: 60000000\r\n\r\nabc';

/** Clients that cost a node more than their share: by what they ask, and by what they hold. */
const KINDS: { readonly [name: string]: () => { stop(): Promise<void> } } = {
  'that reads large pages, forges transactions, seeks blobs that nobody has, collects proofs and lists everything':
    () =>
      everything(
        lanes(8, () => ask(ATTACKER, 'GET', '/v1/events?limit=1000')),
        lanes(16, forgery),
        lanes(16, () => ask(ATTACKER, 'GET', `/v1/blobs/${randomBytes(32).toString('hex')}`)),
        lanes(16, () => ask(ATTACKER, 'GET', '/v1/proofs/events/3')),
        lanes(8, () => ask(ATTACKER, 'GET', '/metrics')),
        lanes(8, () => ask(ATTACKER, 'GET', '/v1/validators')),
      ),
  'that holds streams which it does not read, headers and uploads which it does not end': () =>
    everything(
      holders(80, 'GET /v1/events/stream?from=0 HTTP/1.1\r\nhost: HOST\r\n\r\n', false),
      holders(400, 'GET /v1/status HTTP/1.1\r\nhost: HOST\r\nx: ', true),
      holders(100, `POST /v1/blobs HTTP/1.1\r\nhost: HOST\r\n${UPLOAD}`, true),
    ),
};

type Stretch = { readonly committed: number; readonly slowMs: number; readonly refused: number };

/** What the network commits, and what a bystander waits, over a stretch. */
async function stretch(ms: number): Promise<Stretch> {
  const waits: Asked[] = [];
  const bystander = lanes(1, async () => {
    waits.push(await ask(BYSTANDER, 'GET', '/v1/status'));
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
  const { transactionsPerSecond } = await load.pace(ms);
  await bystander.stop();
  const sorted = waits.map((one) => one.ms).sort((a, b) => a - b);
  return {
    committed: transactionsPerSecond,
    slowMs: sorted[Math.floor(sorted.length * 0.95)] ?? 0,
    refused: waits.filter(({ status }) => status !== 200).length,
  };
}

/** On a busy machine a short stretch may pass without a block; one that commits nothing measures nothing. */
async function cleanStretch(): Promise<Stretch> {
  for (let tries = 0; ; tries++) {
    const clean = await stretch(CLEAN_MS);
    if (clean.committed > 0) return clean;
    expect(tries, 'stretches without a commit, and without an attack').toBeLessThan(20);
  }
}

describe('a hostile HTTP client leaves the network and other clients what they had', () => {
  it.each(Object.keys(KINDS))('%s', async (name) => {
    const seen: string[] = [];
    // A busy machine can take a stretch from the attacked half alone, so a bad one is measured again; an attack stays bad.
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const clean = await cleanStretch();
      const attack = KINDS[name]?.();
      const attacked = await stretch(ATTACKED_MS);
      await attack?.stop();
      expect(attacked.refused, 'refusals of a client within its budget').toBe(0);
      const share = attacked.committed / clean.committed;
      const factor = attacked.slowMs / Math.max(LATENCY_FLOOR_MS, clean.slowMs);
      if (share >= COMMITTED_SHARE && factor <= LATENCY_FACTOR) return;
      seen.push(`${share.toFixed(2)} committed, ${factor.toFixed(1)} times the wait`);
    }
    expect.fail(`${name} leaves ${seen.join(', then ')}`);
  });

  it('which is told when to come back', async () => {
    const answers = await Promise.all(Array.from({ length: 120 }, () => ask(ATTACKER, 'GET', '/v1/events?limit=1000')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    for (const { retryAfter } of refused) expect(retryAfter).toMatch(/^[1-9]\d*$/);
  });
});
