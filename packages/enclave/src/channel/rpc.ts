/**
 * Calls over a channel: a method, a JSON head, byte parts; one answer each, in any order.
 *
 * Message: call id u32 ‖ kind u8 ‖ method or code (str) ‖ head, canonical JSON (var) ‖ count u8 ‖ parts (var each). An answer is
 * either a result or a refusal with a code; exceptions never cross a channel.
 */
import type { Duplex } from 'node:stream';
import {
  ByteWriter,
  canonicalJson,
  DecodeError,
  decodeWith,
  fail,
  type JsonValue,
  ok,
  parseCanonicalJson,
  type Result,
  utf8,
} from '@cloister/encoding';
import { ChannelError, erase, MessageReader, writeMessage } from './frames.ts';

const HEAD_BYTES_MAX: number = 1024 * 1024;
const PARTS_MAX = 8;
/** Id, kind, two lengths and the count of parts. */
const FIXED_BYTES = 4 + 1 + 4 + 4 + 1;
const [CALL, RESULT, REFUSAL] = [0, 1, 2] as const;

/** What a call or an answer carries. */
export interface Payload {
  readonly head: JsonValue;
  readonly parts: readonly Uint8Array[];
}

interface Message extends Payload {
  readonly id: number;
  readonly kind: typeof CALL | typeof RESULT | typeof REFUSAL;
  /** Method of a call, code of a refusal, empty for a result. */
  readonly name: string;
}

function encode(message: Message): Uint8Array {
  const [name, head] = [utf8(message.name), utf8(canonicalJson(message.head))];
  // To the byte: the writer then makes no copy, of which nobody would know.
  const size = message.parts.reduce((sum, part) => sum + part.length + 4, name.length + head.length + FIXED_BYTES);
  const writer = new ByteWriter(size).u32(message.id).u8(message.kind).var(name);
  writer.var(head).u8(message.parts.length);
  for (const part of message.parts) writer.var(part);
  return writer.finish();
}

function decode(bytes: Uint8Array): Message {
  const decoded = decodeWith(bytes, (reader): Message => {
    const id = reader.u32();
    const kind = reader.u8();
    if (kind !== CALL && kind !== RESULT && kind !== REFUSAL) throw new DecodeError('unknown kind');
    const name = reader.str(128);
    const head = parseCanonicalJson(reader.var(HEAD_BYTES_MAX), { maxBytes: HEAD_BYTES_MAX, maxDepth: 16 });
    if (!head.ok) throw new DecodeError(head.code);
    const count = reader.u8();
    if (count > PARTS_MAX) throw new DecodeError('too many parts');
    const parts = Array.from({ length: count }, () => reader.var(bytes.length));
    return { id, kind, name, head: head.value, parts };
  });
  if (!decoded.ok) throw new ChannelError('FRAME_INVALID', decoded.detail ?? decoded.code);
  return decoded.value;
}

/** Answers a call. What it throws is a bug: the caller is told 'INTERNAL' and nothing else. */
export type CallHandler = (method: string, call: Payload) => Promise<Result<Payload>>;

export interface RpcOptions {
  /** Bytes of a message from the other side. */
  readonly messageBytesMax: number;
  /** Answers calls of the other side; without it, a call ends the channel. */
  readonly onCall?: CallHandler;
  /**
   * Overwrites messages once they are on their way or read, with the parts of own answers and of calls that were answered: for
   * channels that carry plaintext, or more than should stay in memory.
   */
  readonly erases?: boolean;
  /** Told once when the channel is gone, whoever ended it. */
  readonly onClose?: (cause: ChannelError) => void;
}

interface Waiting {
  readonly resolve: (answer: Result<Payload>) => void;
  readonly reject: (error: ChannelError) => void;
}

/** One end of a channel. */
export class RpcChannel {
  readonly #stream: Duplex;
  readonly #options: RpcOptions;
  readonly #reader: MessageReader;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #closed: ChannelError | undefined;

  constructor(stream: Duplex, options: RpcOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#reader = new MessageReader(options.messageBytesMax, options.erases);
    stream.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    stream.on('end', () => this.#end(new ChannelError('CHANNEL_CLOSED', 'the other side closed the channel')));
    stream.on('close', () => this.#end(new ChannelError('CHANNEL_CLOSED', 'the channel is closed')));
    stream.on('error', (cause) => this.#end(new ChannelError('CHANNEL_CLOSED', 'the channel failed', { cause })));
  }

  /** Rejects with `ChannelError` when the channel ends before the answer. */
  call(method: string, payload: Payload): Promise<Result<Payload>> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const id = this.#nextId;
    this.#nextId = (id + 1) % 0x1_0000_0000;
    const answer = new Promise<Result<Payload>>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#write({ id, kind: CALL, name: method, ...payload });
    return answer;
  }

  close(): void {
    this.#end(new ChannelError('CHANNEL_CLOSED', 'closed here'));
  }

  #receive(chunk: Uint8Array): void {
    if (this.#closed !== undefined) return;
    try {
      for (const bytes of this.#reader.push(chunk)) {
        const message = decode(bytes);
        if (this.#options.erases === true) erase(bytes);
        this.#dispatch(message);
      }
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error;
      this.#end(error);
    }
  }

  #dispatch(message: Message): void {
    if (message.kind === CALL) {
      void this.#answer(message);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) throw new ChannelError('FRAME_INVALID', 'an answer to nothing');
    this.#waiting.delete(message.id);
    const { head, parts } = message;
    if (message.kind === RESULT) waiting.resolve(ok({ head, parts }));
    else waiting.resolve(fail(message.name, typeof head === 'string' ? head : undefined));
  }

  async #answer({ id, name, head, parts }: Message): Promise<void> {
    const { onCall } = this.#options;
    let answer: Result<Payload>;
    try {
      answer = onCall === undefined ? fail('METHOD_UNKNOWN') : await onCall(name, { head, parts });
    } catch {
      // The exception may carry plaintext.
      answer = fail('INTERNAL');
    }
    if (this.#closed !== undefined) return;
    const message: Message = answer.ok
      ? { id, kind: RESULT, name: '', ...answer.value }
      : { id, kind: REFUSAL, name: answer.code, head: answer.detail ?? null, parts: [] };
    this.#write(message);
    if (this.#options.erases === true) for (const part of [...message.parts, ...parts]) erase(part);
  }

  #write(message: Message): void {
    const bytes = encode(message);
    writeMessage(this.#stream, bytes, this.#options.erases === true ? () => bytes.fill(0) : undefined);
  }

  #end(cause: ChannelError): void {
    if (this.#closed !== undefined) return;
    this.#closed = cause;
    this.#stream.destroy();
    for (const { reject } of this.#waiting.values()) reject(cause);
    this.#waiting.clear();
    this.#options.onClose?.(cause);
  }
}
