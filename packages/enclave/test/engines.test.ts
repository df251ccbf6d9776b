import { readFileSync } from 'node:fs';
import { hash } from '@cloister/crypto';
import { type Digest, type JsonValue, ok } from '@cloister/encoding';
import { keyPair } from '@cloister/testkit/chain';
import { digitsFile } from '@cloister/testkit/launched';
import type * as Ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { CallHandler } from '../src/channel/rpc.ts';
import { Engine } from '../src/engine/engine.ts';
import { EnginePool } from '../src/inside/engine-pool.ts';
import { ModelEngine, SUSPENSION_MS_FIRST, SUSPENSION_MS_MAX, Suspensions } from '../src/inside/engines.ts';
import { ModelRoom } from '../src/inside/model-room.ts';
import { launcherOf, loads, saysOfModels } from './fake-engine.ts';

const model = hash('model');
const owner = keyPair('owner').id;
const SECRET = 'WHAT_THE_TENANT_WROTE';

/** None yet; those of a model that loses its engine never end. */
const never = (): Suspensions => new Suspensions(() => Number.MAX_SAFE_INTEGER);

function engineThat(onCall: CallHandler): ModelEngine {
  return new ModelEngine(launcherOf(onCall), 5_000, model, never());
}

it('has its refusals replaced by a code of the vault', async () => {
  const engine = engineThat(async () => ({ ok: false, code: SECRET, detail: SECRET }));
  expect(await engine.beginLoad('0', 1)).toEqual({ ok: false, code: 'ENGINE_CRASHED' });
  const failing = engineThat(async (method, call) =>
    method === 'run' ? { ok: false, code: 'RUN_FAILED' } : loads(method, call),
  );
  await failing.beginLoad('0', 1);
  await failing.endLoad('0', model);
  expect(await failing.run(model, new Uint8Array())).toEqual({ ok: false, code: 'RUN_FAILED' });
});

it.each<JsonValue>([SECRET, 7, { a: 1 }])('gets nothing but a class into receipts, given %s', async (numericClass) => {
  const engine = engineThat(saysOfModels({ numericClass, inputs: [], outputs: [] }));
  await engine.beginLoad('0', 1);
  expect(await engine.endLoad('0', model)).toEqual({ ok: false, code: 'ENGINE_CRASHED' });
});

it.each<[string, JsonValue]>([
  ['no object', null],
  ['no inputs', { numericClass: 'avx2', outputs: [] }],
  ['inputs that are no list', { numericClass: 'avx2', inputs: SECRET, outputs: [] }],
  [
    'a type of tensor that there is none',
    {
      numericClass: 'avx2',
      inputs: [{ name: 'x', datatype: SECRET, shape: [1] }],
      outputs: [],
    },
  ],
  ['a word beside what is asked', { numericClass: 'avx2', inputs: [], outputs: [], more: SECRET }],
])('takes no description of a model with %s', async (_, head) => {
  const engine = engineThat(saysOfModels(head));
  await engine.beginLoad('0', 1);
  expect(await engine.endLoad('0', model)).toEqual({ ok: false, code: 'ENGINE_CRASHED' });
  expect(engine.has(model)).toBe(false);
});

it('holds its models as long as its process, which goes with the last of them', async () => {
  const launcher = launcherOf(loads);
  const engine = new ModelEngine(launcher, 5_000, model, never());
  await engine.beginLoad('0', 1);
  await engine.endLoad('0', model);
  expect(engine.has(model)).toBe(true);
  await engine.unload(model);
  expect([engine.has(model), engine.isRunning, launcher.stopped]).toEqual([false, false, [0]]);
  expect(await engine.run(model, new Uint8Array())).toMatchObject({ code: 'MODEL_NOT_LOADED' });
});

it('lets a run come to its end before its model gives way to another', async () => {
  const run = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const launcher = launcherOf(async (method, call) => {
    if (method !== 'run') return loads(method, call);
    asked.resolve();
    await run.promise;
    return ok({ head: {}, parts: [Uint8Array.of(7)] });
  });
  const suspensions = new Suspensions(() => 0);
  const engine = new ModelEngine(launcher, 5_000, model, suspensions);
  await engine.beginLoad('0', 1);
  await engine.endLoad('0', model);
  const running = engine.run(model, Uint8Array.of(1));
  await asked.promise;
  const unloaded = engine.unload(model);
  run.resolve();
  expect(await running).toEqual({ ok: true, value: Uint8Array.of(7) });
  await unloaded;
  expect([engine.has(model), engine.isRunning, suspensions.has(model)]).toEqual([false, false, false]);
});

it('starts no process for a file that is still on its way when it has given way', async () => {
  const launcher = launcherOf(loads);
  const pool = new EnginePool(launcher, 5_000, 1, () => 0);
  const engine = pool.of(model, owner);
  expect(await engine.beginLoad('0', 2)).toMatchObject({ ok: true });
  const other = pool.of(hash('other'), owner);
  await other.beginLoad('1', 1);
  expect(launcher.stopped).toEqual([0]);
  expect(await engine.loadPiece('0', Uint8Array.of(1))).toMatchObject({ code: 'ENGINE_NOT_STARTED' });
  expect([engine.isRunning, other.isRunning]).toEqual([false, true]);
  expect(await pool.of(model, owner).beginLoad('2', 1)).toMatchObject({ ok: true });
});

it('gives way to the engines of others when there are too many, the one used longest ago first', async () => {
  const launcher = launcherOf(loads);
  const pool = new EnginePool(launcher, 5_000, 2, () => 0);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => hash(name)) as [Digest, Digest, Digest];
  for (const one of [a, b]) await pool.of(one, keyPair(one).id).beginLoad('0', 1);
  pool.used(a);
  await pool.of(c, keyPair(c).id).beginLoad('0', 1);
  expect(launcher.stopped).toEqual([1]);
  expect([a, c].map((one) => pool.of(one, keyPair(one).id).isRunning)).toEqual([true, true]);
});

it('is not taken for the models of an owner who has more of them, however often those are used', async () => {
  const launcher = launcherOf(loads);
  const pool = new EnginePool(launcher, 5_000, 4, () => 0);
  const [honest, thrashing] = [keyPair('honest').id, keyPair('thrashing').id];
  await pool.of(model, honest).beginLoad('0', 1);
  for (let i = 0; i < 12; i++) {
    const one = hash(`thrashing ${i % 6}`);
    await pool.of(one, thrashing).beginLoad('0', 1);
    pool.used(one);
  }
  expect(launcher.stopped).toHaveLength(9);
  expect(launcher.stopped).not.toContain(0);
  expect(pool.of(model, honest).isRunning).toBe(true);
});

it('makes room for a model at the cost of whoever holds most', () => {
  const [greedy, modest] = [keyPair('greedy').id, keyPair('modest').id];
  const room = new ModelRoom(100);
  const [first, second, third, small, fresh] = ['1', '2', '3', 'small', 'fresh'].map((name) => hash(name));
  if (!first || !second || !third || !small || !fresh) throw new Error('five models');
  expect(room.take(small, modest, 20)).toEqual([]);
  expect(room.take(first, greedy, 40)).toEqual([]);
  expect(room.take(second, greedy, 40)).toEqual([]);
  room.used(first);
  expect(room.take(third, greedy, 40)).toEqual([second]);
  expect(room.take(fresh, modest, 30)).toEqual([first]);
  expect(room.bytes).toBe(90);
  expect(room.take(second, greedy, 101)).toBeUndefined();
});

it('is given no other format than the one that was screened', async () => {
  const options: unknown[] = [];
  const create = async (_: Uint8Array, given: unknown): Promise<never> => {
    options.push(given);
    throw new Error('no session');
  };
  const engine = new Engine({ InferenceSession: { create } } as unknown as typeof Ort);
  expect(await engine.load('m', new Uint8Array(readFileSync(digitsFile)))).toMatchObject({ code: 'MODEL_LOAD_FAILED' });
  expect(options).toMatchObject([{ extra: { session: { load_model_format: 'ONNX' } } }]);
  expect(await engine.load('m', new Uint8Array())).toMatchObject({ code: 'ONNX_MALFORMED' });
  expect(options).toHaveLength(1);
});

describe('a model whose runs never end', () => {
  /** Pool on a clock of its own, over engines that hang in the runs of `model` alone while `hangs.on`. */
  function scene(timeoutMs: number) {
    const clock = { nowMs: 0 };
    const hangs = { on: true };
    const onCall: CallHandler = async (method, call) => {
      const { head } = call;
      const isRun = method === 'run';
      const isHostile = typeof head === 'object' && head !== null && 'model' in head && head.model === model;
      if (isRun && isHostile && hangs.on) return new Promise(() => undefined);
      return isRun ? ok({ head: {}, parts: [Uint8Array.of(1)] }) : loads(method, call);
    };
    const pool = new EnginePool(launcherOf(onCall), timeoutMs, 4, () => clock.nowMs);
    const load = async (one: typeof model): Promise<void> => {
      await pool.of(one, owner).beginLoad('0', 1);
      await pool.of(one, owner).endLoad('0', one);
    };
    return { clock, hangs, pool, load, run: (one = model) => pool.of(one, owner).run(one, Uint8Array.of(1)) };
  }

  it('is never kept from its runs for longer than the bound', () => {
    const clock = { nowMs: 0 };
    const suspensions = new Suspensions(() => clock.nowMs);
    for (let i = 0; i < 40; i++) suspensions.lost(model);
    clock.nowMs = SUSPENSION_MS_MAX - 1;
    expect(suspensions.has(model)).toBe(true);
    clock.nowMs = SUSPENSION_MS_MAX;
    expect(suspensions.has(model)).toBe(false);
  });

  it('is not loaded or run for growing times, and at once again after a good run', async () => {
    const { clock, hangs, pool, load, run } = scene(300);
    for (const pauseMs of [SUSPENSION_MS_FIRST, 2 * SUSPENSION_MS_FIRST]) {
      await load(model);
      expect(await run()).toMatchObject({ code: 'ENGINE_TIMEOUT' });
      clock.nowMs += pauseMs - 1;
      expect(await pool.of(model, owner).beginLoad('1', 1)).toMatchObject({ code: 'MODEL_SUSPENDED' });
      clock.nowMs += 1;
    }
    hangs.on = false;
    await load(model);
    expect(await run()).toMatchObject({ ok: true });
    hangs.on = true;
    expect(await run()).toMatchObject({ code: 'ENGINE_TIMEOUT' });
    clock.nowMs += SUSPENSION_MS_FIRST;
    expect(await pool.of(model, owner).beginLoad('1', 1)).toMatchObject({ ok: true });
  });

  it('keeps no other model waiting, its owner’s others included, and its engine is not taken while it is asked', async () => {
    const { load, run, pool } = scene(60_000);
    const others = ['b', 'c', 'd', 'e', 'f'].map((name) => hash(name));
    await load(model);
    void run();
    for (const other of others) {
      await load(other);
      expect(await run(other)).toMatchObject({ ok: true });
    }
    expect(pool.of(model, owner).isRunning).toBe(true);
    pool.of(model, owner).stop();
  });
});
