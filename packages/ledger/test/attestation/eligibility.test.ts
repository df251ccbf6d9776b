import type { SnpRequirements } from '@cloister/attestation';
import { asHeight, type Digest } from '@cloister/encoding';
import {
  AGES,
  BLOCK_MS,
  codesOf,
  digestOf,
  type Enclave,
  enclaveOf,
  eventOf,
  GENESIS,
  genesisWith,
  IMAGE,
  MEASUREMENT,
  owner,
  runningChain,
  typesOf,
  v0,
  v1,
  v3,
} from '@cloister/testkit';
import { describe, expect, test } from 'vitest';
import { type EligibilityReason, eligible, type LedgerState, type SetMeasurementPayload } from '../../src/index.ts';

const REVOKE: SetMeasurementPayload = {
  platform: 'sev-snp',
  measurement: MEASUREMENT,
  image: IMAGE,
  status: 'revoked',
  graceUntilHeight: null,
  name: 'enclave 0.1.0',
};
const SEV_SNP = GENESIS.appraisalPolicy.sevSnp as SnpRequirements;
const ONE_GOVERNOR = genesisWith({ governance: { members: [v0.id], threshold: 1 } });

function reasons(
  state: LedgerState,
  question: { keyset?: Digest; model?: Digest; height?: number; timeMs?: number } = {},
) {
  const height = asHeight(question.height ?? state.height);
  const timeMs = question.timeMs ?? state.timeMs;
  const { keyset, model } = question;
  const answer = eligible({ state, validator: v0.id, keyset, model, height, timeMs });
  return answer.eligible ? [] : answer.reasons;
}

describe('reasons', () => {
  const { chain, enclaves, model } = runningChain(2);
  const { state } = chain;
  const [e0, e1] = enclaves as [Enclave, Enclave];
  const attestation = state.attestations.get(v0.id);
  const lapse = attestation?.validUntilHeight ?? 0;
  const keyset = chain.keyset(e0);

  test('none for the current keyset and a granted model', () => {
    expect(reasons(state, { keyset, model })).toEqual([]);
    expect(reasons(state)).toEqual([]);
  });

  test.each<[EligibilityReason, Parameters<typeof reasons>[1]]>([
    ['NO_ATTESTATION', { keyset: digestOf('unheard of') }],
    ['NO_ATTESTATION', { keyset: chain.keyset(e1) }],
    ['MODEL_UNKNOWN', { keyset, model: digestOf('no model') }],
    ['ATTESTATION_LAPSED_TIME', { timeMs: attestation?.validUntilMs ?? 0 }],
    ['NOT_REFRESHED', { height: (attestation?.aliveUntilHeight ?? 0) + 1 }],
  ])('%s (%#)', (reason, question) => {
    expect(reasons(state, question)).toEqual([reason]);
  });

  test('every reason that holds is listed', () => {
    expect(reasons(state, { keyset, height: lapse + 1, timeMs: attestation?.validUntilMs ?? 0 })).toEqual([
      'ATTESTATION_LAPSED_HEIGHT',
      'ATTESTATION_LAPSED_TIME',
      'NOT_REFRESHED',
    ]);
  });

  test('MODEL_KEY_NOT_GRANTED, unless a grant is what is asked about', () => {
    const other = runningChain(1);
    const manifest = other.chain.manifest({ version: '2' });
    const published = eventOf(
      other.chain.block(other.chain.transaction(owner, 'publish-model', { manifest })),
      'ModelPublished',
    );
    expect(reasons(other.chain.state, { model: published.model })).toEqual(['MODEL_KEY_NOT_GRANTED']);
    const { height, timeMs } = other.chain.state;
    const question = {
      state: other.chain.state,
      validator: v0.id,
      model: published.model,
      beforeGrant: true,
      height,
      timeMs,
    };
    expect(eligible(question).eligible).toBe(true);
  });

  test('policy in force: barred platforms, statuses, product lines, measurements', () => {
    const under = (
      changes: Partial<typeof GENESIS.appraisalPolicy>,
      measurements = state.measurements,
    ): LedgerState => {
      const { network } = state;
      if (network === undefined) throw new Error('founded');
      const appraisalPolicy = { ...network.appraisalPolicy, ...changes };
      return { ...state, measurements, network: { ...network, appraisalPolicy } };
    };
    expect(reasons(under({ barredHardwareIds: [e0.device.hardwareId] }))).toEqual(['PLATFORM_BARRED']);
    expect(reasons(under({ allowedHardwareIds: ['ab'] }))).toEqual(['PLATFORM_NOT_LISTED']);
    expect(reasons(under({ allowedHardwareIds: ['ab', e0.device.hardwareId] }))).toEqual([]);
    expect(reasons(under({ acceptedStatuses: ['OutOfDate'] }))).toEqual(['STATUS_NOT_ACCEPTED']);
    expect(reasons(under({ sevSnp: { ...SEV_SNP, products: {} } }))).toEqual(['PLATFORM_BARRED']);
    expect(reasons(under({ sevSnp: null }))).toEqual(['PLATFORM_BARRED']);
    expect(reasons(under({}, new Map()))).toEqual(['MEASUREMENT_NOT_ALLOWED']);
  });

  test('KEYSET_RETIRED after a relaunch', () => {
    const other = runningChain(1);
    other.chain.block(other.chain.evidence(v0, enclaveOf(v0, { run: 'second run' })));
    const retired = other.chain.keyset(e0);
    expect(reasons(other.chain.state, { keyset: retired })).toEqual(['KEYSET_RETIRED']);
    // What holds of the new keys is no answer about the old ones.
    expect(reasons(other.chain.state, { keyset: retired, model: other.model })).toEqual(['KEYSET_RETIRED']);
  });
});

describe('an attestation that lapses', () => {
  test('stops its executor at that very block: requests before it are taken, at it rejected', () => {
    const { chain, enclaves, model } = runningChain(1);
    const [enclave = enclaveOf(v0)] = enclaves;
    const refreshes = [15, 30, 45];
    const { validUntilHeight } = chain.state.attestations.get(v0.id) ?? { validUntilHeight: asHeight(0) };
    expect(validUntilHeight).toBe(2 + AGES.maxAgeBlocks);
    for (const height of refreshes) {
      chain.advanceTo(height);
      expect(codesOf(chain.block(chain.refresh(v0, enclave)))).toEqual([]);
    }
    chain.advanceTo(validUntilHeight - 1);
    const open = chain.request(model, enclaves);
    expect(typesOf(chain.block(open))).toEqual(['InferenceRequested']);
    const receipt = chain.receipt(open, enclave);
    const [request, result] = [chain.request(model, enclaves), chain.result(v0, open, receipt)];
    const at = chain.block([request, result]);
    expect(chain.height).toBe(validUntilHeight + 1);
    expect(typesOf(at)).toEqual(['TransactionRejected', 'ExecutorLapsed', 'TransactionRejected', 'InferenceFailed']);
    expect(eventOf(at, 'InferenceFailed')).toMatchObject({ code: 'EXECUTORS_LAPSED' });
    expect(codesOf(at)).toEqual(['EXECUTOR_NOT_ELIGIBLE', 'EXECUTOR_NOT_ELIGIBLE']);
    expect(eventOf(at, 'ExecutorLapsed')).toMatchObject({ node: v0.id, reasons: ['ATTESTATION_LAPSED_HEIGHT'] });
    const again = chain.block(chain.result(v0, open, receipt));
    expect(typesOf(again)).toEqual(['TransactionRejected']);
  });

  test('between request and deadline is found at the deadline, which then says why', () => {
    const { chain, enclaves, model } = runningChain(1);
    const request = chain.request(model, enclaves, { timeLimitMs: 39 * BLOCK_MS });
    const requested = eventOf(chain.block(request), 'InferenceRequested');
    chain.advanceTo(chain.height + 39);
    const closing = chain.block();
    expect(eventOf(closing, 'ExecutorLapsed')).toMatchObject({ task: requested.task, reasons: ['NOT_REFRESHED'] });
    expect(eventOf(closing, 'InferenceFailed')).toMatchObject({ code: 'EXECUTORS_LAPSED', receipts: 0 });
  });
});

describe('a revoked measurement', () => {
  test('stops executors at once: later in the very block, requests and receipts are rejected', () => {
    const { chain, enclaves, model } = runningChain(2, ONE_GOVERNOR);
    const [e0 = enclaveOf(v0), e1 = enclaveOf(v1)] = enclaves;
    const open = chain.request(model, enclaves);
    chain.block(open);
    const execution = chain.block([
      chain.result(v0, open, chain.receipt(open, e0)),
      chain.transaction(v0, 'set-measurement', REVOKE),
      chain.result(v1, open, chain.receipt(open, e1)),
      chain.request(model, enclaves),
    ]);
    expect(typesOf(execution)).toEqual([
      'ReceiptAccepted',
      'MeasurementRevoked',
      'ExecutorLapsed',
      'TransactionRejected',
      'TransactionRejected',
      'InferenceFailed',
    ]);
    expect(eventOf(execution, 'ExecutorLapsed').reasons).toEqual(['MEASUREMENT_REVOKED']);
    expect(codesOf(execution)).toEqual(['EXECUTOR_NOT_ELIGIBLE', 'EXECUTOR_NOT_ELIGIBLE']);
  });

  test('ends the requests that wait for its executors in the very block, with the reason, and no others', () => {
    const { chain, enclaves, model } = runningChain(2, ONE_GOVERNOR);
    const [e0 = enclaveOf(v0)] = enclaves;
    const [waiting, half, enough] = [
      chain.request(model, enclaves),
      chain.request(model, enclaves),
      chain.request(model, [e0]),
    ];
    chain.block([waiting, half, enough]);
    chain.block([half, enough].map((request) => chain.result(v0, request, chain.receipt(request, e0))));
    const execution = chain.block(chain.transaction(v0, 'set-measurement', REVOKE));
    const ends = execution.events.flatMap((event) => (event.type === 'InferenceFailed' ? [event] : []));
    expect(ends.map(({ task, code }) => [task, code])).toEqual(
      [waiting, half].map((request) => [chain.taskOf(request), 'EXECUTORS_LAPSED']),
    );
    const lapses = execution.events.flatMap((event) => (event.type === 'ExecutorLapsed' ? [event] : []));
    expect(lapses.map(({ node }) => node)).toEqual([v0.id, v1.id, v1.id]);
    expect(new Set(lapses.map(({ reasons: [reason] }) => reason))).toEqual(new Set(['MEASUREMENT_REVOKED']));
    expect(chain.state.tasks.get(chain.taskOf(enough))?.status).toBe('completed');
    expect(typesOf(chain.block())).toEqual([]);
  });

  test('admits no new evidence; allowed again, it does', () => {
    const { chain } = runningChain(1, ONE_GOVERNOR);
    chain.block(chain.transaction(v0, 'set-measurement', REVOKE));
    const refused = eventOf(chain.block(chain.evidence(v3, enclaveOf(v3))), 'TransactionRejected');
    expect(refused).toMatchObject({ code: 'EVIDENCE_REFUSED', detail: 'MEASUREMENT_REVOKED' });
    chain.block(chain.transaction(v0, 'set-measurement', { ...REVOKE, status: 'allowed' }));
    expect(codesOf(chain.block(chain.evidence(v3, enclaveOf(v3))))).toEqual([]);
    expect(reasons(chain.state)).toEqual([]);
  });
});
