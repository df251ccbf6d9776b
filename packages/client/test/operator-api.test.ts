/** What operators read of a node: whatever it answers, the answer is in form or the call throws. */
import { canonicalJson } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClientError } from '../src/errors.ts';
import { OperatorApi } from '../src/node/operator-api.ts';

const digest = 'ab'.repeat(32);

function answering(body: unknown, headers: { readonly [name: string]: string } = {}, status = 200): OperatorApi {
  return new OperatorApi({
    baseUrl: 'http://node',
    fetch: async () =>
      new Response(typeof body === 'string' ? body : canonicalJson(body as never), { status, headers }),
  });
}

const status = {
  chainId: digest,
  height: 7,
  blockTimeMs: 1_700_000_000_000,
  eventCount: 9,
  eventRoot: digest,
  ready: false,
  reasons: ['SYNCING'],
  waitsFor: ['one more validator'],
  missing: [{ id: digest, name: 'b' }],
};
const event = { sequence: 3, height: 2, type: 'RecordPut', payload: { any: 1 } };
const validator = { id: digest, name: 'a', role: 'validator' };

const code = async (call: Promise<unknown>): Promise<unknown> => {
  try {
    return await call;
  } catch (error) {
    return error instanceof ClientError ? error.code : error;
  }
};

const calls: readonly [string, (api: OperatorApi) => Promise<unknown>][] = [
  ['status', (api) => api.status()],
  ['readiness', (api) => api.readiness()],
  ['genesis', (api) => api.genesis()],
  ['measurements', (api) => api.measurements()],
  ['policy', (api) => api.policy()],
  ['blocks', (api) => api.blocks(5)],
  ['events', (api) => api.events({ from: 0, limit: 5, type: undefined })],
  ['attestations', (api) => api.attestations()],
  ['validators', (api) => api.validators()],
  ['models', (api) => api.models()],
];

describe('the operator API', () => {
  it('reads a status and keeps the document beside it', async () => {
    const told = await answering({ ...status, more: true }).status();
    expect(told.value).toEqual(status);
    expect(told.json).toEqual({ ...status, more: true });
  });

  it('takes a chain for simulated unless the node says that it is not', async () => {
    expect((await answering(status).status()).simulated).toBe(true);
    expect((await answering(status, { 'cloister-simulated': 'maybe' }).status()).simulated).toBe(true);
    expect((await answering(status, { 'cloister-simulated': 'false' }).status()).simulated).toBe(false);
  });

  it.each([
    ['a count that is none', { ...status, height: -1 }],
    ['a root that is no digest', { ...status, eventRoot: 'x' }],
    ['a reason that would write to the terminal', { ...status, reasons: ['\u001b[2J'] }],
    ['a name of two lines', { ...status, missing: [{ id: digest, name: 'b\nready' }] }],
    ['a name that turns the text around', { ...status, missing: [{ id: digest, name: '\u202eb' }] }],
    ['more reasons than any node has', { ...status, reasons: new Array(10_001).fill('a') }],
  ])('refuses a status with %s', async (_, answer) => {
    expect(await code(answering(answer).status())).toBe('API_ANSWER_MALFORMED');
  });

  it('reads what a node that is not ready says', async () => {
    const body = { ready: false, reasons: ['ENCLAVE_UNREACHABLE'] };
    expect(await answering(body, {}, 503).readiness()).toEqual(body);
  });

  it('reads events with their payloads', async () => {
    const told = await answering({ events: [event] }).events({ from: 0, limit: 5, type: 'RecordPut' });
    expect(told.value).toEqual([event]);
  });

  it('follows a list to its end and refuses one that has none', async () => {
    const pages = [
      { validators: [validator], next: 'x' },
      { validators: [{ ...validator, name: 'b' }], next: null },
    ];
    let asked = 0;
    const paged = new OperatorApi({
      baseUrl: 'http://node',
      fetch: async () => new Response(JSON.stringify(pages[asked++])),
    });
    expect((await paged.validators()).value.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(await code(answering(pages[0]).validators())).toBe('API_ANSWER_MALFORMED');
  });

  it('refuses a genesis that is no JSON, and says why the node refused', async () => {
    expect(await code(answering('{').genesis())).toBe('API_ANSWER_MALFORMED');
    expect(await code(answering({ code: 'BUSY', message: '' }, {}, 400).policy())).toBe('API_REFUSED');
  });

  it('throws nothing but a ClientError, whatever the node answers', async () => {
    const member = fc.oneof(fc.jsonValue(), fc.constant([]), fc.constant([validator]), fc.constant([event]));
    const body = fc.oneof(
      fc.string(),
      fc.jsonValue(),
      fc.record({
        events: member,
        validators: member,
        attestations: member,
        models: member,
        blocks: member,
        measurements: member,
        policy: member,
        ready: member,
        reasons: member,
        next: fc.constantFrom(null, 1, 'x', undefined),
      }),
    );
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom(200, 200, 404, 500), async (answer, statusCode) => {
        const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
        for (const [name, call] of calls) {
          const seen = await call(answering(text, {}, statusCode)).catch((error: unknown) => error);
          if (seen instanceof Error) expect(seen, name).toBeInstanceOf(ClientError);
        }
      }),
      { numRuns: 100 },
    );
  });
});
