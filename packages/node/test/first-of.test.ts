import type { AccountId } from '@cloister/encoding';
import { keyOf } from '@cloister/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ASKED_AT_ONCE, firstOf, HEDGE_MS } from '../src/blobs/first-of.ts';

const members = Array.from({ length: 7 }, (_, i) => keyOf(`member ${i}`).id);
const silent = (): Promise<never> => new Promise(() => undefined);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('members are asked', () => {
  it('one after the other at once, as long as they answer', async () => {
    const asked: AccountId[] = [];
    const answer = firstOf(members, async (member) => {
      asked.push(member);
      if (asked.length === 2) throw new Error('refused');
      return asked.length === 4 ? member : undefined;
    });
    expect(await answer).toBe(members[3]);
    expect(asked).toEqual(members.slice(0, 4));
    expect(vi.getTimerCount()).toBe(0);
  });

  it('beside those that are silent, so many at a time', async () => {
    const asked: AccountId[] = [];
    const answer = firstOf(members, (member) => {
      asked.push(member);
      return asked.length === 3
        ? new Promise<AccountId>((resolve) => setTimeout(() => resolve(member), HEDGE_MS / 2))
        : silent();
    });
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(HEDGE_MS);
    expect(asked).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(HEDGE_MS * 1.5);
    expect(await answer).toBe(members[2]);
    await vi.advanceTimersByTimeAsync(HEDGE_MS * 10);
    expect(asked).toHaveLength(3);
    const all: AccountId[] = [];
    void firstOf(members, (member) => {
      all.push(member);
      return silent();
    });
    await vi.advanceTimersByTimeAsync(HEDGE_MS * 10);
    expect(all).toHaveLength(ASKED_AT_ONCE);
  });

  it('no more once there is an answer, and not given up while a slow one may have it', async () => {
    const after = <T>(periods: number, answer: T): Promise<T> =>
      new Promise((resolve) => setTimeout(() => resolve(answer), periods * HEDGE_MS));
    const asked: AccountId[] = [];
    const found = firstOf(members, (member) => {
      asked.push(member);
      return asked.length === 1 ? after(3, undefined) : after(0.5, member);
    });
    await vi.advanceTimersByTimeAsync(HEDGE_MS * 10);
    expect([await found, asked.length]).toEqual([members[1], 2]);
    const slow = firstOf(members.slice(0, 2), (member) =>
      member === members[0] ? after(3, member) : after(0, undefined),
    );
    await vi.advanceTimersByTimeAsync(HEDGE_MS * 10);
    expect(await slow).toBe(members[0]);
  });

  it('until the slow ones have answered, too, and nobody has it', async () => {
    const late = (): Promise<undefined> => new Promise((resolve) => setTimeout(() => resolve(undefined), HEDGE_MS * 3));
    const answer = firstOf(members, late);
    await vi.advanceTimersByTimeAsync(HEDGE_MS * 20);
    expect(await answer).toBeUndefined();
    expect(await firstOf([], late)).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });
});
