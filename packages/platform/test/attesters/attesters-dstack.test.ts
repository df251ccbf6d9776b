import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatBytes, toHex } from '@cloister/encoding';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dstackSource } from '../../src/attesters/index.ts';
import { genoa, REPORT_DATA, snpReport, tdxQuote } from './vendor-services.ts';

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly body: string;
}

let folder: string;
let socketPath: string;
let server: Server;
let received: Received[];
let respond: (response: ServerResponse) => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-dstack-'));
  socketPath = join(folder, 'agent.sock');
  received = [];
  server = createServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ method: request.method, url: request.url, body: Buffer.concat(chunks).toString() });
      respond(response);
    });
  });
  server.listen(socketPath);
  await once(server, 'listening');
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

/** The agent's answer over a quote. */
function agentAnswer(quote: Uint8Array): string {
  return JSON.stringify({ quote: toHex(quote), event_log: '[]', report_data: toHex(REPORT_DATA), vm_config: '{}' });
}

function answers(body: string | Uint8Array, status = 200): void {
  respond = (response) => response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}

describe('the dstack socket', () => {
  it('collects a TDX quote over the report data', async () => {
    answers(agentAnswer(tdxQuote(REPORT_DATA)));
    expect(await dstackSource({ socketPath }).evidence(REPORT_DATA)).toEqual({
      evidence: { platform: 'tdx', report: tdxQuote(REPORT_DATA) },
      certificates: [],
    });
    expect(received).toEqual([
      { method: 'POST', url: '/GetQuote', body: JSON.stringify({ report_data: toHex(REPORT_DATA) }) },
    ]);
  });

  it('takes hex with prefix, in capitals, of a quote padded with zeros', async () => {
    const quote = tdxQuote(REPORT_DATA);
    const hex = toHex(concatBytes(quote, new Uint8Array(100))).toUpperCase();
    answers(JSON.stringify({ quote: `0x${hex}`, event_log: '' }));
    const { evidence } = await dstackSource({ socketPath }).evidence(REPORT_DATA);
    expect(toHex(evidence.report)).toBe(toHex(quote));
  });

  const refusals: readonly (readonly [string, string | Uint8Array, number, string])[] = [
    ['another status', '{"error":"no"}', 500, 'ANSWER_STATUS'],
    ['a redirect', agentAnswer(tdxQuote(REPORT_DATA)), 302, 'ANSWER_STATUS'],
    ['no JSON', '<html>', 200, 'ANSWER_MALFORMED'],
    ['an array', '[]', 200, 'ANSWER_MALFORMED'],
    ['no quote', '{"event_log":"[]"}', 200, 'ANSWER_MALFORMED'],
    ['a quote that is no text', '{"quote":7}', 200, 'ANSWER_MALFORMED'],
    ['an empty quote', '{"quote":""}', 200, 'ANSWER_MALFORMED'],
    ['half a byte', '{"quote":"abc"}', 200, 'ANSWER_MALFORMED'],
    ['two quotes', `{"quote":"aa","quote":"${toHex(tdxQuote(REPORT_DATA))}"}`, 200, 'ANSWER_MALFORMED'],
    ['more than a mebibyte', Buffer.alloc(1024 * 1024 + 1, 0x20), 200, 'ANSWER_TOO_LARGE'],
    ['bytes that are no quote', '{"quote":"abcd"}', 200, 'EVIDENCE_MALFORMED'],
    ['a report of another platform', agentAnswer(snpReport(genoa, REPORT_DATA)), 200, 'EVIDENCE_MALFORMED'],
    ['a quote over other report data', agentAnswer(tdxQuote(new Uint8Array(64))), 200, 'REPORT_DATA_MISMATCH'],
  ];
  it.each(refusals)('refuses %s', async (_, body, status, code) => {
    answers(body, status);
    await expect(dstackSource({ socketPath }).evidence(REPORT_DATA)).rejects.toMatchObject({ code });
  });

  it('refuses an answer that breaks off', async () => {
    respond = (response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('{"quote":"', () => response.destroy());
    };
    const pending = dstackSource({ socketPath }).evidence(REPORT_DATA);
    await expect(pending).rejects.toMatchObject({ code: 'SOCKET_UNAVAILABLE' });
  });

  it('does not wait for an agent that never answers, or never ends its answer', async () => {
    respond = () => undefined;
    const source = dstackSource({ socketPath, timeoutMs: 100 });
    await expect(source.evidence(REPORT_DATA)).rejects.toMatchObject({ code: 'SOCKET_TIMEOUT' });
    respond = (response) => response.writeHead(200).write('{"quote":"');
    await expect(source.evidence(REPORT_DATA)).rejects.toMatchObject({ code: 'SOCKET_TIMEOUT' });
  });

  it('says that there is no agent', async () => {
    const source = dstackSource({ socketPath: join(folder, 'other.sock') });
    await expect(source.evidence(REPORT_DATA)).rejects.toMatchObject({ code: 'SOCKET_UNAVAILABLE' });
  });
});
