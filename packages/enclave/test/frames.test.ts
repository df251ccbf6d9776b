import { duplexPair } from 'node:stream';
import { ok, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ChannelError, FRAME_BYTES_MAX, MessageReader, writeMessage } from '../src/channel/frames.ts';
import { type Payload, RpcChannel } from '../src/channel/rpc.ts';

const partsOnly = (...parts: readonly Uint8Array[]): Payload => ({ head: null, parts });
const LIMIT = 1 << 20;

/** What `writeMessage` puts on a stream. */
function written(message: Uint8Array): Promise<Uint8Array> {
  const [near, far] = duplexPair();
  writeMessage(near, message);
  near.end();
  return far.toArray().then((chunks) => new Uint8Array(Buffer.concat(chunks as Buffer[])));
}

it('gives back what was written, however the stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 40 }),
      async (messages, step) => {
        const stream = Buffer.concat(await Promise.all(messages.map(written)));
        const reader = new MessageReader(LIMIT);
        const read: Uint8Array[] = [];
        for (let at = 0; at < stream.length; at += step) read.push(...reader.push(stream.subarray(at, at + step)));
        expect(read.map((message) => Buffer.from(message))).toEqual(messages.map((message) => Buffer.from(message)));
      },
    ),
    { numRuns: 50 },
  );
});

it('leaves nothing of what it read where plaintext travels, and reads the same', async () => {
  const message = new Uint8Array(9 * 1024 * 1024).map((_, i) => i % 251);
  const stream = await written(message);
  const reader = new MessageReader(10 * 1024 * 1024, true);
  const chunks = Array.from({ length: Math.ceil(stream.length / 65_536) }, (_, i) =>
    stream.slice(i * 65_536, (i + 1) * 65_536),
  );
  const read = chunks.flatMap((chunk) => reader.push(chunk));
  expect(read.map((each) => Buffer.compare(each, message))).toEqual([0]);
  // But for the few in which one frame ends and the next begins, their memory is given back.
  const kept = chunks.filter(({ buffer }) => buffer.byteLength > 0);
  expect(kept.length).toBeLessThanOrEqual(4);
  expect(kept.every((chunk) => chunk.every((byte) => byte === 0))).toBe(true);
});

it('cuts a message larger than a fragment into frames, and joins it again', async () => {
  const message = new Uint8Array(9 * 1024 * 1024).fill(7);
  const reader = new MessageReader(10 * 1024 * 1024);
  const read = reader.push(await written(message));
  expect(read.map((each) => Buffer.compare(each, message))).toEqual([0]);
});

it('answers any bytes with messages or a ChannelError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        new MessageReader(LIMIT).push(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ChannelError);
      }
    }),
  );
});

it.each([
  ['an empty frame', [0, 0, 0, 0], 'FRAME_INVALID'],
  ['an unknown kind', [0, 0, 0, 1, 9], 'FRAME_INVALID'],
  ['an empty fragment', [0, 0, 0, 1, 1], 'FRAME_INVALID'],
  ['a frame above 32 MiB', [0x02, 0, 0, 1], 'FRAME_TOO_LARGE'],
  ['a message above the limit', [0x01, 0, 0, 0], 'MESSAGE_TOO_LARGE'],
])('refuses %s before it allocates', (_, bytes, code) => {
  expect(FRAME_BYTES_MAX).toBe(0x0200_0000);
  expect(() => new MessageReader(LIMIT).push(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code }));
});

it('answers calls in any order, refusals with their code and exceptions without their text', async () => {
  const [near, far] = duplexPair();
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const server = new RpcChannel(far, {
    messageBytesMax: LIMIT,
    onCall: async (method, { parts }) => {
      if (method === 'slow') await gate;
      if (method === 'throws') throw new Error('plaintext');
      return method === 'refuses' ? { ok: false, code: 'NO', detail: 'why' } : ok(partsOnly(...parts));
    },
  });
  const client = new RpcChannel(near, { messageBytesMax: LIMIT });
  const slow = client.call('slow', partsOnly(utf8('a')));
  expect(await client.call('fast', partsOnly(utf8('b')))).toEqual(ok(partsOnly(utf8('b'))));
  release();
  expect(await slow).toEqual(ok(partsOnly(utf8('a'))));
  expect(await client.call('refuses', partsOnly())).toEqual({ ok: false, code: 'NO', detail: 'why' });
  expect(await client.call('throws', partsOnly())).toEqual({ ok: false, code: 'INTERNAL' });
  const pending = client.call('slow', partsOnly()).catch((error: unknown) => error);
  server.close();
  await pending;
  await expect(client.call('fast', partsOnly())).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
});

it('ends the channel on bytes that are no message', async () => {
  const [near, far] = duplexPair();
  const closed = new Promise<ChannelError>((resolve) => {
    new RpcChannel(far, { messageBytesMax: LIMIT, onClose: resolve });
  });
  near.write(Uint8Array.of(0, 0, 0, 3, 0, 1, 2));
  expect(await closed).toMatchObject({ code: 'FRAME_INVALID' });
});
