/** A host that has one task run more than once, and breaks what it can meanwhile: the enclave signs one outcome for it. */
import { encodeTensors, parseReceipt, type Tensor } from '@cloister/confidential';
import { hash } from '@cloister/crypto';
import { asHeight, fail, ok } from '@cloister/encoding';
import { Chain, seed } from '@cloister/testkit/chain';
import { grant, publish, request, unwrap } from '@cloister/testkit/launched';
import { describe, expect, it } from 'vitest';
import { DEFAULT_ENCLAVE_LIMITS } from '../../platform/src/index.ts';
import { AnsweredTasks } from '../src/inside/answered-tasks.ts';
import { ModelEngine, Suspensions } from '../src/inside/engines.ts';
import { ResultCache, runInference } from '../src/inside/inference.ts';
import { EnclaveLightClient } from '../src/inside/light-client.ts';
import { createVault } from '../src/inside/vault.ts';
import { launcherOf, loads } from './fake-engine.ts';
import { attest, launchInside, OWN } from './inside.ts';

const input: Tensor = { name: 'image', datatype: 'FP32', shape: [1, 784], data: new Uint8Array(784 * 4) };
const output: Tensor = { name: 'probabilities', datatype: 'FP32', shape: [1, 10], data: new Uint8Array(40) };

/** An enclave with an open task. What it keeps of results is forgotten between two runs, as after many large ones. */
async function openTask() {
  const chain = new Chain({ ...OWN, refreshWindowBlocks: 60 });
  chain.block();
  await attest(chain, launchInside(chain, 'one outcome'));
  const model = await publish(chain, OWN.image);
  await grant(chain, model);
  const tenant = await request(chain, model, [input], 'one');
  const binding = { chainId: chain.genesis.chainId, nodeId: chain.node.id, image: OWN.image };
  const vault = createVault(binding, (length) => seed(`keys one outcome ${length}`).subarray(0, length));
  const answers = { run: [output] as readonly Tensor[] | 'CRASH' };
  const launcher = launcherOf(async (method, call) => {
    if (method !== 'run') return loads(method, call);
    return answers.run === 'CRASH' ? fail('RUN_FAILED') : ok({ head: {}, parts: [encodeTensors(answers.run)] });
  });
  const engine = new ModelEngine(launcher, 5_000, model.id, new Suspensions(() => Number.MAX_SAFE_INTEGER));
  await engine.beginLoad('0', 1);
  await engine.endLoad('0', model.id);
  const lasting = {
    vault,
    lightClient: new EnclaveLightClient(chain.genesis, vault.identity),
    models: { get: () => ({ manifest: model.manifest, engine, numericClass: 'avx2' }) },
    limits: DEFAULT_ENCLAVE_LIMITS,
    engine: { name: 'onnxruntime-node', version: '1.30.0' },
    answered: new AnsweredTasks(),
  };
  const run = () =>
    runInference(
      { ...lasting, results: new ResultCache() },
      { authority: chain.authorityOf('InferenceRequested'), payload: tenant.sealed.payload },
    );
  return { answers, run, stop: () => engine.stop() };
}

describe('a task that is run again', () => {
  it('has the same receipt as the first time, or none', async () => {
    const { answers, run, stop } = await openTask();
    const first = unwrap(await run());
    expect(unwrap(parseReceipt(first.receipt)).statement.status).toBe('completed');
    expect(unwrap(await run())).toEqual(first);
    answers.run = 'CRASH';
    expect(await run()).toEqual({ ok: false, code: 'ANSWERED_OTHERWISE' });
    answers.run = [{ ...output, data: output.data.map(() => 1) }];
    expect(await run()).toEqual({ ok: false, code: 'ANSWERED_OTHERWISE' });
    answers.run = [output];
    expect(unwrap(await run())).toEqual(first);
    stop();
  });

  it('has no output any more when its run failed before', async () => {
    const { answers, run, stop } = await openTask();
    answers.run = 'CRASH';
    const failed = unwrap(parseReceipt(unwrap(await run()).receipt));
    expect(failed.statement.status).toBe('failed');
    answers.run = [output];
    expect(await run()).toEqual({ ok: false, code: 'ANSWERED_OTHERWISE' });
    stop();
  });
});

describe('what is remembered of answers', () => {
  const asked = (i: number, deadlineMs = 1_000) => ({
    task: hash(`task ${i}`),
    height: asHeight(i),
    deadlineMs,
  });
  const [one, other] = [Uint8Array.of(1), Uint8Array.of(2)];

  it('is bounded, and a task that it no longer covers is not run', () => {
    const answered = new AnsweredTasks(8);
    for (let i = 0; i < 20; i++) {
      expect(answered.admits(asked(i), one, 0)).toBe(true);
      expect(answered.size).toBeLessThanOrEqual(8);
    }
    for (let i = 0; i < 20; i++) {
      expect(answered.admits(asked(i), other, 0)).toBe(false);
      expect(answered.mayRun(asked(i))).toBe(answered.admits(asked(i), one, 0));
    }
    expect([answered.mayRun(asked(3)), answered.mayRun(asked(19)), answered.mayRun(asked(20))]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('costs no task while those whose deadline has passed make room', () => {
    const answered = new AnsweredTasks(8);
    for (let i = 0; i < 8; i++) answered.admits(asked(i, 10), one, 0);
    expect(answered.admits(asked(9, 50), one, 11)).toBe(true);
    expect([answered.size, answered.mayRun(asked(8))]).toEqual([1, true]);
  });
});
