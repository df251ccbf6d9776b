import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventLoopDelay } from '../src/process/event-loop-delay.ts';

describe('the delay of the event loop', () => {
  let nowMs = 0;
  let delay: EventLoopDelay;
  /** Lets the loop come to its next sample `lateMs` too late. */
  const sample = (lateMs: number): void => {
    nowMs += 20 + lateMs;
    vi.advanceTimersByTime(20);
  };

  beforeEach(() => {
    vi.useFakeTimers();
    nowMs = 0;
    delay = new EventLoopDelay(() => nowMs);
  });
  afterEach(() => {
    delay.stop();
    vi.useRealTimers();
  });

  it('is the longest lateness, and counts what held the loop longer than an input may', () => {
    sample(3);
    expect([delay.longestMs, delay.stalls]).toEqual([3, 0]);
    sample(50);
    expect([delay.longestMs, delay.stalls]).toEqual([50, 0]);
    sample(51);
    sample(0);
    expect([delay.longestMs, delay.stalls]).toEqual([51, 1]);
  });

  it('forgets a stall after two windows, and still counts it', () => {
    sample(700);
    for (let passedMs = 0; passedMs < 11_000; passedMs += 20) sample(0);
    expect(delay.longestMs).toBe(700);
    for (let passedMs = 0; passedMs < 11_000; passedMs += 20) sample(0);
    expect([delay.longestMs, delay.stalls]).toEqual([0, 1]);
  });
});
