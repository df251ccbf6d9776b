import { hash } from '@cloister/crypto';
import type { Digest } from '@cloister/encoding';
import { enclaveOf, runningChain, v0 } from '@cloister/testkit';
import { expect, it } from 'vitest';
import { MODEL_PAUSES_MAX, ModelPauses, PAUSE_MS_FIRST } from '../src/model-pauses.ts';
import { MODEL_REFUSALS_MAX, ModelRefusals } from '../src/model-refusals.ts';

it('a model that is paused again and again is asked about ever more rarely, and at once after a run', () => {
  const clock = { nowMs: 0 };
  const pauses = new ModelPauses(() => clock.nowMs);
  const model = hash('paused');
  const seen: number[] = [];
  for (let i = 0; i < 8; i++) {
    pauses.add(model);
    // Said by a second execution of the same moment.
    pauses.add(model);
    seen.push(pauses.of(model));
    clock.nowMs += pauses.of(model);
  }
  expect(seen).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((factor) => factor * PAUSE_MS_FIRST));
  pauses.clear(model);
  expect(pauses.of(model)).toBe(0);
});

it('models that are paused are remembered up to a bound, the newest', () => {
  const pauses = new ModelPauses(() => 0);
  for (let i = 0; i <= MODEL_PAUSES_MAX; i++) pauses.add(hash(`model ${i}`));
  expect(pauses.size).toBe(MODEL_PAUSES_MAX);
  expect([0, 1].map((i) => pauses.of(hash(`model ${i}`)))).toEqual([0, PAUSE_MS_FIRST]);
});

it('models that are refused are remembered up to a bound, the newest', () => {
  const { chain } = runningChain(1);
  const refusals = new ModelRefusals(() => 0);
  const named = (model: Digest) => ({ model, keyset: chain.keyset(enclaveOf(v0)) });
  for (let i = 0; i <= MODEL_REFUSALS_MAX; i++) refusals.add(chain.state, named(hash(`model ${i}`)), 'ONNX_MALFORMED');
  const of = (i: number) => refusals.of(chain.state, named(hash(`model ${i}`)));
  expect([0, 1, MODEL_REFUSALS_MAX].map(of)).toEqual([undefined, 'ONNX_MALFORMED', 'ONNX_MALFORMED']);
});
