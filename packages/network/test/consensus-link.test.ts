/** One link with a stream that fails as the test wishes, on a clock of its own. */
import { utf8 } from '@cloister/encoding';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Stream } from '../src/host/host.ts';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import { ConsensusLink } from '../src/streams/consensus-link.ts';
import { FrameReader } from '../src/streams/framing.ts';
import type { NetworkCounters } from '../src/types.ts';

class FakeStream extends EventTarget {
  writableNeedsDrain = false;
  maxWriteBufferLength = 0;
  aborted = false;
  readonly texts: string[] = [];
  readonly #reader = new FrameReader(1 << 22);

  send(bytes: Uint8Array): boolean {
    for (const frame of this.#reader.push(bytes) ?? []) this.texts.push(new TextDecoder().decode(frame));
    return !this.writableNeedsDrain;
  }

  abort(): void {
    this.aborted = true;
    this.dispatchEvent(new Event('close'));
  }
}

let counters: NetworkCounters;
let opened: FakeStream[];
let openings: number;
let opens: () => FakeStream;

function link(): ConsensusLink {
  const open = async (): Promise<Stream> => {
    openings += 1;
    const stream = opens();
    opened.push(stream);
    return stream as unknown as Stream;
  };
  return new ConsensusLink(open, () => utf8('greeting'), DEFAULT_LIMITS, counters);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
  counters = { consensusFramesSent: 0, consensusFramesDropped: 0 } as NetworkCounters;
  opened = [];
  openings = 0;
  opens = () => new FakeStream();
});
afterEach(() => void vi.useRealTimers());

describe('a vote link', () => {
  it('greets first, then sends the important first', async () => {
    const votes = link();
    votes.send(utf8('batch'), 3);
    votes.send(utf8('certificate'), 0);
    await vi.advanceTimersByTimeAsync(1);
    expect(opened[0]?.texts).toEqual(['greeting', 'certificate', 'batch']);
    expect(counters.consensusFramesSent).toBe(2);
  });

  it('that cannot open is idle until the next send, and then tries once', async () => {
    opens = () => {
      throw new Error('no connection');
    };
    const votes = link();
    votes.send(utf8('one'), 1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([openings, vi.getTimerCount()]).toEqual([1, 0]);
    opens = () => new FakeStream();
    votes.send(utf8('two'), 1);
    await vi.advanceTimersByTimeAsync(10);
    expect(openings).toBe(2);
    expect(opened[0]?.texts).toEqual(['greeting', 'two']);
    expect(counters.consensusFramesDropped).toBe(1);
  });

  it('reopens at a bounded pace while the peer resets every stream, however much is sent', async () => {
    opens = () => {
      const stream = new FakeStream();
      setTimeout(() => stream.abort(), 1);
      return stream;
    };
    const votes = link();
    for (let ms = 0; ms < 30_000; ms += 5) {
      votes.send(utf8('vote'), 1);
      await vi.advanceTimersByTimeAsync(5);
    }
    expect(openings).toBeGreaterThan(5);
    expect(openings).toBeLessThan(20);
  });

  it('waits for drain instead of buffering, and drops what grew stale meanwhile', async () => {
    const votes = link();
    votes.send(utf8('first'), 1);
    await vi.advanceTimersByTimeAsync(1);
    const stream = opened[0];
    if (stream === undefined) throw new Error('not open');
    stream.writableNeedsDrain = true;
    votes.send(utf8('of the partition'), 1);
    await vi.advanceTimersByTimeAsync(28_000);
    votes.send(utf8('fresh'), 1);
    await vi.advanceTimersByTimeAsync(1);
    expect(stream.texts).toEqual(['greeting', 'first']);
    stream.writableNeedsDrain = false;
    stream.dispatchEvent(new Event('drain'));
    await vi.advanceTimersByTimeAsync(1);
    expect(stream.texts).toEqual(['greeting', 'first', 'fresh']);
    expect(counters.consensusFramesDropped).toBe(1);
  });

  it('stays bounded towards a peer that never reads', async () => {
    opens = () => Object.assign(new FakeStream(), { writableNeedsDrain: true });
    const votes = link();
    const frame = new Uint8Array(64 * 1024);
    for (let sent = 0; sent < 1_000; sent++) votes.send(frame, 2);
    await vi.advanceTimersByTimeAsync(1);
    expect(counters.consensusFramesDropped).toBeGreaterThan(
      1_000 - DEFAULT_LIMITS.consensusQueueBytesMax / frame.length - 1,
    );
    expect(opened[0]?.texts).toEqual(['greeting']);
  });

  it('drops a frame that the receiver would refuse, and an empty one', async () => {
    const votes = link();
    votes.send(new Uint8Array(DEFAULT_LIMITS.consensusFrameBytesMax + 1), 0);
    votes.send(new Uint8Array(0), 0);
    await vi.advanceTimersByTimeAsync(1);
    expect([openings, counters.consensusFramesDropped]).toEqual([0, 2]);
  });

  it('closed while it opens aborts the stream and sends nothing more', async () => {
    const votes = link();
    votes.send(utf8('late'), 1);
    await vi.advanceTimersByTimeAsync(0);
    votes.close();
    votes.send(utf8('later'), 1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(opened.every((stream) => stream.aborted)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
