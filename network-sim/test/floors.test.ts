/** One Byzantine validator of four, of any behaviour, leaves the others at least half of what they commit without it. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  BYZANTINE_NAMES,
  type FloorReport,
  LEAST_PACE,
  measureFloors,
  measureTenantFloor,
  promisedFloor,
  TENANT_FLOOR,
} from '../src/index.ts';

describe('with one Byzantine validator of four', () => {
  let measured: FloorReport;
  beforeAll(async () => {
    measured = await measureFloors({
      behaviours: BYZANTINE_NAMES,
      validators: 4,
      forMs: 5_000,
      loadIntervalMs: 25,
      seed: '1',
    });
  }, 600_000);

  it('the clean run commits what its clients send', () => {
    expect(measured.clean.violations).toEqual([]);
    expect(measured.clean.transactions.executed).toBeGreaterThan(100);
    expect(measured.promised).toBe(0.5);
  });

  it.each(BYZANTINE_NAMES)('%s leaves at least the promised share of transactions, and blocks go on', (name) => {
    const floor = measured.floors.find(({ behaviour }) => behaviour === name);
    expect(floor?.attacked.violations).toEqual([]);
    expect(floor?.transactionRatio).toBeGreaterThanOrEqual(measured.promised);
    expect(floor?.blockRatio).toBeGreaterThanOrEqual(LEAST_PACE);
  });
});

it('a tenant who floods every node with the largest transactions leaves the others what they had', async () => {
  const options = { validators: 4, forMs: 2_500, loadIntervalMs: 25, seed: '1' };
  const { clean, attacked, transactionRatio } = await measureTenantFloor(options);
  expect([clean.violations, attacked.violations]).toEqual([[], []]);
  expect(clean.transactions.executed).toBeGreaterThan(50);
  const { sent, taken } = attacked.hostileTenant;
  expect([taken > 0, taken < sent], 'the flood is taken in part').toEqual([true, true]);
  expect(transactionRatio).toBeGreaterThanOrEqual(TENANT_FLOOR);
});

describe('with the clocks of two of seven validators stepping', () => {
  it('the others commit the promised share of transactions, and blocks go on', async () => {
    const { byzantine, promised, floors } = await measureFloors({
      behaviours: ['clock-stepper'],
      validators: 7,
      forMs: 3_000,
      loadIntervalMs: 25,
      seed: '1',
    });
    const [floor] = floors;
    expect(byzantine).toBe(2);
    expect(floor?.attacked.violations).toEqual([]);
    expect(floor?.transactionRatio).toBeGreaterThanOrEqual(promised);
    expect(floor?.blockRatio).toBeGreaterThanOrEqual(LEAST_PACE);
  });
});

describe('the promised floor', () => {
  it('is one half at four validators and 1 - 2f/n beyond', () => {
    expect(promisedFloor(4, 1)).toBe(0.5);
    expect(promisedFloor(7, 2)).toBeCloseTo(3 / 7);
    expect(promisedFloor(100, 33)).toBeCloseTo(0.34);
  });
});
