import { asAccountId, asDigest } from '@cloister/encoding';
import { expect, it } from 'vitest';
import { ACCOUNTS_MAX, type Asker, FairSlots, type Slot } from '../src/fair-slots.ts';

const id = (name: string): string => Buffer.from(name.padEnd(32, '.')).toString('hex');
const asker = (owner: string, sender: string, model = `of ${owner}`): Asker => ({
  owner: asAccountId(id(owner)),
  sender: asAccountId(id(sender)),
  model: asDigest(id(model)),
});

/** Slots on a clock that a test moves, and the order in which they were given. */
function scene(bounds: { slots?: number; slotsPerOwner?: number; slotsPerModel?: number } = {}) {
  const clock = { nowMs: 0 };
  const slots = new FairSlots({ slots: 1, slotsPerOwner: 9, slotsPerModel: 9, ...bounds, nowMs: () => clock.nowMs });
  const order: string[] = [];
  const held: Slot[] = [];
  const ask = (name: string, who: Asker): void => {
    void slots.acquire(who).then((slot) => {
      if (slot === undefined) return;
      order.push(name);
      held.push(slot);
    });
  };
  /** Lets the one that holds a slot longest work for so long, and give it back. */
  const work = async (ms: number): Promise<void> => {
    await Promise.resolve();
    clock.nowMs += ms;
    held.shift()?.release();
    await Promise.resolve();
  };
  return { slots, order, held, ask, work };
}

it('takes owners by turns, however many runs one of them waits for', async () => {
  const { order, ask, work } = scene();
  for (let i = 0; i < 5; i++) ask(`a${i}`, asker('a', 'x'));
  ask('b0', asker('b', 'y'));
  ask('c0', asker('c', 'z'));
  for (let i = 0; i < 7; i++) await work(10);
  expect(order.slice(0, 3)).toEqual(['a0', 'b0', 'c0']);
});

it('takes the senders of one owner by turns', async () => {
  const { order, ask, work } = scene();
  for (let i = 0; i < 5; i++) ask(`flood${i}`, asker('a', 'flood'));
  ask('calm0', asker('a', 'calm'));
  for (let i = 0; i < 6; i++) await work(10);
  expect(order.indexOf('calm0')).toBe(1);
});

it('puts off whoever used more time: short runs go while a long one is paid for', async () => {
  const { order, ask, work } = scene();
  for (let i = 0; i < 3; i++) ask(`long${i}`, asker('a', 'x'));
  for (let i = 0; i < 3; i++) ask(`short${i}`, asker('b', 'y'));
  await work(1000);
  for (let i = 0; i < 5; i++) await work(1);
  expect(order).toEqual(['long0', 'short0', 'short1', 'short2', 'long1', 'long2']);
});

it('forgives nothing to an owner that went away and came back', async () => {
  const { order, ask, work } = scene();
  ask('long0', asker('a', 'x'));
  await work(1000);
  ask('b0', asker('b', 'y'));
  await Promise.resolve();
  ask('long1', asker('a', 'x'));
  ask('b1', asker('b', 'y'));
  for (let i = 0; i < 3; i++) await work(1);
  expect(order).toEqual(['long0', 'b0', 'b1', 'long1']);
});

it('leaves a slot for others beside an owner, and for an owner’s other models beside one', async () => {
  const { order, ask } = scene({ slots: 3, slotsPerOwner: 2, slotsPerModel: 1 });
  for (let i = 0; i < 4; i++) ask(`endless${i}`, asker('a', 'x', 'endless'));
  ask('sound', asker('a', 'x', 'sound'));
  ask('sound again', asker('a', 'x', 'another'));
  ask('other', asker('b', 'y'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual(['endless0', 'sound', 'other']);
});

it('gives nothing twice for one slot, and nothing more once it stopped', async () => {
  const { slots, order, held, ask } = scene();
  ask('first', asker('a', 'x'));
  ask('second', asker('a', 'x'));
  ask('third', asker('a', 'x'));
  await Promise.resolve();
  held[0]?.release();
  held[0]?.release();
  await Promise.resolve();
  expect(order).toEqual(['first', 'second']);
  expect(slots.waiting).toBe(1);
  slots.stop();
  expect(slots.waiting).toBe(0);
  expect(await slots.acquire(asker('a', 'x'))).toBeUndefined();
});

it('remembers a bounded number of those who owe and are away, those who owe most', async () => {
  const clock = { nowMs: 0 };
  const slots = new FairSlots({ slots: 1, slotsPerOwner: 9, slotsPerModel: 9, nowMs: () => clock.nowMs });
  const run = async (who: Asker, ms: number): Promise<void> => {
    const slot = await slots.acquire(who);
    clock.nowMs += ms;
    slot?.release();
  };
  await run(asker('a', 'greedy'), 1_000);
  for (let i = 0; i < 2 * ACCOUNTS_MAX; i++) await run(asker('a', `sender ${i}`), 10);
  expect(slots.remembered).toBeLessThanOrEqual(ACCOUNTS_MAX);
  const order: string[] = [];
  const ask = async (name: string): Promise<void> => {
    const slot = await slots.acquire(asker('a', name));
    order.push(name);
    slot?.release();
  };
  const held = await slots.acquire(asker('b', 'holder'));
  const asked = [ask('greedy'), ask('fresh')];
  held?.release();
  await Promise.all(asked);
  expect(order).toEqual(['fresh', 'greedy']);
});
