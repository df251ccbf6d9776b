import { describe, expect, it } from 'vitest';
import { type HttpsFetcherOptions, httpsFetcher, serviceHosts, VENDOR_SERVICES } from '../../src/attesters/index.ts';

const URL_A = 'https://a.example/x?y=1';
const NOW_MS = Date.parse('2026-06-01T00:00:00Z');

type Step = Response | Error;

/** A fetcher whose network takes these steps; what was asked, and the waits between. */
function fetcherOf(steps: readonly Step[], options: Partial<HttpsFetcherOptions> = {}) {
  const asked: { readonly url: string; readonly init: RequestInit | undefined }[] = [];
  const waits: number[] = [];
  const left = [...steps];
  const fetcher = httpsFetcher({
    hosts: ['a.example'],
    fetch: async (url, init) => {
      asked.push({ url: String(url), init });
      const step = left.shift();
      if (step === undefined) throw new Error('asked more often than expected');
      if (step instanceof Error) throw step;
      return step;
    },
    wait: async (ms) => {
      waits.push(ms);
    },
    now: () => NOW_MS,
    ...options,
  });
  return { get: () => fetcher.get(URL_A), fetcher, asked, waits };
}

function status(code: number, headers: Record<string, string> = {}): Response {
  return new Response('', { status: code, headers });
}

describe('the fetcher', () => {
  it('gives status, headers in lower case and body', async () => {
    const { get, asked } = fetcherOf([new Response('body', { headers: { 'TCB-Info-Issuer-Chain': 'chain' } })]);
    const answer = await get();
    expect([answer.status, Buffer.from(answer.body).toString(), answer.headers.get('tcb-info-issuer-chain')]).toEqual([
      200,
      'body',
      'chain',
    ]);
    expect(asked[0]).toMatchObject({ url: URL_A, init: { redirect: 'manual' } });
  });

  it.each([
    'http://a.example/x',
    'https://b.example/x',
    'https://a.example:8443/x',
    'https://a.example.evil.example/',
    'https://user@a.example/x',
    'file:///etc/passwd',
    'nonsense',
  ])('refuses the address %s', async (address) => {
    const { fetcher, asked } = fetcherOf([status(200)]);
    await expect(fetcher.get(address)).rejects.toMatchObject({ code: 'FETCH_ADDRESS_REFUSED' });
    expect(asked).toEqual([]);
  });

  it('knows the hosts of the vendors', () => {
    expect(serviceHosts(VENDOR_SERVICES)).toEqual([
      'api.trustedservices.intel.com',
      'certificates.trustedservices.intel.com',
      'kdsintf.amd.com',
    ]);
  });

  it('does not follow redirects, and gives refusals as they are', async () => {
    for (const code of [302, 404]) {
      const { get, asked } = fetcherOf([status(code, { location: 'https://b.example/' })]);
      expect((await get()).status).toBe(code);
      expect(asked.length).toBe(1);
    }
  });

  it.each([429, 500, 502, 503, 504])('asks again after %i, each time later', async (code) => {
    const { get, waits } = fetcherOf([status(code), status(code), status(200)]);
    expect((await get()).status).toBe(200);
    expect(waits).toEqual([500, 1000]);
  });

  it('asks again after a broken connection, and then gives up', async () => {
    const broken = new TypeError('fetch failed');
    expect((await fetcherOf([broken, status(200)]).get()).status).toBe(200);
    const { get, asked } = fetcherOf(Array(4).fill(broken));
    await expect(get()).rejects.toMatchObject({ code: 'FETCH_FAILED' });
    expect(asked.length).toBe(4);
  });

  it('gives the last refusal after the last attempt', async () => {
    const { get, asked } = fetcherOf(
      Array.from({ length: 3 }, () => status(503)),
      { attempts: 3 },
    );
    expect((await get()).status).toBe(503);
    expect(asked.length).toBe(3);
  });

  it.each([
    ['7', 7000],
    ['0', 0],
    [new Date(NOW_MS + 9000).toUTCString(), 9000],
    [new Date(NOW_MS - 9000).toUTCString(), 0],
    ['soon', 500],
  ])('waits as long as the service asks: %s', async (value, expected) => {
    const { get, waits } = fetcherOf([status(429, { 'retry-after': value }), status(200)]);
    await get();
    expect(waits).toEqual([expected]);
  });

  it('does not wait longer than it may', async () => {
    const { get, waits, asked } = fetcherOf([status(429, { 'retry-after': '3600' }), status(200)]);
    await expect(get()).rejects.toMatchObject({ code: 'FETCH_RATE_LIMITED' });
    expect([waits, asked.length]).toEqual([[], 1]);
  });

  it('stops reading a body that is too long, however long it says it is', async () => {
    let pulled = 0;
    let isCancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled++;
        controller.enqueue(new Uint8Array(100));
      },
      cancel: () => {
        isCancelled = true;
      },
    });
    const { get, asked } = fetcherOf([new Response(body, { headers: { 'content-length': '10' } })], { bytesMax: 1000 });
    await expect(get()).rejects.toMatchObject({ code: 'FETCH_TOO_LARGE' });
    expect(isCancelled).toBe(true);
    expect(pulled).toBeLessThan(20);
    expect(asked.length).toBe(1);
  });

  it('gives up on a service that never answers', async () => {
    const fetcher = httpsFetcher({
      hosts: ['a.example'],
      attempts: 2,
      timeoutMs: 20,
      wait: async () => undefined,
      fetch: (_, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
        }),
    });
    await expect(fetcher.get(URL_A)).rejects.toMatchObject({ code: 'FETCH_TIMEOUT' });
  });
});
