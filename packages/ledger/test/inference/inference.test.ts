import { contentDigest } from '@cloister/confidential';
import { asHeight, asMeasurement, toBase64 } from '@cloister/encoding';
import {
  BLOCK_MS,
  codesOf,
  digestOf,
  enclaveOf,
  eventOf,
  GENESIS,
  genesisWith,
  keyOf,
  owner,
  PAYLOAD,
  RESPONSE,
  runningChain,
  stranger,
  tenant,
  typesOf,
  v0,
  v1,
  v2,
  v3,
} from '@cloister/testkit';
import { describe, expect, test } from 'vitest';
import { openTasksOf, projectInference, type Transaction } from '../../src/index.ts';

function detailOf(execution: ReturnType<ReturnType<typeof runningChain>['chain']['block']>): string {
  return eventOf(execution, 'TransactionRejected').detail;
}

describe('request-inference', () => {
  test('names everything that an enclave needs to know that it may open it', () => {
    const { chain, enclaves, model, nodes } = runningChain(3);
    const request = chain.request(model, enclaves);
    const requested = eventOf(chain.block(request), 'InferenceRequested');
    const accepted = chain.log.flatMap((event, sequence) => (event.type === 'AttestationAccepted' ? [sequence] : []));
    expect(requested).toMatchObject({
      task: chain.taskOf(request),
      transaction: request.id,
      sender: tenant.id,
      model,
      threshold: 2,
      payloadDigest: contentDigest(PAYLOAD),
      payload: toBase64(PAYLOAD),
      policyDigest: chain.state.policyDigest,
      expiryHeight: request.expiryHeight,
      height: chain.height,
    });
    expect(requested.executors).toMatchObject(
      enclaves.map((enclave, index) => ({
        node: nodes[index]?.id,
        keyset: chain.keyset(enclave),
        attestationSequence: accepted[index],
      })),
    );
    expect(openTasksOf(chain.state, v1.id)).toMatchObject([
      { id: requested.task, requestSequence: chain.log.indexOf(requested) },
    ]);
    expect(openTasksOf(chain.state, v3.id)).toEqual([]);
  });

  test('is single use until its expiry, and leaves nothing behind after it', () => {
    const params = { ...GENESIS.params, taskRetentionMs: 2 * BLOCK_MS };
    const { chain, enclaves, model } = runningChain(1, genesisWith({ params }));
    const expiryHeight = chain.height + 20;
    const again = (): Transaction => {
      const made = chain.request(model, enclaves, { requestNonce: digestOf('once') });
      if (made.kind !== 'request-inference') throw new Error('not a request');
      return chain.transaction(tenant, made.kind, made.payload, expiryHeight);
    };
    chain.block(again());
    expect(codesOf(chain.block(again()))).toEqual(['TASK_EXISTS']);
    chain.advanceTo(chain.height + 14);
    expect([chain.state.tasks.size, chain.state.spentTasks.size]).toEqual([0, 1]);
    expect(codesOf(chain.block(again()))).toEqual(['TASK_EXISTS']);
    chain.advanceTo(expiryHeight + 1);
    expect([chain.state.spentTasks.size, chain.state.spentByExpiry.size]).toEqual([0, 0]);
    expect(chain.block(again()).fates).toMatchObject([{ fate: 'IGNORED' }]);
  });

  test('is rejected when an executor is not eligible, with each one’s reasons', () => {
    const { chain, enclaves, model } = runningChain(1);
    const unattested = enclaveOf(v3);
    const rejected = chain.block(chain.request(model, [...enclaves, unattested], { threshold: 2 }));
    expect(codesOf(rejected)).toEqual(['EXECUTOR_NOT_ELIGIBLE']);
    expect(detailOf(rejected)).toBe(`${chain.keyset(unattested).slice(0, 16)}: NO_ATTESTATION`);
    chain.block(chain.evidence(v3, unattested));
    expect(detailOf(chain.block(chain.request(model, [unattested])))).toContain('MODEL_KEY_NOT_GRANTED');
  });

  test.each([
    ['MODEL_UNKNOWN', { model: digestOf('no model') }],
    ['THRESHOLD_INVALID', { threshold: 1 }],
    ['THRESHOLD_INVALID', { threshold: 4 }],
    ['DEADLINE_INVALID', { timeLimitMs: GENESIS.params.maxTimeLimitMs + 1 }],
    ['PAYLOAD_DIGEST_MISMATCH', { payloadDigest: digestOf('other payload') }],
    ['PAYLOAD_DIGEST_MISMATCH', { payloadSize: 5 }],
    ['IMAGE_NOT_NAMED', { images: [digestOf('other image')] }],
  ] as const)('is rejected with %s (%#)', (code, changes) => {
    const { chain, enclaves, model } = runningChain(3);
    expect(chain.height).toBe(4);
    expect(codesOf(chain.block(chain.request(model, enclaves, changes)))).toEqual([code]);
  });

  test('keeps the model’s execution policy', () => {
    const executionPolicy = { k: 3, m: 3, minPlatforms: 1, assignment: 'tenant' } as const;
    const { chain, enclaves, model } = runningChain(3, undefined, { executionPolicy });
    const code = (count: number, threshold: number) =>
      codesOf(chain.block(chain.request(model, enclaves.slice(0, count), { threshold })));
    expect(code(2, 2)).toEqual(['EXECUTION_POLICY_UNMET']);
    const fewer = runningChain(3, undefined, { executionPolicy: { ...executionPolicy, m: 2 } });
    const two = fewer.chain.request(fewer.model, fewer.enclaves.slice(0, 2), { threshold: 2 });
    expect(codesOf(fewer.chain.block(two))).toEqual(['EXECUTION_POLICY_UNMET']);
    expect(code(3, 2)).toEqual(['EXECUTION_POLICY_UNMET']);
    expect(code(3, 3)).toEqual([]);
    const platforms = { ...executionPolicy, minPlatforms: 2 };
    const mixed = runningChain(3, undefined, { executionPolicy: platforms });
    expect(codesOf(mixed.chain.block(mixed.chain.request(mixed.model, mixed.enclaves, { threshold: 3 })))).toEqual([
      'EXECUTION_POLICY_UNMET',
    ]);
  });

  test('names no more executors than the network allows', () => {
    const { chain, enclaves, model } = runningChain(3, genesisWith({ params: { ...GENESIS.params, maxExecutors: 2 } }));
    expect(codesOf(chain.block(chain.request(model, enclaves)))).toEqual(['EXECUTORS_INVALID']);
    expect(codesOf(chain.block(chain.request(model, enclaves.slice(0, 2))))).toEqual([]);
  });

  test('a payload above the inline bound is named by its digest', () => {
    const { chain, enclaves, model } = runningChain(1);
    const blob = { payload: null, payloadDigest: digestOf('blob'), payloadSize: 1 << 20 };
    expect(eventOf(chain.block(chain.request(model, enclaves, blob)), 'InferenceRequested')).toMatchObject(blob);
  });
});

describe('submit-result', () => {
  test('m equal receipts complete the task; later ones are still taken', () => {
    const { chain, enclaves, model } = runningChain(3);
    const [e0, e1, e2] = enclaves as [
      (typeof enclaves)[0] & object,
      (typeof enclaves)[0] & object,
      (typeof enclaves)[0] & object,
    ];
    const request = chain.request(model, enclaves);
    chain.block(request);
    const first = chain.block(chain.result(v0, request, chain.receipt(request, e0)));
    expect(typesOf(first)).toEqual(['ReceiptAccepted']);
    expect(eventOf(first, 'ReceiptAccepted')).toMatchObject({
      node: v0.id,
      response: toBase64(RESPONSE),
      responseDigest: contentDigest(RESPONSE),
      numericClass: 'avx2',
    });
    const second = chain.block(chain.result(v1, request, chain.receipt(request, e1)));
    expect(typesOf(second)).toEqual(['ReceiptAccepted', 'InferenceCompleted']);
    expect(eventOf(second, 'InferenceCompleted')).toMatchObject({
      keysets: [chain.keyset(e0), chain.keyset(e1)],
      nodes: [v0.id, v1.id],
      outputCommitment: digestOf('output'),
    });
    const holdings = chain.holdings(request, [v0, v3]);
    expect(typesOf(chain.block(chain.result(v2, request, chain.receipt(request, e2), null, holdings)))).toEqual([
      'ReceiptAccepted',
    ]);
    expect(projectInference(chain.state, chain.taskOf(request))).toMatchObject({
      status: 'completed',
      disputed: false,
    });
    chain.advanceTo(chain.height + 20);
    expect(chain.log.filter(({ type }) => type === 'InferenceFailed')).toEqual([]);
  });

  test('receipts that differ are a dispute, recorded once; the majority still completes', () => {
    const { chain, enclaves, model, nodes } = runningChain(3);
    const request = chain.request(model, enclaves);
    chain.block(request);
    const outputs = ['output', 'another output', 'output'];
    const blocks = enclaves.map((enclave, index) => {
      const outputCommitment = digestOf(outputs[index] ?? '');
      return chain.block(
        chain.result(nodes[index] ?? v0, request, chain.receipt(request, enclave, { outputCommitment })),
      );
    });
    expect(blocks.map(typesOf)).toEqual([
      ['ReceiptAccepted'],
      ['ReceiptAccepted', 'InferenceDisputed'],
      ['ReceiptAccepted', 'InferenceCompleted'],
    ]);
    expect(projectInference(chain.state, chain.taskOf(request))).toMatchObject({ status: 'completed', disputed: true });
  });

  test('another numeric class or another sealed response is no agreement', () => {
    const { chain, enclaves, model } = runningChain(2);
    const [e0 = enclaveOf(v0), e1 = enclaveOf(v1)] = enclaves;
    const engine = { name: 'onnxruntime-node', version: '1.30.0', numericClass: 'avx512' };
    const request = chain.request(model, enclaves);
    chain.block(request);
    chain.block(chain.result(v0, request, chain.receipt(request, e0)));
    const second = chain.block(chain.result(v1, request, chain.receipt(request, e1, { engine })));
    expect(eventOf(second, 'InferenceFailed')).toMatchObject({ code: 'DISPUTED' });
    const sealed = chain.request(model, enclaves);
    chain.block(sealed);
    chain.block(chain.result(v0, sealed, chain.receipt(sealed, e0)));
    const other = chain.receipt(sealed, e1, { responseDigest: contentDigest(PAYLOAD) });
    expect(typesOf(chain.block(chain.result(v1, sealed, other, PAYLOAD)))).toContain('InferenceDisputed');
    // Nobody is left to tip the scales, so nobody waits for the deadline.
    expect(typesOf(second)).toEqual(['ReceiptAccepted', 'InferenceDisputed', 'InferenceFailed']);
    expect(projectInference(chain.state, chain.taskOf(request))).toMatchObject({
      status: 'failed',
      failure: 'DISPUTED',
    });
  });

  test('a deadline that passes fails the task in the next block', () => {
    const { chain, enclaves, model } = runningChain(2);
    const [e0 = enclaveOf(v0), e1 = enclaveOf(v1)] = enclaves;
    const request = chain.request(model, enclaves, { timeLimitMs: 3 * BLOCK_MS });
    chain.block(request);
    chain.block(chain.result(v0, request, chain.receipt(request, e0)));
    const late = chain.result(v1, request, chain.receipt(request, e1));
    chain.advanceTo(8);
    expect(projectInference(chain.state, chain.taskOf(request))?.status).toBe('open');
    const execution = chain.block(late);
    expect(typesOf(execution)).toEqual(['AnswerMissed', 'InferenceFailed', 'TransactionRejected']);
    expect(eventOf(execution, 'InferenceFailed')).toMatchObject({ code: 'DEADLINE_PASSED', receipts: 1, threshold: 2 });
    expect(codesOf(execution)).toEqual(['TASK_CLOSED']);
  });

  test('a deadline that ends a dispute says so', () => {
    const { chain, enclaves, model } = runningChain(3);
    const [e0 = enclaveOf(v0), e1 = enclaveOf(v1)] = enclaves;
    const request = chain.request(model, enclaves, { timeLimitMs: 3 * BLOCK_MS });
    chain.block(request);
    chain.block(chain.result(v0, request, chain.receipt(request, e0)));
    const other = chain.receipt(request, e1, { outputCommitment: digestOf('another output') });
    expect(typesOf(chain.block(chain.result(v1, request, other)))).toContain('InferenceDisputed');
    chain.advanceTo(chain.height + 6);
    expect(projectInference(chain.state, chain.taskOf(request))).toMatchObject({
      status: 'failed',
      failure: 'DISPUTED',
    });
  });

  test.each(['declined', 'lapsed'] as const)(
    'a deadline names who has no answer on the ledger, and nobody who answered or %s',
    (other) => {
      const { chain, enclaves, model } = runningChain(3);
      const [e0 = enclaveOf(v0), e1 = enclaveOf(v1), e2 = enclaveOf(v2)] = enclaves;
      const request = chain.request(model, enclaves, { timeLimitMs: 5 * BLOCK_MS });
      const { task } = eventOf(chain.block(request), 'InferenceRequested');
      chain.block(chain.result(v0, request, chain.receipt(request, e0)));
      const payload = { task, code: 'EXECUTOR_BUSY', detail: '' } as const;
      // With another attestation, its enclave is not the one that the task names any more.
      const word =
        other === 'declined'
          ? chain.transaction(v1, 'decline-task', payload)
          : chain.evidence(v1, enclaveOf(v1, { run: 'second run' }));
      chain.block(word);
      expect(projectInference(chain.state, task)?.status).toBe('open');
      chain.advanceTo(chain.height + 6);
      const missed = chain.log.flatMap((event) => (event.type === 'AnswerMissed' ? [event] : []));
      expect(missed).toMatchObject([{ task, node: v2.id, keyset: chain.keyset(e2) }]);
      const sequence = chain.log.findIndex(({ type }) => type === 'AnswerMissed');
      const { executors = [] } = projectInference(chain.state, task) ?? {};
      expect(executors.map(({ missed: at }) => at)).toEqual([null, null, sequence]);
      expect(executors[1]).toMatchObject({ keyset: chain.keyset(e1), lapsed: other === 'lapsed' });
    },
  );

  test('a task that enough others completed names nobody: honest executors stop then', () => {
    const { chain, enclaves, model } = runningChain(3);
    const [e0 = enclaveOf(v0), e1 = enclaveOf(v1)] = enclaves;
    const request = chain.request(model, enclaves, { timeLimitMs: 3 * BLOCK_MS });
    chain.block(request);
    chain.block(chain.result(v0, request, chain.receipt(request, e0)));
    chain.block(chain.result(v1, request, chain.receipt(request, e1)));
    expect(projectInference(chain.state, chain.taskOf(request))?.status).toBe('completed');
    chain.advanceTo(chain.height + 6);
    expect(chain.log.some(({ type }) => type === 'AnswerMissed')).toBe(false);
  });

  test.each([
    ['chainId', { chainId: digestOf('x') }],
    ['transaction', { transaction: digestOf('x') }],
    ['model', { model: digestOf('x') }],
    ['onnxDigest', { onnxDigest: digestOf('x') }],
    ['inputCommitment', { inputCommitment: digestOf('x') }],
    ['policyDigest', { policyDigest: digestOf('x') }],
    ['height', { height: asHeight(1) }],
    ['executor', { executor: v1.id }],
    ['simulated', { simulated: false }],
    ['measurement or image', { image: digestOf('x') }],
    ['measurement or image', { measurement: asMeasurement('ab'.repeat(48)) }],
  ] as const)('a receipt whose %s is not the request’s is rejected', (member, changes) => {
    const { chain, enclaves, model } = runningChain(1);
    const [enclave = enclaveOf(v0)] = enclaves;
    const request = chain.request(model, enclaves);
    chain.block(request);
    const rejected = chain.block(chain.result(v0, request, chain.receipt(request, enclave, changes)));
    expect([codesOf(rejected), detailOf(rejected)]).toEqual([['RECEIPT_MISMATCH'], member]);
  });

  test('forged, foreign, repeated and mismatched results are rejected with their codes', () => {
    const { chain, enclaves, model } = runningChain(2);
    const [e0 = enclaveOf(v0), e1 = enclaveOf(v1)] = enclaves;
    const request = chain.request(model, enclaves);
    const unknown = chain.request(model, enclaves);
    chain.block(request);
    const good = chain.receipt(request, e0);
    const code = (...args: Parameters<typeof chain.result>) => codesOf(chain.block(chain.result(...args)));
    expect(code(v0, unknown, good)).toEqual(['TASK_UNKNOWN']);
    expect(code(v0, request, new Uint8Array(10))).toEqual(['RECEIPT_MALFORMED']);
    expect(
      code(v0, request, chain.receipt(request, { ...e0, sign: keyOf('forger') }, { keyset: chain.keyset(e0) })),
    ).toEqual(['RECEIPT_SIGNATURE_INVALID']);
    expect(code(v3, request, chain.receipt(request, enclaveOf(v3)))).toEqual(['NOT_AN_EXECUTOR']);
    expect(code(v1, request, good)).toEqual(['NOT_AN_EXECUTOR']);
    expect(code(v0, request, good, PAYLOAD)).toEqual(['RESPONSE_DIGEST_MISMATCH']);
    expect(code(v0, request, good)).toEqual([]);
    expect(code(v0, request, good)).toEqual(['RECEIPT_REPEATED']);
    expect(code(v1, request, chain.receipt(request, e1))).toEqual([]);
  });

  test('two different receipts of one keyset are equivocation, whoever shows them; the keyset is distrusted', () => {
    const { chain, enclaves, model } = runningChain(3);
    const [e0 = enclaveOf(v0), e1 = enclaveOf(v1), e2 = enclaveOf(v2)] = enclaves;
    const request = chain.request(model, enclaves);
    chain.block(request);
    chain.block(chain.result(v0, request, chain.receipt(request, e0)));
    const conflicting = chain.receipt(request, e0, { outputCommitment: digestOf('another output') });
    const recorded = eventOf(chain.block(chain.result(owner, request, conflicting)), 'EquivocationRecorded');
    expect(recorded).toMatchObject({ keyset: chain.keyset(e0), node: v0.id, reporter: owner.id });
    expect(codesOf(chain.block(chain.result(owner, request, conflicting)))).toEqual(['KEYSET_DISTRUSTED']);
    const next = chain.block(chain.request(model, [e0]));
    expect(detailOf(next)).toContain('KEYSET_DISTRUSTED');
    expect(codesOf(chain.block(chain.refresh(v0, e0)))).toEqual(['KEYSET_DISTRUSTED']);
    expect(typesOf(chain.block(chain.result(v1, request, chain.receipt(request, e1))))).toEqual(['ReceiptAccepted']);
    expect(typesOf(chain.block(chain.result(v2, request, chain.receipt(request, e2))))).toContain('InferenceCompleted');
    expect(codesOf(chain.block(chain.evidence(v0, e0)))).toEqual(['KEYSET_DISTRUSTED']);
    const relaunched = enclaveOf(v0, { run: 'second run' });
    expect(codesOf(chain.block(chain.evidence(v0, relaunched)))).toEqual([]);
  });

  test('a result of someone unknown is not even an event of its own', () => {
    const { chain, enclaves, model } = runningChain(1);
    const [enclave = enclaveOf(v0)] = enclaves;
    const request = chain.request(model, enclaves);
    chain.block(request);
    const execution = chain.block(chain.result(stranger, request, chain.receipt(request, enclave)));
    expect(typesOf(execution)).toEqual(['UnknownSendersCounted']);
  });
});
