/** A response that is too large for the ledger: a receipt of it counts when validators hold it, and a withheld one names its executor. */
import { contentDigest } from '@cloister/confidential';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { asHeight, asValidatorId, parseBase64, toBase64 } from '@cloister/encoding';
import {
  codesOf,
  digestOf,
  type Enclave,
  enclaveOf,
  eventOf,
  keyOf,
  RESPONSE,
  type Running,
  runningChain,
  typesOf,
  v0,
  v1,
  v2,
  v3,
} from '@cloister/testkit';
import { describe, expect, test } from 'vitest';
import {
  isHeldByEnough,
  type LedgerState,
  MAX_HOLDINGS,
  parsePayload,
  projectInference,
  signHolding,
  verifyHolding,
} from '../src/index.ts';

/** A chain with an open request to the first `count` validators. */
function requested({ chain, enclaves, model }: Running, changes: { readonly threshold?: number } = {}) {
  const request = chain.request(model, enclaves, changes);
  chain.block(request);
  const statusOf = () => projectInference(chain.state, chain.taskOf(request));
  /** What becomes of a receipt of a response that is not on the ledger. */
  const submit = (node: Ed25519KeyPair, enclave: Enclave | undefined, holdings: readonly string[]) =>
    chain.block(chain.result(node, request, chain.receipt(request, enclave ?? enclaveOf(node)), null, holdings));
  return { chain, request, enclaves, submit, statusOf };
}

describe('a receipt without its response', () => {
  test('completes the task when validators of a third of the weight hold the response, and names them', () => {
    const { chain, request, enclaves, submit, statusOf } = requested(runningChain(1));
    const done = submit(v0, enclaves[0], chain.holdings(request, [v3, v1]));
    expect(typesOf(done)).toEqual(['ReceiptAccepted', 'InferenceCompleted']);
    expect(eventOf(done, 'ReceiptAccepted')).toMatchObject({ response: null, holders: [v3.id, v1.id] });
    expect(statusOf()).toMatchObject({ status: 'completed', executors: [{ withheld: null }] });
  });

  test('is a withheld response otherwise: the event names the executor, which is done with the task', () => {
    const { chain, request, enclaves, submit, statusOf } = requested(runningChain(1));
    const withheld = submit(v0, enclaves[0], chain.holdings(request, [v1]));
    expect(typesOf(withheld)).toEqual(['ResponseWithheld', 'InferenceFailed']);
    expect(eventOf(withheld, 'ResponseWithheld')).toMatchObject({
      task: chain.taskOf(request),
      node: v0.id,
      keyset: chain.keyset(enclaves[0] ?? enclaveOf(v0)),
      responseDigest: contentDigest(RESPONSE),
      holders: [v1.id],
    });
    expect(eventOf(withheld, 'InferenceFailed').code).toBe('RESPONSE_WITHHELD');
    const sequence = chain.log.findIndex(({ type }) => type === 'ResponseWithheld');
    expect(statusOf()).toMatchObject({ status: 'failed', receipts: [], executors: [{ withheld: sequence }] });
  });

  test('ends no task that others can still complete, and is not made good by its executor', () => {
    const { chain, request, enclaves, submit, statusOf } = requested(runningChain(3));
    const [e0, e1, e2] = enclaves as [Enclave, Enclave, Enclave];
    const receipt = chain.receipt(request, e0);
    expect(typesOf(submit(v0, e0, []))).toEqual(['ResponseWithheld']);
    expect(codesOf(submit(v0, e0, chain.holdings(request, [v1, v2])))).toEqual(['RESPONSE_WITHHELD']);
    expect(codesOf(chain.block(chain.result(v0, request, receipt)))).toEqual(['RESPONSE_WITHHELD']);
    const decline = { task: chain.taskOf(request), code: 'RESPONSE_NOT_HELD', detail: '' } as const;
    expect(codesOf(chain.block(chain.transaction(v0, 'decline-task', decline)))).toEqual(['RESPONSE_WITHHELD']);
    chain.block(chain.result(v1, request, chain.receipt(request, e1)));
    expect(typesOf(submit(v2, e2, chain.holdings(request, [v1, v3])))).toEqual([
      'ReceiptAccepted',
      'InferenceCompleted',
    ]);
    expect(statusOf()).toMatchObject({ status: 'completed' });
  });

  test('fails a task at the deadline whose last executor is silent, and leaves the culprit named', () => {
    const { chain, enclaves, submit, statusOf } = requested(runningChain(3));
    expect(typesOf(submit(v0, enclaves[0], []))).toEqual(['ResponseWithheld']);
    chain.advanceTo(chain.height + 10);
    expect(statusOf()).toMatchObject({ status: 'failed', failure: 'DEADLINE_PASSED' });
    expect(statusOf()?.executors.map(({ withheld }) => withheld !== null)).toEqual([true, false, false]);
    expect(statusOf()?.executors.map(({ missed }) => missed !== null)).toEqual([false, true, true]);
  });

  test('is named after the task was completed by others, too', () => {
    const { chain, request, enclaves, submit, statusOf } = requested(runningChain(3));
    const [e0, e1, e2] = enclaves as [Enclave, Enclave, Enclave];
    chain.block([v0, v1].map((node, i) => chain.result(node, request, chain.receipt(request, i === 0 ? e0 : e1))));
    expect(typesOf(submit(v2, e2, []))).toEqual(['ResponseWithheld']);
    expect(statusOf()).toMatchObject({ status: 'completed', executors: [{}, {}, { withheld: expect.any(Number) }] });
  });
});

describe('a statement does not count', () => {
  /** Of each the statements, and how many of them are taken before the false one. */
  const cases: readonly [string, (running: ReturnType<typeof requested>) => readonly string[], number][] = [
    [
      'for another task',
      ({ chain, request }) => chain.holdings(request, [v1, v2], { task: digestOf('another task') }),
      0,
    ],
    ['on another chain', ({ chain, request }) => chain.holdings(request, [v1, v2], { chainId: digestOf('other') }), 0],
    [
      'about other bytes',
      ({ chain, request }) => chain.holdings(request, [v1, v2], { responseDigest: digestOf('x') }),
      0,
    ],
    ['of the executor itself', ({ chain, request }) => chain.holdings(request, [v1, v0]), 1],
    ['of a key that is no validator', ({ chain, request }) => chain.holdings(request, [v1, keyOf('stranger')]), 1],
    [
      'in another’s name',
      ({ chain, request }) => {
        const [first = '', second = ''] = chain.holdings(request, [v1, v2]);
        return [first, `${second.slice(0, 64)}${first.slice(64)}`];
      },
      1,
    ],
  ];
  test.each(cases)('%s', (_, holdings, taken) => {
    const running = requested(runningChain(1));
    const block = running.submit(v0, running.enclaves[0], holdings(running));
    expect(typesOf(block)).toEqual(['ResponseWithheld', 'InferenceFailed']);
    expect(eventOf(block, 'ResponseWithheld').holders).toEqual([v1.id].slice(0, taken));
  });

  test('of a member without weight', () => {
    const running = runningChain(1);
    const joiner = keyOf('joiner');
    running.chain.block(running.chain.evidence(joiner, enclaveOf(joiner)));
    const { chain, request, enclaves, submit } = requested(running);
    expect([...chain.state.members.values()].find(({ id }) => id === joiner.id)).toMatchObject({ weight: 0 });
    expect(typesOf(submit(v0, enclaves[0], chain.holdings(request, [joiner, v1])))).toEqual([
      'ResponseWithheld',
      'InferenceFailed',
    ]);
  });

  test('twice, or beside a response that is on the ledger: such a transaction has no lawful form', () => {
    const { chain, request } = requested(runningChain(1));
    const [first = ''] = chain.holdings(request, [v1]);
    const payload = { task: chain.taskOf(request), receipt: toBase64(RESPONSE) };
    const form = (response: string | null, holdings: readonly string[]) =>
      parsePayload('submit-result', { ...payload, response, holdings: [...holdings] }).ok;
    expect(form(null, [first])).toBe(true);
    expect(form(null, [first, first])).toBe(false);
    expect(form(toBase64(RESPONSE), [])).toBe(true);
    expect(form(toBase64(RESPONSE), [first])).toBe(false);
    expect(form(null, [first.slice(0, 148)])).toBe(false);
    const { chainId } = chain.genesis;
    const many = Array.from({ length: MAX_HOLDINGS + 1 }, (_, i) =>
      signHolding(keyOf(`holder ${i}`), { chainId, task: payload.task, responseDigest: digestOf('x') }),
    );
    expect(form(null, many.slice(1))).toBe(true);
    expect(form(null, many)).toBe(false);
  });

  test('after one that is false: nobody checks a list of forgeries', () => {
    const { chain, request, enclaves, submit } = requested(runningChain(1));
    const forged = chain.holdings(request, [v2], { task: digestOf('another task') });
    const block = submit(v0, enclaves[0], [...forged, ...chain.holdings(request, [v1, v3])]);
    expect(eventOf(block, 'ResponseWithheld').holders).toEqual([]);
  });
});

describe('how many must hold a response', () => {
  function membersOf(weights: readonly number[]): { readonly members: LedgerState['members'] } {
    const all = weights.map((weight, i) => ({ id: asValidatorId(keyOf(`validator ${i}`).id), name: '', weight }));
    return { members: new Map(all.map((one) => [one.id, { ...one, height: asHeight(0) }])) };
  }

  test.each([
    // weights, the first executes; then how many of the others, in order, are enough
    [[1], 0],
    [[1, 1], 1],
    [[1, 1, 1], 1],
    [[1, 1, 1, 1], 2],
    [[0, 1, 1, 1], 1],
    [[2, 1, 1, 1], 2],
    // The others alone may be too few with the faulty among them silent; so heavy an executor is honest, or the network is not.
    [[7, 1, 1, 1], 0],
    [[3, 1, 1, 1], 2],
    [[4, 1, 1, 1], 1],
  ])('weights %j', (weights, enough) => {
    const state = membersOf(weights);
    const [executor, ...others] = [...state.members.keys()];
    if (executor === undefined) throw new Error('no executor');
    const answers = [0, 1, 2, 3].map((count) => isHeldByEnough(state, executor, others.slice(0, count)));
    expect(answers.indexOf(true)).toBe(enough);
    if (enough > 0) expect(isHeldByEnough(state, executor, [...others.slice(0, enough - 1), executor])).toBe(false);
  });

  test('with any weights, one holder is honest and the honest others are enough', () => {
    const random = [1, 2, 3, 5, 8];
    for (const a of random) {
      for (const b of random) {
        for (const c of random) {
          const weights = [a, b, c, 1];
          const state = membersOf(weights);
          const ids = [...state.members.keys()];
          const total = a + b + c + 1;
          for (let faulty = 0; faulty < 16; faulty++) {
            const bad = ids.filter((_, i) => (faulty >> i) % 2 === 1);
            const badWeight = bad.reduce((sum, id) => sum + (state.members.get(id)?.weight ?? 0), 0);
            if (3 * badWeight >= total) continue;
            const good = ids.filter((id) => !bad.includes(id));
            for (const executor of ids) {
              expect(isHeldByEnough(state, executor, good)).toBe(true);
              if (bad.includes(executor)) expect(isHeldByEnough(state, executor, bad)).toBe(false);
            }
          }
        }
      }
    }
  });
});

test('a statement is exact: one changed bit and nobody said it', () => {
  const held = { chainId: digestOf('chain'), task: digestOf('task'), responseDigest: digestOf('response') };
  const text = signHolding(v1, held);
  expect(verifyHolding(text, held)).toBe(v1.id);
  const signature = parseBase64(text.slice(64)) ?? new Uint8Array(0);
  for (let i = 0; i < 64; i += 5) {
    const changed = signature.map((byte, at) => (at === i ? byte ^ 1 : byte));
    expect(verifyHolding(`${v1.id}${toBase64(changed)}`, held)).toBeUndefined();
  }
  expect(verifyHolding(`${v2.id}${text.slice(64)}`, held)).toBeUndefined();
  expect(verifyHolding(text.slice(4), held)).toBeUndefined();
  expect(verifyHolding(`${text}AAAA`, held)).toBeUndefined();
  expect(verifyHolding('', held)).toBeUndefined();
});
