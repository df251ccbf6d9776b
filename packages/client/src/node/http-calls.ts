/**
 * Calls of a node's API by `fetch`. Every call has a timeout and every answer a bound; each failure is a `ClientError` with an
 * API code.
 */
import { type JsonValue, parseJson } from '@cloister/encoding';
import { ClientError } from '../errors.ts';
import { readErrorBody, readNext } from './api-shapes.ts';

/** Bytes of a JSON answer. */
export const JSON_ANSWER_BYTES_MAX: number = 32 * 1024 * 1024;
export const GENESIS_BYTES_MAX: number = 1024 * 1024;
const ERROR_BYTES_MAX: number = 64 * 1024;
const JSON_DEPTH_MAX = 32;
/** Pages of one list. */
const PAGES_MAX = 1_000;

export interface HttpApiOptions {
  /** Such as http://127.0.0.1:8080; a path is kept. */
  readonly baseUrl: string;
  /** For one call; blobs get ten times as long. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof globalThis.fetch;
}

export interface HttpCall {
  readonly path: string;
  readonly json?: JsonValue;
  readonly body?: Uint8Array;
  readonly headers?: { readonly [name: string]: string };
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

export interface HttpAnswer {
  /** Whether the node says that its chain is simulated; one that does not say that it is real is not taken to say so. */
  readonly simulated: boolean;
  readonly status: number;
  readonly bytes: Uint8Array;
  /** What a node that is busy asks to wait; undefined when it does not. */
  readonly retryAfterMs: number | undefined;
}

/** How long to wait before asking again, from an answer of 429 or 503 that says so in whole seconds. */
function retryAfterMs({ status, headers }: Response): number | undefined {
  const text = status === 429 || status === 503 ? headers.get('retry-after') : null;
  return text !== null && /^\d{1,5}$/.test(text) ? Math.max(50, Number(text) * 1_000) : undefined;
}

/** As Node's `fetch` says it; browsers ask again by themselves. */
function isBrokenConnection(error: unknown): boolean {
  const { cause } = error as { readonly cause?: { readonly code?: unknown } };
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(String(cause?.code));
}

/** Reads a body of at most `maxBytes`, and no more of a longer one. */
async function readBody(response: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new ClientError('API_ANSWER_TOO_LARGE', `more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

export function asJson(bytes: Uint8Array): JsonValue {
  const parsed = parseJson(bytes, { maxBytes: JSON_ANSWER_BYTES_MAX, maxDepth: JSON_DEPTH_MAX });
  if (!parsed.ok) throw new ClientError('API_ANSWER_MALFORMED', parsed.code);
  return parsed.value;
}

export class HttpCalls {
  readonly name: string;
  readonly #baseUrl: string;
  /** For one call. */
  readonly timeoutMs: number;
  readonly #fetch: typeof globalThis.fetch;

  constructor(options: HttpApiOptions) {
    this.#baseUrl = options.baseUrl.replace(/\/+$/, '');
    this.name = this.#baseUrl;
    this.timeoutMs = options.timeoutMs ?? 10_000;
    // A browser's `fetch` refuses to be called as a method of anything but the global object.
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  async #call({ path, json, body, headers, maxBytes, timeoutMs }: HttpCall): Promise<HttpAnswer> {
    const signal = AbortSignal.timeout(timeoutMs);
    const content = json === undefined ? body : JSON.stringify(json);
    const type = json === undefined ? 'application/octet-stream' : 'application/json';
    const init: RequestInit =
      content === undefined
        ? { signal, redirect: 'error' }
        : {
            signal,
            redirect: 'error',
            method: 'POST',
            body: content as string | Uint8Array<ArrayBuffer>,
            headers: { ...headers, 'content-type': type },
          };
    try {
      const response = await this.#reach(`${this.#baseUrl}${path}`, init);
      const bytes = await readBody(response, response.ok ? maxBytes : ERROR_BYTES_MAX);
      const simulated = response.headers.get('cloister-simulated') !== 'false';
      return { status: response.status, bytes, simulated, retryAfterMs: retryAfterMs(response) };
    } catch (cause) {
      if (cause instanceof ClientError) throw cause;
      if (signal.aborted) throw new ClientError('API_TIMEOUT', `${path} after ${timeoutMs} ms`, { cause });
      throw new ClientError('API_UNREACHABLE', `${this.#baseUrl}${path}`, { cause });
    }
  }

  /**
   * Once more when the connection broke: a connection that was kept for reuse may be one that the node has just closed. Every
   * call may come twice: a transaction and a blob are known by their digests.
   */
  async #reach(url: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(url, init);
    } catch (error) {
      if (!isBrokenConnection(error)) throw error;
      return this.#fetch(url, init);
    }
  }

  /** Asks again when the node is busy and says how long, as long as that ends within the call's time. */
  async #patiently(call: HttpCall): Promise<HttpAnswer> {
    const endMs = performance.now() + call.timeoutMs;
    for (;;) {
      const answer = await this.#call({ ...call, timeoutMs: Math.max(1, Math.ceil(endMs - performance.now())) });
      const { retryAfterMs: waitMs } = answer;
      if (waitMs === undefined || performance.now() + waitMs >= endMs) return answer;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** Whatever the node answers, an error of its own too. */
  call(call: Partial<HttpCall> & { readonly path: string }): Promise<HttpAnswer> {
    return this.#call({ maxBytes: JSON_ANSWER_BYTES_MAX, timeoutMs: this.timeoutMs, ...call });
  }

  /** The answer when it is a success, or undefined when it is an error under one of `absent`. */
  async answer(
    call: Partial<HttpCall> & { readonly path: string },
    absent: readonly string[] = [],
  ): Promise<HttpAnswer | undefined> {
    const answer = await this.#patiently({ maxBytes: JSON_ANSWER_BYTES_MAX, timeoutMs: this.timeoutMs, ...call });
    if (answer.status >= 200 && answer.status < 300) return answer;
    const parsed = parseJson(answer.bytes, { maxBytes: ERROR_BYTES_MAX, maxDepth: JSON_DEPTH_MAX });
    const error = parsed.ok ? readErrorBody(parsed.value) : undefined;
    if (error !== undefined && absent.includes(error.code)) return undefined;
    const code = error?.code ?? `HTTP_${answer.status}`;
    throw new ClientError('API_REFUSED', `${code} ${error?.detail ?? ''}`.trim());
  }

  async ask(
    call: Partial<HttpCall> & { readonly path: string },
    absent: readonly string[] = [],
  ): Promise<Uint8Array | undefined> {
    return (await this.answer(call, absent))?.bytes;
  }

  async json(call: Partial<HttpCall> & { readonly path: string }): Promise<JsonValue> {
    return asJson((await this.ask(call)) ?? new Uint8Array(0));
  }

  /** The pages of a list, each after the one before. Throws `ClientError` API_ANSWER_MALFORMED for a list without end. */
  async *pages(path: string): AsyncGenerator<{ readonly json: JsonValue; readonly simulated: boolean }> {
    for (let pages = 0, at = path; pages < PAGES_MAX; pages++) {
      const answer = await this.answer({ path: at });
      if (answer === undefined) throw new ClientError('API_ANSWER_MALFORMED', path);
      const json = asJson(answer.bytes);
      yield { json, simulated: answer.simulated };
      const next = readNext(json);
      if (next === undefined) return;
      at = `${path}?after=${next}`;
    }
    throw new ClientError('API_ANSWER_MALFORMED', `${path} has no end`);
  }
}
