/** A node that answers with what a terminal obeys: no command hands it on, in a result or in an error. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloister } from './run-command.ts';

const OBEYED = '\u001b[2J\u009b2K\u202e';
const FORGED = '\nready';
const digest = 'ab'.repeat(32);
const STATUS = {
  chainId: digest,
  height: 7,
  blockTimeMs: 1,
  eventCount: 9,
  eventRoot: digest,
  ready: false,
  reasons: ['SYNCING'],
  waitsFor: [],
  missing: [],
  [`more${FORGED}${OBEYED}`]: `text${FORGED}${OBEYED}`,
};

let server: Server;
let url: string;
beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://node');
    const from = Number(searchParams.get('from'));
    const events = Array.from({ length: 20 }, (_, at) => ({
      sequence: from + at,
      height: 1,
      type: 'RecordPut',
      payload: { value: FORGED + OBEYED },
    }));
    const answers: { readonly [path: string]: unknown } = { '/v1/status': STATUS, '/v1/events': { events } };
    const refusal = { code: 'REFUSED', message: 'no', detail: FORGED + OBEYED };
    response.statusCode = pathname in answers ? 200 : 400;
    response.end(JSON.stringify(answers[pathname] ?? refusal));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** A line feed alone is the command's own. */
const OBEYING = /(?!\n)[\p{Cc}\p{Cf}]/u;

describe('over a hostile node', () => {
  it('status shows its words as text and no line of its making', async () => {
    const { code, out } = await cloister('status', '--node', url);
    expect(code).toBe(0);
    expect(out).toContain('text\\u{a}ready');
    expect(out).not.toMatch(OBEYING);
    expect(out.split('\n')).not.toContain('ready');
  });

  it('events shows no more events than were asked for', async () => {
    const { code, out } = await cloister('events', '--limit', '3', '--node', url);
    expect(code).toBe(0);
    expect(out).not.toMatch(OBEYING);
    expect(out.split('\n').filter((line) => line.includes('RecordPut'))).toHaveLength(3);
  });

  it('an error of the node stays an error in form', async () => {
    const { code, err } = await cloister('policy', 'show', '--node', url);
    expect(code).toBe(1);
    expect(err).toContain('API_REFUSED');
    expect(err).not.toMatch(OBEYING);
  });
});
