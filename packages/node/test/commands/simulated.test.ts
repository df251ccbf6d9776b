/** SIMULATED is said by every route of the API and by every verb: both are walked, so that a new one cannot forget. */
import { toBase64 } from '@cloister/encoding';
import { tenant, v0 } from '@cloister/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliCommand, Output, SIMULATED_LINE } from '../../src/commands/command.ts';
import { COMMANDS } from '../../src/commands/registry.ts';
import { type ApiServer, createApiServer } from '../../src/http/server.ts';
import { writeKeyFile } from '../../src/process/key-file.ts';
import { MetricsRegistry } from '../../src/status/metrics.ts';
import { API_OPTIONS, type FakeContext, makeContext, uploadHeaders } from '../http/fake-context.ts';
import { type NetworkApi, networkApi } from '../http/network-api.ts';
import { makeHome, sampleGenesis, seedOf, startQuietly, temporaryFolder } from '../samples.ts';
import { cloister, cloisterJson } from './run-command.ts';

describe('every route', () => {
  let fake: FakeContext;
  const servers: ApiServer[] = [];
  beforeAll(async () => {
    fake = await makeContext();
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.close()));
    await fake.remove();
  });

  function serverOf(simulated: boolean): ApiServer {
    const onError = (error: unknown): void => {
      throw error;
    };
    const server = createApiServer(
      { ...fake.context, simulated, metrics: new MetricsRegistry() },
      { ...API_OPTIONS, onError },
    );
    servers.push(server);
    return server;
  }

  type Example = { readonly url: string; readonly payload?: unknown; readonly headers?: Record<string, string> };

  /** One good request for each route of the document. */
  function examples(): { readonly [route: string]: Example } {
    const bytes = Buffer.from('sealed bytes of a test');
    const upload = uploadHeaders(fake.chain, tenant, bytes);
    const transaction = fake.chain.transaction(tenant, 'put-record', { namespace: 'n', key: 'k', value: 'v' });
    return {
      'get /v1/status': { url: '/v1/status' },
      'get /v1/genesis': { url: '/v1/genesis' },
      'get /v1/blocks': { url: '/v1/blocks' },
      'get /v1/blocks/{height}': { url: '/v1/blocks/1' },
      'get /v1/events': { url: '/v1/events' },
      'get /v1/events/stream': { url: '/v1/events/stream?from=0' },
      'get /v1/proofs/events/{sequence}': { url: '/v1/proofs/events/2' },
      'get /v1/proofs/facts': { url: '/v1/proofs/facts?keys=rules' },
      'get /v1/validators': { url: '/v1/validators' },
      'get /v1/measurements': { url: '/v1/measurements' },
      'get /v1/policy': { url: '/v1/policy' },
      'get /v1/models': { url: '/v1/models' },
      'get /v1/models/{id}': { url: `/v1/models/${fake.ids.model}` },
      'get /v1/inferences': { url: '/v1/inferences' },
      'get /v1/inferences/{task}': { url: `/v1/inferences/${fake.ids.task}` },
      'get /v1/records/{namespace}/{key}': { url: '/v1/records/notes/a%2Fb%20c' },
      'get /v1/attestations': { url: '/v1/attestations' },
      'post /v1/attestations/{node}/challenge': {
        url: `/v1/attestations/${v0.id}/challenge`,
        payload: { challenge: toBase64(new Uint8Array(128)) },
      },
      'post /v1/transactions': {
        url: '/v1/transactions',
        payload: { transaction: toBase64(transaction.bytes) },
      },
      'get /v1/transactions/{id}': { url: `/v1/transactions/${fake.ids.record}` },
      'post /v1/blobs': { url: '/v1/blobs', payload: bytes, headers: upload },
      'get /v1/blobs/{digest}': { url: `/v1/blobs/${upload['cloister-digest']}` },
      'get /v1/openapi.json': { url: '/v1/openapi.json' },
      'get /healthz': { url: '/healthz' },
      'get /readyz': { url: '/readyz' },
      'get /metrics': { url: '/metrics' },
    };
  }

  async function routesOf(server: ApiServer): Promise<string[]> {
    const { paths } = (await server.app.inject('/v1/openapi.json')).json() as {
      paths: Record<string, Record<string, unknown>>;
    };
    return Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
  }

  /** The exact bytes of a document, and what is no JSON: the header says it for them. */
  const BY_HEADER_ALONE = ['/v1/genesis', '/v1/openapi.json', '/v1/blobs/{digest}', '/metrics', '/v1/events/stream'];

  /** The made-up node is not ready, and has executed blocks without keeping them; refusals say it too. */
  const STATUS_OF: { readonly [route: string]: number } = { 'get /readyz': 503, 'get /v1/blocks/{height}': 404 };

  it('says it in a header, and in each JSON answer', async () => {
    const server = serverOf(true);
    const routes = await routesOf(server);
    expect(routes.sort()).toEqual(Object.keys(examples()).sort());
    for (const [route, { url, payload, headers = {} }] of Object.entries(examples())) {
      const [method = '', path = ''] = route.split(' ');
      if (path === '/v1/events/stream') continue;
      const sent = payload === undefined ? {} : { payload: payload as never };
      const answer = await server.app.inject({ method: method as never, url, headers, ...sent });
      expect([route, answer.statusCode]).toEqual([route, STATUS_OF[route] ?? 200]);
      expect([route, answer.headers['cloister-simulated']]).toEqual([route, 'true']);
      if (BY_HEADER_ALONE.includes(path)) continue;
      expect([route, (answer.json() as { simulated?: boolean }).simulated]).toEqual([route, true]);
    }
    const missing = await server.app.inject('/v1/nothing');
    expect(missing.headers['cloister-simulated']).toBe('true');
    expect(missing.json()).toMatchObject({ code: 'NO_SUCH_ROUTE', simulated: true });
  });

  it('says it in each event of a stream', async () => {
    const url = await serverOf(true).listen();
    const ending = new AbortController();
    const response = await fetch(`${url}/v1/events/stream?from=0`, { signal: ending.signal });
    expect(response.headers.get('cloister-simulated')).toBe('true');
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += new TextDecoder().decode(chunk as Uint8Array);
      if (text.split('\n\n').length > 3) break;
    }
    ending.abort();
    const [first = ''] = /^data: (.*)$/m.exec(text)?.slice(1) ?? [];
    expect(JSON.parse(first)).toMatchObject({ sequence: 0, simulated: true });
    expect(text).toContain('SIMULATED');
  });

  it('does not say it on a chain that stands on real anchors', async () => {
    const server = serverOf(false);
    const answer = await server.app.inject('/v1/events');
    expect(answer.headers['cloister-simulated']).toBe('false');
    expect(answer.json()).toMatchObject({ simulated: false });
  });
});

describe('every verb', () => {
  it('that can be told a node is one of a chain', () => {
    const forgetful = COMMANDS.filter(({ flags, chain }) => 'node' in flags && chain === 'never');
    expect(forgetful.map(({ name }) => name)).toEqual([]);
    const of = (kind: CliCommand['chain']): string[] =>
      COMMANDS.filter(({ chain }) => chain === kind).map(({ name }) => name);
    // A verb that moves here says SIMULATED no longer by itself.
    expect(of('never').sort()).toEqual([
      'attest conformance',
      'attest show',
      'attest verify',
      'config show',
      'enclave build',
      'enclave inspect',
      'enclave measure',
      'enclave sign',
      'init',
      'keys add',
      'keys list',
      'keys show',
      'unsafe-allow-signing',
      'unsafe-reset',
      'version',
    ]);
    expect(of('sometimes').sort()).toEqual(['attest forecast', 'genesis validate', 'policy check']);
  });

  it('that is one of a chain cannot print a result without having said of which kind', () => {
    expect(() => new Output(true, 'always').result({ a: 1 }, 'a')).toThrow('of which kind');
  });

  describe('over a network', () => {
    let api: NetworkApi;
    beforeAll(async () => {
      api = await networkApi();
    });
    afterAll(() => api.close());

    const asking = [['status'], ['model', 'list'], ['policy', 'show'], ['attest', 'forecast']];
    it.each(asking)('%s %s says it, as text and as JSON', async (...words) => {
      const given = [...words.filter((word) => word !== undefined), '--node', api.url];
      const text = await cloister(...given);
      expect(text.out.split('\n').filter((line) => line === SIMULATED_LINE)).toHaveLength(1);
      const { values } = await cloisterJson(...given);
      expect(values.length).toBeGreaterThan(0);
      for (const value of values) expect(value).toMatchObject({ simulated: true });
    });
  });

  describe('over a node', () => {
    it('put, events, genesis validate and genesis show say it', async () => {
      const folder = await temporaryFolder();
      const layout = await makeHome(folder.path, 0, sampleGenesis(1));
      const node = await startQuietly(layout);
      try {
        const seed = `${folder.path}/tenant.json`;
        await writeKeyFile(seed, 'account', seedOf('tenant'));
        const given = ['--node', node.apiUrl ?? '', '--genesis', node.chainId];
        const runs = [
          ['put', 'notes', 'k', 'v', '--key', seed, '--accept-simulated', ...given],
          ['events', '--limit', '2', '--node', node.apiUrl ?? ''],
          ['genesis', 'validate', layout.genesisFile],
          ['genesis', 'show', layout.genesisFile],
        ];
        for (const words of runs) {
          const { out, err } = await cloister(...words);
          expect([words[0], err, out.includes(SIMULATED_LINE)]).toEqual([words[0], '', true]);
          const { values } = await cloisterJson(...words);
          expect(values.length).toBeGreaterThan(0);
          for (const value of values) expect(value).toMatchObject({ simulated: true });
        }
      } finally {
        await node.stop();
        await folder.remove();
      }
    });
  });
});
