/**
 * Evidence through the dstack guest agent: HTTP over a Unix socket, for containers in a TDX machine without configfs.
 *
 * Source: dstack Guest Agent API, "Get Quote": POST /GetQuote {"report_data": hex of at most 64 bytes} gives
 * {"quote": hex, "event_log": JSON text, "report_data": hex, "vm_config": JSON text}. The report data goes into the quote as it
 * is. The agent is outside this program, so that its answer is bounded and read strictly.
 */
import { request } from 'node:http';
import { assert, concatBytes, fromHex, type JsonValue, parseJson, toHex } from '@cloister/encoding';
import { openObject, parseShape, text } from '@cloister/encoding/shape';
import { AttesterError } from './attester-error.ts';
import { checkReportData, type EvidenceSource, REPORT_DATA_BYTES, trimmedQuote } from './evidence-source.ts';

export const DSTACK_SOCKET = '/var/run/dstack.sock';

export interface DstackOptions {
  /** `DSTACK_SOCKET` unless told otherwise. */
  readonly socketPath?: string;
  /** Time for the whole exchange. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
/** Event logs are the longest part. */
const MAX_ANSWER_BYTES: number = 1024 * 1024;
const MAX_DEPTH = 4;
const HEX = /^(?:0x)?((?:[0-9a-fA-F]{2})+)$/;

/** Evidence of the TDX machine behind a dstack agent. */
export function dstackSource(options: DstackOptions = {}): EvidenceSource {
  const { socketPath = DSTACK_SOCKET, timeoutMs = TIMEOUT_MS } = options;
  return {
    async evidence(reportData) {
      assert(reportData.length === REPORT_DATA_BYTES, 'report data is not 64 bytes');
      const body = await post(socketPath, '/GetQuote', { report_data: toHex(reportData) }, timeoutMs);
      const evidence = { platform: 'tdx', report: trimmedQuote(quoteOf(body)) } as const;
      checkReportData(evidence, reportData);
      return { evidence, certificates: [] };
    },
  };
}

function quoteOf(body: Uint8Array): Uint8Array {
  const parsed = parseJson(body, { maxBytes: MAX_ANSWER_BYTES, maxDepth: MAX_DEPTH });
  if (!parsed.ok) throw new AttesterError('ANSWER_MALFORMED', parsed.code);
  const answer = parseShape(openObject({ quote: text(MAX_ANSWER_BYTES) }), parsed.value, 'answer');
  if (!answer.ok) throw new AttesterError('ANSWER_MALFORMED', answer.detail ?? answer.code);
  const hex = HEX.exec(answer.value.quote)?.[1];
  if (hex === undefined) throw new AttesterError('ANSWER_MALFORMED', 'no quote in hex');
  return fromHex(hex);
}

function post(socketPath: string, path: string, body: JsonValue, timeoutMs: number): Promise<Uint8Array> {
  const sentText = JSON.stringify(body);
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const refuse = (cause: unknown): void => {
      if (cause instanceof AttesterError) reject(cause);
      else if (signal.aborted) reject(new AttesterError('SOCKET_TIMEOUT', `no answer in ${timeoutMs} ms`, { cause }));
      else reject(new AttesterError('SOCKET_UNAVAILABLE', `no answer from ${socketPath}`, { cause }));
    };
    const sent = request(
      {
        socketPath,
        path,
        method: 'POST',
        signal,
        agent: false,
        // The name is not looked up; servers want one.
        headers: { host: 'dstack', 'content-type': 'application/json', 'content-length': Buffer.byteLength(sentText) },
      },
      (response) => {
        const chunks: Uint8Array[] = [];
        let length = 0;
        response.on('error', refuse);
        response.on('data', (chunk: Uint8Array) => {
          length += chunk.length;
          if (length > MAX_ANSWER_BYTES) {
            const error = new AttesterError('ANSWER_TOO_LARGE', `more than ${MAX_ANSWER_BYTES} bytes`);
            refuse(error);
            sent.destroy(error);
          } else chunks.push(chunk);
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve(concatBytes(...chunks));
          else refuse(new AttesterError('ANSWER_STATUS', `status ${response.statusCode}`));
        });
      },
    );
    sent.on('error', refuse);
    sent.end(sentText);
  });
}
