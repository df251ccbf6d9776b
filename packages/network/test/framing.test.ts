/** Frames over streams that split anywhere, bounds of queues and rates. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerRateLimit } from '../src/gates/peer-rate-limit.ts';
import { FrameReader, frameBytes } from '../src/streams/framing.ts';
import { SendQueue } from '../src/streams/send-queue.ts';
import type { Priority } from '../src/types.ts';

const frames = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 });
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 40 });

function* split(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

describe('FrameReader', () => {
  it('gives back the frames however the stream splits, and holds nothing afterwards', () => {
    fc.assert(
      fc.property(frames, cuts, (sent, sizes) => {
        const reader = new FrameReader(60);
        const received: Uint8Array[] = [];
        for (const chunk of split(frameBytes(sent), sizes)) received.push(...(reader.push(chunk) ?? []));
        expect(received).toEqual(sent);
        expect(reader.heldBytes).toBe(0);
      }),
    );
  });

  it('is poisoned for good by a frame above the bound, however it is split', () => {
    fc.assert(
      fc.property(frames, fc.integer({ min: 61, max: 0xffff_ffff }), cuts, (sent, length, sizes) => {
        const announced = new Uint8Array(4);
        new DataView(announced.buffer).setUint32(0, length);
        const reader = new FrameReader(60);
        const stream = Uint8Array.from([...frameBytes(sent), ...announced]);
        const results = [...split(stream, sizes)].map((chunk) => reader.push(chunk));
        expect(results.at(-1)).toBeUndefined();
        expect(reader.push(frameBytes([Uint8Array.of(1)]))).toBeUndefined();
        expect(reader.heldBytes).toBe(0);
      }),
    );
  });

  it('takes any bytes without throwing, and never yields a frame above the bound', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.integer({ min: 0, max: 500 }), (chunks, bound) => {
        const reader = new FrameReader(bound);
        for (const chunk of chunks)
          for (const frame of reader.push(chunk) ?? []) expect(frame.length <= bound).toBe(true);
      }),
    );
  });

  it('holds what arrived, not what was announced, and not the memory that chunks are views of', () => {
    const reader = new FrameReader(1 << 20);
    const slab = new Uint8Array(64 * 1024);
    new DataView(slab.buffer).setUint32(0, 1 << 20);
    reader.push(slab.subarray(0, 4));
    expect(reader.heldBytes).toBeLessThan(64);
    for (let sent = 0; sent < 10_000; sent++) reader.push(slab.subarray(9, 10));
    expect(reader.heldBytes).toBeLessThan(2 * 10_004 + 1);
  });

  it('hands out frames with memory of their own', () => {
    const chunk = frameBytes([Uint8Array.of(1, 2), Uint8Array.of(3)]);
    const [first, second] = new FrameReader(10).push(chunk) ?? [];
    chunk.fill(9);
    expect([first, second]).toEqual([Uint8Array.of(1, 2), Uint8Array.of(3)]);
  });
});

describe('SendQueue', () => {
  const sends = fc.array(
    fc.record({
      size: fc.integer({ min: 0, max: 300 }),
      priority: fc.constantFrom<Priority>(0, 1, 2, 3),
      waitMs: fc.nat(50),
    }),
  );

  it('stays within its bound, and every frame is sent, stale or dropped, once', () => {
    fc.assert(
      fc.property(sends, fc.integer({ min: 1, max: 1_000 }), (list, takeBytes) => {
        const queue = new SendQueue(1_000, 100);
        let nowMs = 0;
        let [dropped, stale, sent] = [0, 0, 0];
        for (const { size, priority, waitMs } of list) {
          nowMs += waitMs;
          dropped += queue.push(new Uint8Array(size), priority, nowMs);
          expect(queue.bytes).toBeLessThanOrEqual(1_000);
        }
        while (!queue.isEmpty) {
          const taken = queue.take(takeBytes, nowMs);
          stale += taken.stale;
          sent += taken.frames.length;
          expect(taken.frames.length <= 1 || taken.frames.reduce((sum, f) => sum + f.length, 0) <= takeBytes).toBe(
            true,
          );
        }
        expect(dropped + stale + sent).toBe(list.length);
        expect(queue.bytes).toBe(0);
      }),
    );
  });

  it('sends the important first, in order, and drops the least important, oldest first', () => {
    const queue = new SendQueue(3 * 65, 1_000);
    const push = (value: number, priority: Priority): number => queue.push(Uint8Array.of(value), priority, 0);
    expect([push(1, 3), push(2, 3), push(3, 1)]).toEqual([0, 0, 0]);
    expect(push(4, 0)).toBe(1);
    expect(queue.take(1_000, 0).frames.map((frame) => frame[0])).toEqual([4, 3, 2]);
  });

  it('refuses a frame larger than itself and keeps the rest', () => {
    const queue = new SendQueue(1_000, 1_000);
    queue.push(Uint8Array.of(1), 3, 0);
    expect(queue.push(new Uint8Array(2_000), 0, 0)).toBe(1);
    expect(queue.take(1_000, 0).frames).toEqual([Uint8Array.of(1)]);
  });
});

describe('RateLimit', () => {
  it('never grants more than three seconds of burst and the refill since, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5_000, max: 5_000 }), { maxLength: 200 }), (steps) => {
        const rate = new PeerRateLimit();
        let [nowMs, forwardMs, granted] = [1_000_000, 0, 0];
        for (const step of steps) {
          nowMs += step;
          forwardMs += Math.max(0, step);
          if (rate.take('peer', 10, nowMs)) granted += 1;
        }
        expect(granted).toBeLessThanOrEqual(30 + (forwardMs / 1_000) * 10 + 1e-6);
      }),
    );
  });

  it('keeps peers apart, and a bounded number of them', () => {
    const rate = new PeerRateLimit();
    for (let i = 0; i < 3; i++) expect(rate.take('a', 1, 0)).toBe(true);
    expect(rate.take('a', 1, 0)).toBe(false);
    expect(rate.take('b', 1, 0)).toBe(true);
    expect(rate.take('a', 1, 1_000)).toBe(true);
    for (let i = 0; i < 5_000; i++) rate.take(`peer ${i}`, 1, 0);
    expect(rate.size).toBe(2_048);
  });
});
