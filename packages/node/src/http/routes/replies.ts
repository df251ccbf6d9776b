/** What leaves the API: answers in their forms, refusals as {code, message, detail?}, and SIMULATED on every one of them. */
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { FastifyError, FastifyReply } from 'fastify';
import { codeOf } from '../../process/errors.ts';
import { ApiError } from '../api-error.ts';
import type { ApiReply } from './route.ts';

/** On every answer, refusals included: whether the chain stands on simulated trust anchors. */
export const SIMULATED_HEADER = 'cloister-simulated';

/** Larger answers are written in pieces, so that a slow reader is seen to read. */
const PIECE_BYTES = 64 * 1024;

const MESSAGES: { readonly [status: number]: string } = {
  400: 'the request is not valid',
  403: 'refused',
  404: 'not found',
  405: 'not allowed here',
  408: 'the request took too long',
  409: 'too late',
  411: 'a content length is needed',
  413: 'too large',
  415: 'the content type is not one that is taken here',
  429: 'too many requests',
  500: 'the node failed',
  502: 'the other side refused or cannot be reached',
  503: 'not now',
  507: 'no room',
};

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
}

export function errorBody(status: number, code: string, detail?: string): ErrorBody {
  const message = MESSAGES[status] ?? 'refused';
  return detail === undefined ? { code, message } : { code, message: `${message}: ${detail}`, detail };
}

/** Any error as a refusal under this API's codes; undefined for what is the node's own fault. */
export function refusalOf(error: FastifyError | Error): ApiError | undefined {
  if (error instanceof ApiError) return error;
  switch (codeOf(error)) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ApiError(413, 'BODY_TOO_LARGE');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ApiError(415, 'CONTENT_TYPE_NOT_TAKEN');
    default: {
      const status = (error as Partial<FastifyError>).statusCode;
      return status === undefined || status < 400 || status > 499 ? undefined : new ApiError(status, 'BAD_REQUEST');
    }
  }
}

function* pieces(bytes: Buffer): Generator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** Bytes of an answer that are in memory until they are taken up. */
export async function sendReply(
  reply: FastifyReply,
  answer: ApiReply,
  simulated: boolean,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<void> {
  void reply.code(answer.status);
  if ('stream' in answer) {
    await reply.type(answer.contentType).header('content-length', answer.size).send(answer.stream);
    return;
  }
  const text = 'json' in answer ? JSON.stringify({ ...answer.json, simulated }) : 'text' in answer ? answer.text : '';
  const bytes =
    'bytes' in answer
      ? Buffer.from(answer.bytes.buffer, answer.bytes.byteOffset, answer.bytes.length)
      : Buffer.from(text);
  const type = 'json' in answer ? 'application/json; charset=utf-8' : answer.contentType;
  onBytes(bytes.length);
  const content = bytes.length <= PIECE_BYTES ? bytes : Readable.from(pieces(bytes), { highWaterMark: 1 });
  await reply.type(type).header('content-length', bytes.length).send(content);
}

/** What a client that does not speak HTTP gets. */
export function answerMalformed(error: Error, socket: Socket): void {
  if (!socket.writable) return;
  const [status, reason, code] =
    codeOf(error) === 'HPE_HEADER_OVERFLOW'
      ? [431, 'Request Header Fields Too Large', 'HEADERS_TOO_LARGE']
      : [400, 'Bad Request', 'HTTP_MALFORMED'];
  const body = JSON.stringify(errorBody(Number(status), String(code)));
  const head = `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
  socket.end(`${head}\r\n\r\n${body}`);
}
