/** Sealed responses that are too large for the ledger, on their way to validators that hold them. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contentDigest, encodeReceipt, parseReceipt } from '@cloister/confidential';
import { type Ed25519KeyPair, SeededRandom } from '@cloister/crypto';
import { asHeight, type Digest } from '@cloister/encoding';
import { MAX_INLINE_BYTES, signHolding } from '@cloister/ledger';
import {
  type Chain,
  digestOf,
  type Enclave,
  enclaveOf,
  eventOf,
  keyOf,
  runningChain,
  typesOf,
  v0,
  v1,
  v2,
  v3,
} from '@cloister/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BLOB_PIECE_BYTES, decodeBlobAnswer, encodeBlobAnswer } from '../../src/blobs/blob-messages.ts';
import { REST_MS_FIRST, REST_MS_MAX, TRANSFERS_MAX } from '../../src/blobs/holding-desk.ts';
import {
  decodeHoldAnswer,
  decodeHoldRequest,
  encodeHoldAnswer,
  encodeHoldRequest,
  type HoldAnswer,
} from '../../src/blobs/holding-messages.ts';
import { HoldingPromises, STALE_PROMISES } from '../../src/blobs/holding-promises.ts';
import { temporaryFolder } from '../samples.ts';
import { type HoldingScene, holdingScene, LARGE, LIMITS, partsOf } from './holding-scene.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

describe('over libp2p', () => {
  let scene: HoldingScene;
  beforeEach(async () => {
    scene = await holdingScene(folder.path);
  });
  afterEach(() => scene.stop());

  it('a large response is held by as many as are needed, completes the task, and outlives its executor', async () => {
    const { chain, collectorAt, executor, others, request, response } = scene;
    const held = await collectorAt(1).collect(response);
    expect(held.size).toBe(2);
    const result = chain.result(v0, request, response.receipt, null, [...held.values()]);
    const block = chain.block(result);
    expect(typesOf(block)).toEqual(['ReceiptAccepted', 'InferenceCompleted']);
    expect(eventOf(block, 'ReceiptAccepted').holders).toEqual([...held.keys()]);
    for (const { names } of others) names.committed(block.events);
    await executor.network.stop();
    const without = others.find(({ key }) => !held.has(key.id));
    expect(await without?.exchange.get(response.responseDigest)).toEqual(LARGE);
  });

  it('other bytes than the receipt names are held by nobody, and their executor has to wait', async () => {
    const { collectorAt, executor, others, response } = scene;
    const { blob } = executor.answers;
    executor.answers.blob = async (from, bytes) => {
      const answer = decodeBlobAnswer((await blob(from, bytes)) ?? new Uint8Array(0));
      if (!answer.ok || answer.value.status !== 'piece') return undefined;
      const piece = Uint8Array.from(answer.value.piece);
      piece[7] = (piece[7] ?? 0) ^ 1;
      return encodeBlobAnswer({ ...answer.value, piece });
    };
    expect([...(await collectorAt(20).collect(response))]).toEqual([]);
    const busy = others.map(async ({ desk }) => {
      const answer = async () => {
        const bytes = await desk.answer(v0.id, encodeHoldRequest(response));
        const decoded = decodeHoldAnswer(bytes ?? new Uint8Array(0));
        if (!decoded.ok) throw new Error(decoded.code);
        return decoded.value;
      };
      return afterTransfer({ answer }, response.receipt);
    });
    expect(await Promise.all(busy)).toEqual(others.map(() => refused('BUSY')));
    for (const { blobs } of others) expect([blobs.has(response.responseDigest), blobs.bytes]).toEqual([false, 0]);
  });

  it('validators that lie or say nothing are not counted, and others are asked', async () => {
    const { chain, collectorAt, others, response } = scene;
    const collector = collectorAt(3);
    const { chainId } = chain.genesis;
    const lie = signHolding(v1, { chainId, task: digestOf('another task'), responseDigest: response.responseDigest });
    const [one, two, three] = others;
    if (one === undefined || two === undefined || three === undefined) throw new Error('three others');
    const { hold } = one.answers;
    one.answers.hold = async () => encodeHoldAnswer({ status: 'held', statement: lie });
    expect([...(await collector.collect(response)).keys()].sort()).toEqual([v2.id, v3.id].sort());
    one.answers.hold = hold;
    two.answers.hold = () => new Promise(() => undefined);
    expect([...(await collector.collect(response)).keys()].sort()).toEqual([v1.id, v3.id].sort());
    // In another's name; and two of three that do not hold it are one too many.
    two.answers.hold = three.answers.hold;
    one.answers.hold = async () => encodeHoldAnswer({ status: 'refused', code: 'BLOB_QUOTA_EXCEEDED' });
    const held = await collector.collect(response);
    expect([...held.keys()].filter((id) => id !== v3.id)).toEqual([]);
  });
});

/** A desk of `v1` alone, and what it answers. `ask`: what becomes of its own requests for pieces. */
async function deskScene(
  changes: {
    readonly key?: Ed25519KeyPair;
    readonly limits?: typeof LIMITS;
    readonly nowMs?: () => number;
    readonly monotonicMs?: () => number;
    readonly pieces?: () => Promise<Uint8Array>;
  } = {},
) {
  const { chain, enclaves, model } = runningChain(3);
  const enclave = enclaves[0] ?? enclaveOf(v0);
  const request = chain.request(model, enclaves);
  chain.block(request);
  let asked = 0;
  const parts = await partsOf(
    chain,
    changes.key ?? v1,
    folder.path,
    {
      members: () => [],
      request: () => {
        asked++;
        return changes.pieces?.() ?? new Promise(() => undefined);
      },
    },
    changes,
  );
  const answer = async (from: Ed25519KeyPair, receipt: Uint8Array, size = LARGE.length): Promise<HoldAnswer> => {
    const bytes = await parts.desk.answer(from.id, encodeHoldRequest({ size, receipt }));
    const decoded = decodeHoldAnswer(bytes ?? new Uint8Array(0));
    if (!decoded.ok) throw new Error(decoded.code);
    return decoded.value;
  };
  const receiptOf = (label: string, of: Enclave = enclave) =>
    chain.receipt(request, of, { responseDigest: digestOf(label) });
  return { ...parts, chain, enclave, model, request, answer, receiptOf, asked: () => asked };
}
type DeskScene = Awaited<ReturnType<typeof deskScene>>;

/** The first answer after a transfer that runs. */
async function afterTransfer({ answer }: Pick<DeskScene, 'answer'>, receipt: Uint8Array): Promise<HoldAnswer> {
  for (;;) {
    const now = await answer(v0, receipt);
    if (now.status !== 'pending') return now;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const refused = (code: string) => ({ status: 'refused', code });

describe('a validator refuses to hold', () => {
  const cases: readonly [string, (scene: DeskScene) => Promise<HoldAnswer>][] = [
    ['RESPONSE_SIZE', ({ answer, receiptOf }) => answer(v0, receiptOf('x'), MAX_INLINE_BYTES)],
    ['RESPONSE_SIZE', ({ answer, receiptOf }) => answer(v0, receiptOf('x'), 65 * 1024 * 1024)],
    ['RECEIPT_MALFORMED', ({ answer }) => answer(v0, new Uint8Array(100))],
    [
      'WRONG_CHAIN',
      ({ answer, chain, enclave, request }) =>
        answer(v0, chain.receipt(request, enclave, { chainId: digestOf('other chain') })),
    ],
    [
      'TASK_UNKNOWN',
      ({ answer, chain, enclave, request }) => answer(v0, chain.receipt(request, enclave, { task: digestOf('none') })),
    ],
    ['NOT_AN_EXECUTOR', ({ answer, receiptOf }) => answer(v2, receiptOf('x'))],
    ['NOT_AN_EXECUTOR', ({ answer, receiptOf }) => answer(v3, receiptOf('x', enclaveOf(v3)))],
    [
      'RECEIPT_SIGNATURE_INVALID',
      ({ answer, receiptOf }) => {
        const parsed = parseReceipt(receiptOf('x'));
        if (!parsed.ok) throw new Error(parsed.code);
        return answer(v0, encodeReceipt(parsed.value.statement, keyOf('forger').sign));
      },
    ],
    [
      'TASK_CLOSED',
      ({ answer, chain, receiptOf }) => {
        chain.advanceTo(chain.height + 10);
        return answer(v0, receiptOf('x'));
      },
    ],
    [
      'TASK_CLOSED',
      ({ answer, chain, request, receiptOf }) => {
        chain.block(chain.result(v0, request, receiptOf('x'), null));
        expect(chain.state.tasks.get(chain.taskOf(request))?.status).toBe('open');
        return answer(v0, receiptOf('x'));
      },
    ],
    [
      'TASK_CLOSED',
      ({ answer, chain, request, receiptOf }) => {
        const payload = { task: chain.taskOf(request), code: 'EXECUTOR_BUSY', detail: '' } as const;
        chain.block(chain.transaction(v0, 'decline-task', payload));
        return answer(v0, receiptOf('x'));
      },
    ],
    [
      'ANOTHER_RESPONSE',
      async ({ answer, receiptOf }) => {
        await answer(v0, receiptOf('x'));
        return answer(v0, receiptOf('y'));
      },
    ],
  ];
  it.each(cases)('%s (%#)', async (code, ask) => {
    const scene = await deskScene();
    expect(await ask(scene)).toEqual(refused(code));
    expect(scene.blobs.count).toBe(0);
  });

  it('when it has no weight', async () => {
    const scene = await deskScene({ key: keyOf('joiner') });
    scene.chain.block(scene.chain.evidence(keyOf('joiner'), enclaveOf(keyOf('joiner'))));
    expect(await scene.answer(v0, scene.receiptOf('x'))).toEqual(refused('NOT_A_VALIDATOR'));
  });

  it('beyond the room of the tenant, whose response it is', async () => {
    const { answer, receiptOf } = await deskScene({ limits: { ...LIMITS, accountBytesMax: LARGE.length - 1 } });
    expect(await answer(v0, receiptOf('x'))).toEqual(refused('BLOB_ACCOUNT_QUOTA_EXCEEDED'));
  });
});

/** Requests of the same tenant to other enclaves of validators without weight, put straight into the state. */
function crowd({ chain, enclave, request }: DeskScene, count: number) {
  const task = chain.state.tasks.get(chain.taskOf(request));
  const parsed = parseReceipt(chain.receipt(request, enclave));
  const executor = task?.executors[0];
  if (task === undefined || !parsed.ok || executor === undefined) throw new Error('a requested task');
  return Array.from({ length: count }, (_, i) => {
    const key = keyOf(`executor ${i}`);
    const [id, keyset] = [digestOf(`task ${i}`), digestOf(`keyset ${i}`)];
    const responseDigest = digestOf(`response ${i}`);
    chain.state.tasks.set(id, { ...task, id, executors: [{ ...executor, node: key.id, keyset }] });
    chain.state.keysets.set(keyset, { node: key.id, signKey: key.id, hpkeKey: '', status: 'current' });
    const statement = { ...parsed.value.statement, task: id, keyset, executor: key.id, responseDigest };
    return { key, id, receipt: encodeReceipt(statement, key.sign) };
  });
}

describe('what executors may cost a validator', () => {
  it('is one transfer of each at a time, so many in all, and none without end', async () => {
    const scene = await deskScene();
    const executors = crowd(scene, TRANSFERS_MAX + 1);
    const answers = [];
    for (const { key, receipt } of executors) answers.push(await scene.answer(key, receipt));
    expect(answers.slice(0, TRANSFERS_MAX)).toEqual(answers.slice(0, TRANSFERS_MAX).map(() => ({ status: 'pending' })));
    expect(answers[TRANSFERS_MAX]).toEqual(refused('BUSY'));
    expect(await scene.answer(executors[0]?.key ?? v0, executors[0]?.receipt ?? LARGE)).toEqual({ status: 'pending' });
    expect(scene.asked()).toBe(TRANSFERS_MAX);
  });

  it('is a rest that grows with each transfer that came to nothing, and is forgiven', async () => {
    let monotonicMs = 0;
    const gone = () => Promise.reject(new Error('gone'));
    // Room for one: what a broken transfer had is given back.
    const limits = { ...LIMITS, accountBytesMax: LARGE.length };
    const scene = await deskScene({ pieces: gone, monotonicMs: () => monotonicMs, limits });
    const receipt = scene.receiptOf('x');
    const busyAfter = async (ms: number): Promise<boolean> => {
      monotonicMs += ms;
      return (await afterTransfer(scene, receipt)).status === 'refused';
    };
    for (const restMs of [REST_MS_FIRST, 2 * REST_MS_FIRST, 4 * REST_MS_FIRST]) {
      expect(await scene.answer(v0, receipt)).toEqual({ status: 'pending' });
      expect([await busyAfter(0), await busyAfter(restMs - 1)]).toEqual([true, true]);
      monotonicMs += 1;
    }
    monotonicMs += REST_MS_MAX;
    expect(await scene.answer(v0, receipt)).toEqual({ status: 'pending' });
    expect([await busyAfter(0), await busyAfter(REST_MS_FIRST - 1)]).toEqual([true, true]);
    monotonicMs += 1;
    expect(await scene.answer(v0, receipt)).toEqual({ status: 'pending' });
    expect(scene.blobs.count).toBe(0);
  });

  it('is no transfer that is drawn out, by time or by crumbs', async () => {
    let monotonicMs = 0;
    const slow = async () => {
      monotonicMs += 8_000;
      const piece = LARGE.subarray(0, BLOB_PIECE_BYTES);
      return encodeBlobAnswer({ status: 'piece', total: LARGE.length, piece });
    };
    const inTime = await deskScene({ pieces: slow, monotonicMs: () => monotonicMs });
    await inTime.answer(v0, inTime.receiptOf('x'));
    expect(await afterTransfer(inTime, inTime.receiptOf('x'))).toEqual(refused('BUSY'));
    expect(inTime.asked()).toBe(2);
    const crumb = async () => encodeBlobAnswer({ status: 'piece', total: LARGE.length, piece: LARGE.subarray(0, 1) });
    const crumbs = await deskScene({ pieces: crumb });
    await crumbs.answer(v0, crumbs.receiptOf('x'));
    expect(await afterTransfer(crumbs, crumbs.receiptOf('x'))).toEqual(refused('BUSY'));
    expect(crumbs.asked()).toBe(1);
  });

  it('is a rest that is forgotten with its member', async () => {
    const limits = { ...LIMITS, accountBytesMax: 300 * LARGE.length, quotaBytes: 300 * LARGE.length };
    const scene = await deskScene({ pieces: () => Promise.reject(new Error('gone')), limits });
    for (const { key, receipt } of crowd(scene, 20)) {
      while ((await scene.answer(key, receipt)).status === 'pending') await new Promise((done) => setImmediate(done));
    }
    expect(scene.desk.resting).toBeLessThanOrEqual(scene.chain.state.members.size);
  });

  it('is a bounded memory of tasks that the ledger forgot', async () => {
    const scene = await deskScene({ limits: { ...LIMITS, accountBytesMax: 0 } });
    const executors = crowd(scene, 300);
    for (const { key, receipt } of executors) await scene.answer(key, receipt);
    expect(scene.desk.size).toBe(300);
    for (const { id } of executors) scene.chain.state.tasks.delete(id);
    await scene.answer(v0, scene.receiptOf('x'));
    expect(scene.desk.size).toBe(1);
  });
});

/** A desk that was asked until it held a small response, and the request for it. */
async function heldOnce(nowMs: () => number = Date.now) {
  const content = new Uint8Array(MAX_INLINE_BYTES + 1).fill(4);
  const pieces = async () => encodeBlobAnswer({ status: 'piece', total: content.length, piece: content });
  const scene = await deskScene({ nowMs, pieces });
  const digest: Digest = contentDigest(content);
  const receipt = scene.chain.receipt(scene.request, scene.enclave, { responseDigest: digest });
  for (;;) {
    const answer = await scene.answer(v0, receipt, content.length);
    if (answer.status !== 'pending') return { scene, content, digest, receipt, answer };
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('what was promised', () => {
  const wire = { members: () => [], request: () => Promise.reject(new Error('gone')) };

  it('is kept by a node that restarts before the receipt is on the ledger, for that one response alone', async () => {
    let nowMs = Date.now();
    const { scene, digest } = await heldOnce();
    const again = await partsOf(scene.chain, v1, folder.path, wire, { nowMs: () => nowMs });
    nowMs += 10 * LIMITS.retentionMs;
    expect([await again.blobs.sweep(), again.blobs.has(digest)]).toEqual([0, true]);
    expect(again.names.ownerOf(digest)).toBe(scene.chain.state.tasks.get(scene.chain.taskOf(scene.request))?.sender);
    const other = encodeHoldRequest({ size: LARGE.length, receipt: scene.receiptOf('another') });
    const answer = decodeHoldAnswer((await again.desk.answer(v0.id, other)) ?? new Uint8Array(0));
    expect(answer).toMatchObject({ value: refused('ANOTHER_RESPONSE') });
  });

  it('is not signed when it cannot be written down, and can be once it can', async () => {
    const promises = join(folder.path, `${v1.id} promises`);
    const content = new Uint8Array(MAX_INLINE_BYTES + 1).fill(4);
    const scene = await deskScene();
    await scene.blobs.put(content);
    await rm(promises, { recursive: true });
    const receipt = scene.chain.receipt(scene.request, scene.enclave, { responseDigest: contentDigest(content) });
    expect(await scene.answer(v0, receipt, content.length)).toEqual(refused('PROMISE_NOT_STORED'));
    await mkdir(promises);
    expect(await scene.answer(v0, receipt, content.length)).toMatchObject({ status: 'held' });
    expect(await readdir(promises)).toHaveLength(1);
  });

  it('is let go with its tasks, and what is no promise is thrown away', async () => {
    const path = join(folder.path, 'promises');
    await mkdir(path);
    await writeFile(join(path, 'no promise'), 'x');
    const promises = await HoldingPromises.open(path);
    const promiseOf = (i: number) => ({
      task: digestOf(`task ${i}`),
      keyset: digestOf('keyset'),
      digest: digestOf(`response ${i}`),
    });
    const none = new Map<Digest, unknown>();
    for (let i = 0; i < STALE_PROMISES; i++) await promises.keep(promiseOf(i), none);
    expect(promises.size).toBe(STALE_PROMISES);
    const known = new Map([[promiseOf(0).task, 'open']]);
    for (const i of [300, 301]) await promises.keep(promiseOf(i), known);
    expect((await readdir(path)).length).toBe(1);
    expect((await HoldingPromises.open(path)).all).toEqual([promiseOf(0)]);
  });
});

it('a response stays as long as the ledger knows the task, also while its receipt is on its way', async () => {
  let nowMs = Date.now();
  const { scene, digest } = await heldOnce(() => nowMs);
  nowMs += 10 * LIMITS.retentionMs;
  expect([await scene.blobs.sweep(), scene.blobs.has(digest)]).toEqual([0, true]);
  const chain: Chain = scene.chain;
  chain.advanceTo(asHeight(chain.height + 60));
  expect(chain.state.tasks.size).toBe(0);
  nowMs += 10 * LIMITS.retentionMs;
  expect([await scene.blobs.sweep(), scene.blobs.has(digest)]).toEqual([1, false]);
});

it('messages decode to what was encoded, and no bytes make them throw', () => {
  const request = { size: 70_000, receipt: new Uint8Array(900).fill(3) };
  expect(decodeHoldRequest(encodeHoldRequest(request))).toEqual({ ok: true, value: request });
  const answers: HoldAnswer[] = [
    { status: 'held', statement: 'A'.repeat(152) },
    { status: 'pending' },
    { status: 'refused', code: 'BUSY' },
  ];
  for (const answer of answers) expect(decodeHoldAnswer(encodeHoldAnswer(answer))).toEqual({ ok: true, value: answer });
  const random = new SeededRandom('hold messages');
  for (let i = 0; i < 500; i++) {
    const bytes = random.bytes(random.below(40));
    if (random.below(2) === 0) bytes[0] = 1;
    expect(() => [decodeHoldRequest(bytes), decodeHoldAnswer(bytes)]).not.toThrow();
  }
  expect(decodeHoldRequest(encodeHoldRequest({ size: 1, receipt: new Uint8Array(7_000) })).ok).toBe(false);
  expect(decodeHoldAnswer(encodeHoldAnswer({ status: 'held', statement: 'A'.repeat(500) })).ok).toBe(false);
});
