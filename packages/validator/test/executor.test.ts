import { contentDigest } from '@cloister/confidential';
import { hash } from '@cloister/crypto';
import { type Digest, fail } from '@cloister/encoding';
import { decodeTransaction } from '@cloister/ledger';
import type { AdmissionCode, TaskAssignment } from '@cloister/replica';
import { type Chain, enclaveOf, runningChain, v0, v1, v2 } from '@cloister/testkit';
import { describe, expect, it } from 'vitest';
import { BLOB_WAIT_MS, HAND_OVERS_MAX, TASKS_MAX } from '../src/executor.ts';
import { type ExecutionReport, Executor, type LargeResponse } from '../src/index.ts';
import { assignmentFor, CIPHERTEXT, MockEnclave, portsOver, submitInto } from './mock-enclave.ts';

function scene(changes: Parameters<Chain['request']>[2] = {}, refuse?: AdmissionCode) {
  const { chain, enclaves, model } = runningChain(2, undefined, { ciphertextDigest: contentDigest(CIPHERTEXT) });
  const own = enclaves[0] ?? enclaveOf(v0);
  const enclave = new MockEnclave(chain, own);
  const request = chain.request(model, [own], changes);
  chain.block(request);
  enclave.request = request;
  const ports = portsOver(chain, v0, enclave);
  const submit = submitInto(chain, refuse);
  const reports: ExecutionReport[] = [];
  const waiters: { type: string; resolve: () => void }[] = [];
  const report = (entry: ExecutionReport): void => {
    reports.push(entry);
    for (const waiter of waiters) if (waiter.type === entry.type) waiter.resolve();
  };
  const executor = new Executor({ ports, submit, report });
  const reported = (type: ExecutionReport['type']): Promise<void> =>
    reports.some((entry) => entry.type === type)
      ? Promise.resolve()
      : new Promise((resolve) => waiters.push({ type, resolve }));
  const putIntoBlock = (): void => {
    const transactions = submit.submitted.splice(0).flatMap((bytes) => {
      const decoded = decodeTransaction(bytes);
      return decoded.ok ? [decoded.value] : [];
    });
    chain.block(transactions);
    executor.blockCommitted();
  };
  return {
    chain,
    own,
    enclave,
    ports,
    submit,
    reports,
    executor,
    reported,
    putIntoBlock,
    assignment: assignmentFor(chain, request, own),
  };
}

/** Lets everything that needs no outside event run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('Executor', () => {
  it('executes, submits, and is done when the receipt stands on the ledger', async () => {
    const { executor, assignment, reported, putIntoBlock, reports } = scene();
    executor.assign(assignment);
    executor.assign(assignment);
    await reported('submitted');
    await settle();
    expect(executor.pending).toBe(1);
    putIntoBlock();
    await reported('accepted');
    await settle();
    expect(executor.pending).toBe(0);
    expect(reports.map(({ type }) => type)).toEqual(['submitted', 'accepted']);
  });

  it('tries again with growing pauses while the enclave cannot be reached', async () => {
    const { executor, assignment, enclave, ports, reported, reports } = scene();
    enclave.mischief.unavailable = true;
    const sleep = ports.clock.sleep;
    const clock = {
      ...ports.clock,
      sleep: async (delayMs: number) => {
        await sleep(delayMs);
        if (ports.clock.slept.length === 3) enclave.mischief.unavailable = false;
      },
    };
    Object.assign(ports, { clock });
    executor.assign(assignment);
    await reported('submitted');
    expect(ports.clock.slept).toEqual([200, 400, 800]);
    expect(reports.filter(({ type }) => type === 'attempt-failed')).toHaveLength(3);
    await executor.stop();
  });

  it('survives a store without room for the response, and tries again', async () => {
    const { executor, assignment, enclave, ports, reported, reports } = scene();
    enclave.mischief.response = new Uint8Array(64 * 1024);
    ports.holdings.holders.push(v1, v2);
    let full = true;
    const { put } = ports.blobs;
    const blobs = {
      ...ports.blobs,
      put: async (digest: Digest, bytes: Uint8Array) => {
        if (full) throw Object.assign(new Error('4 of 4 bytes are in use'), { code: 'BLOB_QUOTA_EXCEEDED' });
        await put(digest, bytes);
      },
    };
    const sleep = async () => {
      full = false;
    };
    Object.assign(ports, { blobs, clock: { ...ports.clock, sleep } });
    executor.assign(assignment);
    await reported('submitted');
    expect(reports[0]).toMatchObject({ type: 'attempt-failed', outcome: { code: 'BLOB_UNAVAILABLE' } });
    await executor.stop();
  });

  it('declines at once when too few take a large response', async () => {
    const { executor, assignment, enclave, reported, putIntoBlock, chain } = scene();
    enclave.mischief.response = new Uint8Array(64 * 1024);
    executor.assign(assignment);
    await reported('declined');
    await settle();
    putIntoBlock();
    expect(chain.state.tasks.get(assignment.task)).toMatchObject({ status: 'failed', failure: 'RESPONSE_NOT_HELD' });
    await executor.stop();
  });

  it('runs others while validators take their time with large responses, so many as memory allows', async () => {
    const { executor, enclave, ports, chain, own, assignment } = scene();
    enclave.mischief.response = new Uint8Array(64 * 1024);
    const never = new Promise<ReadonlyMap<never, string>>(() => undefined);
    const asked: Digest[] = [];
    const collect = ({ task }: LargeResponse) => {
      asked.push(task);
      return never;
    };
    Object.assign(ports, { holdings: { collect } });
    const requests = Array.from({ length: HAND_OVERS_MAX + 4 }, () => chain.request(assignment.model, [own]));
    chain.block(requests);
    for (const request of requests) executor.assign(assignmentFor(chain, request, own));
    for (let i = 0; i < 200; i++) await settle();
    const ofOneModel = 2;
    expect(asked).toHaveLength(HAND_OVERS_MAX + ofOneModel);
  });

  it('lets others go on while tasks that cannot be done wait for their next attempt', async () => {
    const { executor, assignment, enclave, ports, reported } = scene();
    const asleep: (() => void)[] = [];
    const bothAsleep = new Promise<void>((resolve) => {
      const sleep = () =>
        new Promise<void>((wake) => {
          asleep.push(wake);
          if (asleep.length === 2) resolve();
        });
      Object.assign(ports, { clock: { ...ports.clock, sleep } });
    });
    enclave.mischief.unavailable = true;
    executor.assign({ ...assignment, task: contentDigest(Uint8Array.of(1)) });
    executor.assign({ ...assignment, task: contentDigest(Uint8Array.of(2)) });
    await bothAsleep;
    enclave.mischief.unavailable = false;
    executor.assign(assignment);
    await reported('submitted');
    const stopped = executor.stop();
    for (const wake of asleep) wake();
    await stopped;
    expect(executor.pending).toBe(0);
  });

  it('gives up at once when the local enclave is tampered with', async () => {
    const { executor, assignment, enclave, reported, reports, submit } = scene();
    enclave.mischief.impostor = enclaveOf(v0, { run: 'tampered' });
    executor.assign(assignment);
    await reported('refused');
    expect(reports).toMatchObject([
      { type: 'refused', code: 'LOCAL_ENCLAVE_TAMPERED', detail: 'local enclave tampered' },
    ]);
    expect(submit.submitted).toHaveLength(0);
  });

  it('gives up at the deadline', async () => {
    const { executor, assignment, enclave, chain, ports, reported } = scene();
    enclave.mischief.inference = fail('BUSY');
    const clock = { ...ports.clock, sleep: async () => chain.advanceTo(chain.height + 3) };
    Object.assign(ports, { clock });
    executor.assign(assignment);
    await reported('deadline-passed');
    await settle();
    expect(executor.pending).toBe(0);
  });

  it('reports that the replica did not take a result, and why', async () => {
    const { executor, assignment, reported, reports } = scene({}, 'BACKPRESSURE');
    executor.assign(assignment);
    await reported('not-taken');
    expect(reports.at(-1)).toEqual({ type: 'not-taken', assignment, code: 'BACKPRESSURE' });
    await executor.stop();
  });

  it('says nothing of a result that the replica has already', async () => {
    const { executor, assignment, reported, reports } = scene({}, 'ALREADY_PENDING');
    executor.assign(assignment);
    await reported('submitted');
    await settle();
    expect(reports.map(({ type }) => type)).toEqual(['submitted']);
    await executor.stop();
  });

  it('hands a result in again when no block has taken it', async () => {
    const { executor, assignment, chain, submit, reported } = scene({ timeLimitMs: 60_000 });
    executor.assign(assignment);
    await reported('submitted');
    for (let block = 0; block < 21; block++) {
      await settle();
      chain.block();
      executor.blockCommitted();
    }
    await settle();
    expect(submit.submitted).toHaveLength(2);
    await executor.stop();
  });

  it('reports a rejection by the ledger', async () => {
    const { executor, assignment, chain, submit, reported, reports } = scene();
    executor.assign(assignment);
    await reported('submitted');
    await settle();
    const decoded = decodeTransaction(submit.submitted[0] ?? new Uint8Array(0));
    if (decoded.ok) chain.state.executed.set(decoded.value.id, 'RECEIPT_MISMATCH');
    executor.blockCommitted();
    await reported('refused');
    expect(reports.at(-1)).toMatchObject({ type: 'refused', code: 'RECEIPT_MISMATCH' });
  });

  it('declines at once what will not change: one attempt, and the tenant reads why', async () => {
    const { executor, assignment, enclave, reported, putIntoBlock, reports, chain } = scene();
    enclave.mischief.inference = fail('REQUEST_KEY_NOT_OPENED');
    executor.assign(assignment);
    await reported('declined');
    await settle();
    putIntoBlock();
    await settle();
    expect(reports).toMatchObject([{ type: 'declined', code: 'REQUEST_REFUSED', detail: 'REQUEST_KEY_NOT_OPENED' }]);
    expect(enclave.calls.filter((call) => call === 'runInference')).toHaveLength(1);
    expect(executor.pending).toBe(0);
    expect(chain.state.tasks.get(assignment.task)).toMatchObject({ status: 'failed', failure: 'REQUEST_REFUSED' });
  });

  it.each(['MEASUREMENT_REVOKED', 'PLATFORM_BARRED', 'EVICTED', 'MODEL_REVOKED', 'MODEL_GRANT_REVOKED'])(
    'declines at once when the enclave has seen %s',
    async (reason) => {
      const { executor, assignment, enclave, ports, reported, putIntoBlock, reports, chain } = scene();
      // Whoever tries again waits for ever.
      Object.assign(ports, { clock: { ...ports.clock, sleep: () => new Promise(() => undefined) } });
      enclave.mischief.inference = fail(reason);
      executor.assign(assignment);
      await reported('declined');
      await settle();
      putIntoBlock();
      await settle();
      expect(reports).toMatchObject([{ type: 'declined', code: 'NOT_ELIGIBLE', detail: reason }]);
      expect(enclave.calls.filter((call) => call === 'runInference')).toHaveLength(1);
      expect(chain.state.tasks.get(assignment.task)).toMatchObject({ status: 'failed', failure: 'NOT_ELIGIBLE' });
    },
  );

  it.each(['NOT_REFRESHED', 'ATTESTATION_NOT_SHOWN', 'HEADER_NOT_NEWEST'])(
    'tries again while the enclave says %s, which passes',
    async (reason) => {
      const { executor, assignment, enclave, ports, reported, reports } = scene();
      enclave.mischief.inference = fail(reason);
      const sleep = async () => {
        delete enclave.mischief.inference;
      };
      Object.assign(ports, { clock: { ...ports.clock, sleep } });
      executor.assign(assignment);
      await reported('submitted');
      expect(reports.map(({ type }) => type)).toEqual(['attempt-failed', 'submitted']);
      await executor.stop();
    },
  );

  it('asks the enclave once about a model that it refuses, until the owner grants again', async () => {
    const { executor, assignment, enclave, putIntoBlock, reports, chain, own } = scene();
    enclave.mischief.model = 'ONNX_CUSTOM_OPERATOR';
    const finish = async (next: TaskAssignment): Promise<void> => {
      executor.assign(next);
      await settle();
      putIntoBlock();
      await settle();
    };
    const another = (): TaskAssignment => {
      const request = chain.request(assignment.model, [own]);
      chain.block(request);
      return assignmentFor(chain, request, own);
    };
    await finish(assignment);
    await finish(another());
    expect(enclave.calls.filter((call) => call === 'provisionModel')).toHaveLength(1);
    const detail = 'ONNX_CUSTOM_OPERATOR';
    expect(reports).toMatchObject([0, 1].map(() => ({ type: 'declined', code: 'MODEL_REFUSED', detail })));
    chain.block(chain.grant(assignment.model, assignment.keyset));
    await finish(another());
    expect(enclave.calls.filter((call) => call === 'provisionModel')).toHaveLength(2);
  });

  it('asks the enclave about a model that it does not run now once in a growing pause, for all its tasks together', async () => {
    const { executor, assignment, enclave, ports, reported } = scene();
    enclave.mischief.model = 'MODEL_SUSPENDED';
    const wakers: (() => void)[] = [];
    let nowMs = 0;
    const monotonicMs = () => nowMs;
    const sleep = () => new Promise<void>((wake) => wakers.push(wake));
    Object.assign(ports, { clock: { ...ports.clock, monotonicMs, sleep } });
    for (let i = 0; i < 10; i++) executor.assign({ ...assignment, task: hash(`task ${i}`) });
    executor.assign(assignment);
    const pass = async (ms: number): Promise<void> => {
      await settle();
      nowMs += ms;
      for (const wake of wakers.splice(0)) wake();
      await settle();
    };
    await settle();
    const provisions = () => enclave.calls.filter((call) => call === 'provisionModel').length;
    const first = provisions();
    // Those that had a slot when the enclave said so, and no more.
    expect(first).toBeLessThanOrEqual(2);
    await pass(900);
    await pass(50);
    expect(provisions()).toBe(first);
    await pass(60);
    await pass(60);
    expect(provisions()).toBeGreaterThan(first);
    expect(provisions()).toBeLessThanOrEqual(first + 2);
    delete enclave.mischief.model;
    await pass(2_100);
    await pass(2_100);
    await reported('submitted');
    const stopped = executor.stop();
    await pass(0);
    await stopped;
  });

  it('takes no slot and asks no enclave for a task whose payload nobody has, and says so after a short while', async () => {
    const missing = { payload: null, payloadDigest: contentDigest(Uint8Array.of(1)), timeLimitMs: 60_000 };
    const { executor, assignment, enclave, ports, reported, reports } = scene(missing);
    executor.assign(assignment);
    await reported('declined');
    expect(reports).toMatchObject([{ type: 'declined', code: 'PAYLOAD_MISSING' }]);
    expect(enclave.calls).toEqual([]);
    const waitedMs = ports.clock.slept.reduce((sum, ms) => sum + ms, 0);
    expect(waitedMs).toBeGreaterThanOrEqual(BLOB_WAIT_MS);
    expect(waitedMs).toBeLessThan(2 * BLOB_WAIT_MS);
    await executor.stop();
  });

  it('declines what comes beyond the tasks that it keeps', async () => {
    const { executor, assignment, enclave, ports, reports } = scene();
    enclave.mischief.unavailable = true;
    Object.assign(ports, { clock: { ...ports.clock, sleep: () => new Promise(() => undefined) } });
    for (let i = 0; i < TASKS_MAX; i++) executor.assign({ ...assignment, task: hash(`task ${i}`) });
    expect(executor.pending).toBe(TASKS_MAX);
    executor.assign(assignment);
    expect(reports).toMatchObject([{ type: 'declined', code: 'EXECUTOR_BUSY' }]);
  });

  it('stops cleanly with work under way', async () => {
    const { executor, assignment, reported } = scene();
    executor.assign(assignment);
    await reported('submitted');
    await executor.stop();
    expect(executor.pending).toBe(0);
    executor.assign(assignment);
    expect(executor.pending).toBe(0);
  });
});
