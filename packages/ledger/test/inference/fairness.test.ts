/** What one account may hold of what all share, and how a task ends that cannot be answered. */
import { contentDigest } from '@cloister/confidential';
import { SeededRandom } from '@cloister/crypto';
import { asHeight } from '@cloister/encoding';
import {
  BLOCK_MS,
  codesOf,
  digestOf,
  type Enclave,
  enclaveOf,
  eventOf,
  GENESIS,
  genesisWith,
  owner,
  RESPONSE,
  runningChain,
  tenant,
  typesOf,
  v0,
  v1,
  v2,
  v3,
} from '@cloister/testkit';
import { describe, expect, test } from 'vitest';
import {
  decodeState,
  encodeState,
  type LedgerState,
  projectInference,
  type Task,
  type Transaction,
} from '../../src/index.ts';
import { TaskIndex } from '../../src/inference/task-index.ts';

const running = (count: number, changes: Partial<typeof GENESIS.params> = {}) =>
  runningChain(count, genesisWith({ params: { ...GENESIS.params, ...changes } }));

/** Encoded and decoded, as after a restart from a snapshot. */
function again(state: LedgerState): LedgerState {
  const decoded = decodeState(encodeState(state));
  if (!decoded.ok) throw new Error(decoded.code);
  return decoded.value;
}

describe('open tasks', () => {
  test('of one sender are bounded, and one that ends makes room', () => {
    const { chain, enclaves, model } = running(1, { maxOpenTasksPerSender: 3 });
    const flood = Array.from({ length: 5 }, () => chain.request(model, enclaves));
    expect(codesOf(chain.block(flood))).toEqual(['SENDER_TASK_LIMIT', 'SENDER_TASK_LIMIT']);
    const [request = chain.request(model, enclaves)] = flood;
    const [enclave = enclaveOf(v0)] = enclaves;
    chain.block(chain.result(v0, request, chain.receipt(request, enclave)));
    expect(codesOf(chain.block(chain.request(model, enclaves)))).toEqual([]);
    expect(codesOf(chain.block(chain.request(model, enclaves)))).toEqual(['SENDER_TASK_LIMIT']);
    expect(again(chain.state).taskIndex.openOfSender(tenant.id)).toBe(3);
  });

  test('of one owner’s models are bounded over all senders, but a sender without any is let in', () => {
    const { chain, enclaves, model } = running(1, { maxOpenTasksPerOwner: 2 });
    const byOther = (): Transaction => {
      const { kind, payload } = chain.request(model, enclaves);
      return chain.transaction(owner, kind, payload);
    };
    const flood = Array.from({ length: 3 }, () => chain.request(model, enclaves));
    expect(codesOf(chain.block(flood))).toEqual(['OWNER_TASK_LIMIT']);
    expect(codesOf(chain.block([byOther(), byOther()]))).toEqual(['OWNER_TASK_LIMIT']);
  });

  test('of one executor are bounded, but a sender without any is let in, and another executor is free', () => {
    const { chain, enclaves, model } = running(2, { maxOpenTasksPerExecutor: 2 });
    const [first = enclaveOf(v0), second = enclaveOf(v1)] = enclaves;
    const flood = Array.from({ length: 3 }, () => chain.request(model, [first]));
    expect(codesOf(chain.block(flood))).toEqual(['EXECUTOR_TASK_LIMIT']);
    expect(codesOf(chain.block(chain.request(model, [second])))).toEqual([]);
    const { kind, payload } = chain.request(model, [first]);
    expect(codesOf(chain.block(chain.transaction(owner, kind, payload)))).toEqual([]);
    expect(chain.state.taskIndex.openOfExecutor(v0.id)).toBe(3);
    chain.advanceTo(chain.height + 10);
    expect(chain.state.taskIndex.openOfExecutor(v0.id)).toBe(0);
  });

  test('end by block time, however many blocks that takes', () => {
    const { chain, enclaves, model } = running(1);
    chain.block(chain.request(model, enclaves, { timeLimitMs: 1_500 }));
    for (let i = 0; i < 15; i++) expect(typesOf(chain.block([], { timeMs: chain.state.timeMs + 100 }))).toEqual([]);
    expect(typesOf(chain.block([], { timeMs: chain.state.timeMs + 1 }))).toEqual(['AnswerMissed', 'InferenceFailed']);
  });

  test('closed ones of a sender make room for newer ones', () => {
    const { chain, enclaves, model } = running(1, { maxClosedTasksPerSender: 2 });
    for (let i = 0; i < 4; i++) chain.block(chain.request(model, enclaves, { timeLimitMs: 1 }));
    chain.block();
    expect(chain.state.tasks.size).toBe(2);
    expect(chain.state.spentTasks.size).toBe(2);
  });
});

describe('the index of tasks', () => {
  test('finds the same whatever the order in which tasks were put in', () => {
    const random = new SeededRandom('index');
    const { chain, enclaves, model } = running(1);
    for (let i = 0; i < 12; i++) {
      chain.block(chain.request(model, enclaves, { timeLimitMs: (1 + random.below(20)) * 100 }));
    }
    const tasks = [...chain.state.tasks.values()];
    const shuffled = (list: readonly Task[]) => [...list].sort((a, b) => (a.id < b.id ? -1 : 1));
    const indexes = [chain.state.taskIndex, TaskIndex.of(tasks), TaskIndex.of(shuffled(tasks))];
    for (const at of [0, chain.state.timeMs, chain.state.timeMs + 500, Number.MAX_SAFE_INTEGER]) {
      const [first, ...others] = indexes.map((index) => [index.overdue(at), index.removable(at)]);
      for (const other of others) expect(other).toEqual(first);
    }
    const earliest = tasks.filter(({ status }) => status === 'open').sort((a, b) => a.deadlineMs - b.deadlineMs)[0];
    expect(chain.state.taskIndex.overdue(Number.MAX_SAFE_INTEGER)[0]).toBe(earliest?.id);
  });

  test('costs what is due: a hundred times the open tasks cost an empty block about the same', () => {
    const task = (i: number): Task => {
      const id = digestOf(`task ${i}`);
      const node = {
        node: v0.id,
        keyset: id,
        attestationSequence: 0,
        lapsed: false,
        declined: null,
        withheld: null,
        missed: null,
      };
      const fixed = { transaction: id, sender: tenant.id, model: id, owner: owner.id, executors: [node], threshold: 1 };
      const digests = { inputCommitment: id, payloadDigest: id, policyDigest: id, height: asHeight(1) };
      const open = { receipts: [], disputed: false, status: 'open', failure: null, agreed: [] } as const;
      const ends = { deadlineMs: 1e9 + i, expiryHeight: asHeight(9), closedHeight: null, keptUntilMs: 0 };
      return { id, ...fixed, ...digests, ...open, ...ends, requestSequence: i };
    };
    const cost = (count: number): number => {
      const index = TaskIndex.of(Array.from({ length: count }, (_, i) => task(i)));
      const startedMs = performance.now();
      for (let i = 0; i < 20_000; i++) index.overdue(1e6);
      return performance.now() - startedMs;
    };
    cost(200);
    expect(cost(20_000)).toBeLessThan(20 * cost(200) + 20);
  });
});

describe('a task that cannot be answered', () => {
  function asked(count: number) {
    const { chain, enclaves, model } = running(count);
    const request = chain.request(model, enclaves);
    chain.block(request);
    const task = chain.taskOf(request);
    const decline = (node: typeof v0, code: 'PAYLOAD_MISSING' | 'MODEL_REFUSED', detail = '') =>
      chain.block(chain.transaction(node, 'decline-task', { task, code, detail }));
    const failed = (node: typeof v0, enclave: Enclave | undefined) => {
      const receipt = chain.receipt(request, enclave ?? enclaveOf(node), { status: 'failed' });
      return chain.block(chain.result(node, request, receipt));
    };
    return { chain, enclaves, request, task, decline, failed, view: () => projectInference(chain.state, task) };
  }

  test('ends at once when its only executor declines, with the reason', () => {
    const { decline, view } = asked(1);
    const execution = decline(v0, 'MODEL_REFUSED', 'ONNX_CUSTOM_OPERATOR');
    expect(typesOf(execution)).toEqual(['ExecutorDeclined', 'InferenceFailed']);
    expect(eventOf(execution, 'ExecutorDeclined')).toMatchObject({ node: v0.id, detail: 'ONNX_CUSTOM_OPERATOR' });
    expect(eventOf(execution, 'InferenceFailed').code).toBe('MODEL_REFUSED');
    expect(view()).toMatchObject({ status: 'failed', failure: 'MODEL_REFUSED' });
  });

  test('goes on while enough executors are left, and names mixed reasons as such', () => {
    const { decline, failed, enclaves } = asked(3);
    expect(typesOf(decline(v0, 'PAYLOAD_MISSING'))).toEqual(['ExecutorDeclined']);
    const last = failed(v1, enclaves[1]);
    expect(typesOf(last)).toEqual(['ReceiptAccepted', 'InferenceFailed']);
    expect(eventOf(last, 'InferenceFailed').code).toBe('EXECUTORS_FAILED');
  });

  test('still completes by the others’ outputs', () => {
    const { chain, request, failed, enclaves, view } = asked(3);
    expect(typesOf(failed(v0, enclaves[0]))).toEqual(['ReceiptAccepted']);
    const others = [v1, v2].map((node, i) => {
      const receipt = chain.receipt(request, enclaves[i + 1] ?? enclaveOf(node));
      return typesOf(chain.block(chain.result(node, request, receipt)));
    });
    expect(others).toEqual([['ReceiptAccepted'], ['ReceiptAccepted', 'InferenceCompleted']]);
    expect(view()).toMatchObject({ status: 'completed', disputed: false });
  });

  test('fails by receipts that say so, which are no dispute; an output beside one is none either', () => {
    const { failed, enclaves, view } = asked(1);
    const execution = failed(v0, enclaves[0]);
    expect(eventOf(execution, 'ReceiptAccepted')).toMatchObject({ status: 'failed', node: v0.id });
    expect(eventOf(execution, 'InferenceFailed')).toMatchObject({ code: 'EXECUTION_FAILED', receipts: 1 });
    expect(view()).toMatchObject({ disputed: false, failure: 'EXECUTION_FAILED' });
  });

  test('an enclave that signs both an output and a failure equivocates', () => {
    const { chain, request, enclaves, failed } = asked(3);
    failed(v0, enclaves[0]);
    const output = chain.receipt(request, enclaves[0] ?? enclaveOf(v0));
    expect(typesOf(chain.block(chain.result(v0, request, output)))).toEqual(['EquivocationRecorded']);
  });

  test('is declined by named executors alone, once, while it is open and unanswered', () => {
    const { chain, request, enclaves, decline } = asked(3);
    expect(codesOf(decline(v3, 'PAYLOAD_MISSING'))).toEqual(['NOT_AN_EXECUTOR']);
    decline(v0, 'PAYLOAD_MISSING');
    expect(codesOf(decline(v0, 'PAYLOAD_MISSING'))).toEqual(['EXECUTOR_DECLINED']);
    const receipt = (at: number) => chain.receipt(request, enclaves[at] ?? enclaveOf(v0));
    expect(codesOf(chain.block(chain.result(v0, request, receipt(0))))).toEqual(['EXECUTOR_DECLINED']);
    chain.block(chain.result(v1, request, receipt(1)));
    expect(codesOf(decline(v1, 'PAYLOAD_MISSING'))).toEqual(['RECEIPT_REPEATED']);
    decline(v2, 'PAYLOAD_MISSING');
    expect(codesOf(decline(v2, 'PAYLOAD_MISSING'))).toEqual(['TASK_CLOSED']);
    const unknown = chain.transaction(v0, 'decline-task', {
      task: digestOf('none'),
      code: 'MODEL_MISSING',
      detail: '',
    });
    expect(codesOf(chain.block(unknown))).toEqual(['TASK_UNKNOWN']);
  });

  test('a reason is a code: words could carry what an enclave saw', () => {
    const { chain, task } = asked(1);
    const sign = (detail: string) => () =>
      chain.transaction(v0, 'decline-task', { task, code: 'MODEL_REFUSED', detail });
    expect(sign('the input was 5')).toThrow('PAYLOAD_MALFORMED');
    expect(sign('ONNX_MALFORMED')).not.toThrow();
  });
});

describe('what one account may leave in the state', () => {
  const put = (chain: ReturnType<typeof running>['chain'], key: string, value: string, sender = tenant) =>
    chain.transaction(sender, 'put-record', { namespace: sender === tenant ? 'flood' : 'calm', key, value });

  test('records, in count and in bytes; a record written again counts once', () => {
    const { chain } = running(1, { maxRecordsPerAccount: 3, maxRecordBytesPerAccount: 1000 });
    const flood = Array.from({ length: 5 }, (_, i) => put(chain, `k${i}`, 'v'));
    expect(codesOf(chain.block(flood))).toEqual(['RECORD_LIMIT', 'RECORD_LIMIT']);
    expect(codesOf(chain.block(put(chain, 'k0', 'x'.repeat(900))))).toEqual([]);
    expect(codesOf(chain.block(put(chain, 'k1', 'x'.repeat(900))))).toEqual(['RECORD_LIMIT']);
    expect(codesOf(chain.block(put(chain, 'k0', 'x')))).toEqual([]);
    expect(codesOf(chain.block(put(chain, 'k1', 'x'.repeat(900))))).toEqual([]);
    expect(codesOf(chain.block(put(chain, 'k0', 'v', owner)))).toEqual([]);
    const { recordUse } = chain.state;
    expect(again(chain.state).recordUse).toEqual(recordUse);
    expect(recordUse.get(tenant.id)).toEqual({ count: 3, bytes: 3 * 'floodk0'.length + 900 + 2 });
  });

  test('models of an owner', () => {
    const { chain } = running(1, { maxModelsPerOwner: 2 });
    const publish = (version: string) =>
      chain.block(chain.transaction(owner, 'publish-model', { manifest: chain.manifest({ version }) }));
    expect([publish('2'), publish('3')].map(codesOf)).toEqual([[], ['MODEL_LIMIT']]);
    expect(again(chain.state).modelsOf.get(owner.id)).toBe(2);
  });

  test('accounts and members', () => {
    const { chain } = running(1, { maxAccounts: GENESIS.accounts.length, maxMembers: 4 });
    const register = chain.transaction(v0, 'register-account', { account: v3.id, name: 'x' });
    expect(codesOf(chain.block(register))).toEqual(['ACCOUNT_EXISTS']);
    const fresh = chain.transaction(v0, 'register-account', { account: enclaveOf(v3).sign.id, name: 'x' });
    expect(codesOf(chain.block(fresh))).toEqual(['ACCOUNT_LIMIT']);
    expect(chain.state.members.size).toBe(4);
    const joiner = enclaveOf(v3).sign;
    // Of a stranger that is not let in, nothing stays.
    expect(chain.block(chain.evidence(joiner, enclaveOf(joiner))).fates).toMatchObject([{ fate: 'IGNORED' }]);
    expect(chain.state.members.size).toBe(4);
  });
});

test('a failed receipt carries its sealed reason as a response', () => {
  const { chain, enclaves, model } = running(1);
  const request = chain.request(model, enclaves, { timeLimitMs: 5 * BLOCK_MS });
  chain.block(request);
  const receipt = chain.receipt(request, enclaves[0] ?? enclaveOf(v0), { status: 'failed' });
  const execution = chain.block(chain.result(v0, request, receipt));
  expect(eventOf(execution, 'ReceiptAccepted')).toMatchObject({ responseDigest: contentDigest(RESPONSE) });
});
