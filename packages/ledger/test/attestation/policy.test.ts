import type { AppraisalPolicy, appraisalPolicyToJson, SnpRequirements } from '@cloister/attestation';
import {
  AGES,
  BLOCK_MS,
  Chain,
  codesOf,
  enclaveOf,
  eventOf,
  GENESIS,
  genesisWith,
  runningChain,
  tenant,
  typesOf,
  v0,
  v1,
  v2,
  v3,
} from '@cloister/testkit';
import { mixedChain, setPolicy } from '@cloister/testkit/platforms';
import { describe, expect, test } from 'vitest';
import {
  type Attestation,
  eligible,
  ledgerPolicyDigest,
  projectAttestation,
  projectNetwork,
  settingsOf,
} from '../../src/index.ts';

const SEV_SNP = GENESIS.appraisalPolicy.sevSnp as SnpRequirements;
const ALONE = { members: [v0.id], threshold: 1 };
const DELAYED = genesisWith({ params: { ...GENESIS.params, measurementDelay: 3 }, governance: ALONE });

function policyOf(chain: Chain): AppraisalPolicy {
  return settingsOf(chain.state).appraisalPolicy;
}

function isEligible(chain: Chain, node: typeof v0): boolean {
  const { height, timeMs } = chain.state;
  return eligible({ state: chain.state, validator: node.id, height, timeMs }).eligible;
}

describe('set-policy', () => {
  test('takes the threshold of governance members, each of whom sends the same policy', () => {
    const chain = new Chain();
    const one = eventOf(chain.block(setPolicy(chain, { maxAgeBlocks: 9 }, v0)), 'GovernanceApproved');
    expect(one).toMatchObject({ kind: 'set-policy', approvals: 1, threshold: 2 });
    expect(codesOf(chain.block(setPolicy(chain, { maxAgeBlocks: 9 }, v0)))).toEqual(['ALREADY_APPROVED']);
    expect(codesOf(chain.block(setPolicy(chain, { maxAgeBlocks: 9 }, tenant)))).toEqual(['NOT_GOVERNANCE']);
    expect(typesOf(chain.block(setPolicy(chain, { maxAgeBlocks: 8 }, v1)))).toEqual(['GovernanceApproved']);
    expect(typesOf(chain.block(setPolicy(chain, { maxAgeBlocks: 9 }, v1)))).toEqual([
      'AppraisalPolicyScheduled',
      'AppraisalPolicyTookEffect',
    ]);
    expect(policyOf(chain).maxAgeBlocks).toBe(9);
    const again = chain.block(setPolicy(chain, { maxAgeBlocks: 8 }, v2));
    expect(eventOf(again, 'GovernanceApproved')).toMatchObject({ approvals: 1 });
  });

  test.each<[string, (policy: AppraisalPolicy) => object]>([
    ['POLICY_MALFORMED', (policy) => ({ ...policy, more: 1 })],
    ['POLICY_MALFORMED', (policy) => ({ ...policy, maxAgeBlocks: 0 })],
    ['POLICY_MALFORMED', (policy) => ({ ...policy, schema: 'cloister/appraisal-policy/v1' })],
    ['POLICY_UNSAFE', (policy) => ({ ...policy, sevSnp: { ...policy.sevSnp, requireCrl: false } })],
    ['POLICY_UNCHANGED', (policy) => policy],
  ])('%s (%#)', (code, changed) => {
    const chain = new Chain(DELAYED);
    const policy = changed(policyOf(chain)) as AppraisalPolicy;
    const json = { ...policy } as unknown as ReturnType<typeof appraisalPolicyToJson>;
    expect(codesOf(chain.block(chain.transaction(v0, 'set-policy', { policy: json })))).toEqual([code]);
  });

  test('a list of the machines that may serve evicts all others at once, and grows only after the delay', () => {
    const { chain, enclaves, model } = runningChain(2, DELAYED);
    const [e0 = enclaveOf(v0), e1 = enclaveOf(v1)] = enclaves;
    const listed = chain.block(setPolicy(chain, { allowedHardwareIds: [e0.device.hardwareId] }));
    expect(eventOf(listed, 'AppraisalPolicyScheduled').loosenings).toEqual([]);
    expect(eventOf(listed, 'AttestationEvicted')).toMatchObject({ node: v1.id, code: 'HARDWARE_NOT_LISTED' });
    expect(typesOf(chain.block(chain.request(model, [e0])))).toEqual(['InferenceRequested']);
    expect(codesOf(chain.block(chain.evidence(v1, e1)))).toEqual(['EVIDENCE_REFUSED']);
    const grown = chain.block(setPolicy(chain, { allowedHardwareIds: [] }));
    expect(typesOf(grown)).toEqual(['AppraisalPolicyScheduled']);
    expect(eventOf(grown, 'AppraisalPolicyScheduled').loosenings).toEqual(['allowedHardwareIds']);
  });

  test('tightening takes effect in that very block, between the transactions before and after it', () => {
    const { chain, enclaves, model } = runningChain(2, DELAYED);
    const [before, after] = [chain.request(model, enclaves), chain.request(model, enclaves)];
    const barred = setPolicy(chain, { barredHardwareIds: [enclaveOf(v0).device.hardwareId] });
    const digest = chain.state.policyDigest;
    const execution = chain.block([before, barred, after]);
    expect(typesOf(execution)).toEqual([
      'InferenceRequested',
      'AppraisalPolicyScheduled',
      'AppraisalPolicyTookEffect',
      'AttestationEvicted',
      'TransactionRejected',
      'ExecutorLapsed',
      'InferenceFailed',
    ]);
    expect(eventOf(execution, 'AppraisalPolicyScheduled')).toMatchObject({
      loosenings: [],
      effectiveHeight: chain.height,
      transaction: barred.id,
    });
    expect(eventOf(execution, 'AttestationEvicted')).toEqual({
      type: 'AttestationEvicted',
      node: v0.id,
      keyset: chain.keyset(enclaveOf(v0)),
      attestationSequence: chain.state.attestations.get(v0.id)?.sequence,
      cause: 'policy',
      code: 'HARDWARE_BARRED',
      height: chain.height,
    });
    expect(eventOf(execution, 'TransactionRejected').detail).toContain('EVICTED PLATFORM_BARRED');
    const { policyDigest } = eventOf(execution, 'AppraisalPolicyTookEffect');
    expect(policyDigest).toBe(chain.state.policyDigest);
    expect(policyDigest).toBe(ledgerPolicyDigest(settingsOf(chain.state), chain.state.measurements));
    expect(policyDigest).not.toBe(digest);
  });

  test('loosening waits, is announced with what it loosens, and takes effect before anything else of its block', () => {
    const { chain, enclaves, model } = runningChain(1, DELAYED);
    const wider = { acceptedStatuses: ['UpToDate', 'OutOfDate'] as const, maxAgeBlocks: 40 };
    chain.block([chain.request(model, enclaves, { timeLimitMs: 2 * BLOCK_MS }), setPolicy(chain, wider)]);
    const effectiveHeight = chain.height + 3;
    expect(projectNetwork(chain.state)).toMatchObject({
      appraisalPolicy: { maxAgeBlocks: AGES.maxAgeBlocks },
      scheduledPolicy: { loosenings: ['acceptedStatuses'], effectiveHeight, appraisalPolicy: wider },
    });
    chain.advanceTo(effectiveHeight - 1);
    expect(policyOf(chain)).toEqual(GENESIS.appraisalPolicy);
    expect(typesOf(chain.block())).toEqual([
      'AppraisalPolicyTookEffect',
      'AttestationReappraised',
      'AnswerMissed',
      'InferenceFailed',
    ]);
    expect(policyOf(chain)).toEqual({ ...GENESIS.appraisalPolicy, ...wider });
    expect(chain.state.scheduledPolicy).toBeNull();
    expect(typesOf(chain.block())).toEqual([]);
  });

  test('without a delay, loosening still waits for the next block', () => {
    const chain = new Chain(genesisWith({ governance: ALONE }));
    chain.block(setPolicy(chain, { nonceWindowBlocks: 20 }));
    expect(chain.state.scheduledPolicy?.effectiveHeight).toBe(chain.height + 1);
    expect(typesOf(chain.block())).toEqual(['AppraisalPolicyTookEffect']);
  });

  test('a later decision replaces one that waits, be it another, a tightening, or the policy in force', () => {
    const chain = new Chain(DELAYED);
    chain.block(setPolicy(chain, { maxAgeBlocks: 60 }));
    expect(codesOf(chain.block(setPolicy(chain, { maxAgeBlocks: 60 })))).toEqual(['POLICY_UNCHANGED']);
    chain.block(setPolicy(chain, { maxAgeBlocks: 70 }));
    const effectiveHeight = chain.height + 3;
    chain.advanceTo(effectiveHeight - 1);
    expect(policyOf(chain).maxAgeBlocks).toBe(50);
    chain.block();
    expect(policyOf(chain).maxAgeBlocks).toBe(70);

    chain.block(setPolicy(chain, { maxAgeBlocks: 80 }));
    expect(typesOf(chain.block(setPolicy(chain, { maxAgeBlocks: 65 })))).toContain('AppraisalPolicyTookEffect');
    chain.advanceTo(chain.height + 5);
    expect(policyOf(chain).maxAgeBlocks).toBe(65);

    chain.block(setPolicy(chain, { maxAgeBlocks: 90 }));
    expect(typesOf(chain.block(setPolicy(chain, {})))).toContain('AppraisalPolicyTookEffect');
    chain.advanceTo(chain.height + 5);
    expect(policyOf(chain).maxAgeBlocks).toBe(65);
  });
});

describe('eviction', () => {
  test('comes at the height at which the policy takes effect, not before, and names whom in ascending order', () => {
    const { chain } = mixedChain();
    // Looser in its age, so that it waits; without three platforms.
    chain.block(setPolicy(chain, { maxAgeBlocks: 60, sevSnp: null, sgx: null, tdx: null }));
    chain.advanceTo(chain.height + 2);
    expect([v0, v1, v2, v3].map((node) => isEligible(chain, node))).toEqual([true, true, true, true]);
    const execution = chain.block();
    const evicted = execution.events.flatMap((event) => (event.type === 'AttestationEvicted' ? [event] : []));
    expect(evicted.map(({ node }) => node)).toEqual([v1, v2, v3].map(({ id }) => id).sort());
    expect(new Set(evicted.map(({ code }) => code))).toEqual(new Set(['PLATFORM_NOT_ACCEPTED']));
    expect([v0, v1, v2, v3].map((node) => isEligible(chain, node))).toEqual([true, false, false, false]);
    expect(projectAttestation(chain.state, v1.id)).toMatchObject({
      evicted: { cause: 'policy', code: 'PLATFORM_NOT_ACCEPTED', height: chain.height },
      reasons: ['EVICTED', 'PLATFORM_BARRED'],
    });
  });

  test('is for good: a policy that would take it again brings nobody back, new evidence does', () => {
    const { chain } = runningChain(2, DELAYED);
    const enclave = enclaveOf(v0);
    chain.block(setPolicy(chain, { barredHardwareIds: [enclave.device.hardwareId] }));
    const refreshed = chain.block(chain.refresh(v0, enclave));
    expect(eventOf(refreshed, 'TransactionRejected')).toMatchObject({
      code: 'ATTESTATION_EVICTED',
      detail: 'HARDWARE_BARRED',
    });
    expect(eventOf(chain.block(chain.evidence(v0, enclave)), 'TransactionRejected')).toMatchObject({
      code: 'EVIDENCE_REFUSED',
      detail: 'HARDWARE_BARRED',
    });
    chain.block(setPolicy(chain, { barredHardwareIds: [] }));
    chain.advanceTo(chain.height + 3);
    expect(policyOf(chain).barredHardwareIds).toEqual([]);
    expect(isEligible(chain, v0)).toBe(false);
    expect(typesOf(chain.block(chain.evidence(v0, enclave)))).toEqual(['AttestationAccepted']);
    expect(isEligible(chain, v0)).toBe(true);
    expect(projectAttestation(chain.state, v0.id)?.evicted).toBeNull();
  });

  test('frees the hardware for another node, stops receipts, and ends at once what waits for it', () => {
    const { chain, enclaves, model } = runningChain(2, DELAYED);
    const [e0 = enclaveOf(v0)] = enclaves;
    const request = chain.request(model, enclaves);
    chain.block(request);
    const barring = chain.block(setPolicy(chain, { barredHardwareIds: [e0.device.hardwareId] }));
    expect(
      barring.events.flatMap((event) => (event.type === 'ExecutorLapsed' ? [[event.node, event.reasons]] : [])),
    ).toEqual([[v0.id, ['EVICTED', 'PLATFORM_BARRED']]]);
    expect(eventOf(barring, 'InferenceFailed')).toMatchObject({
      task: chain.taskOf(request),
      code: 'EXECUTORS_LAPSED',
    });
    const late = chain.block(chain.result(v0, request, chain.receipt(request, e0)));
    expect(codesOf(late)).toEqual(['TASK_CLOSED']);
    chain.block(setPolicy(chain, { barredHardwareIds: [] }));
    chain.advanceTo(chain.height + 3);
    const moved = chain.block(chain.evidence(v3, enclaveOf(v3, { device: v0.id })));
    expect(typesOf(moved)).toEqual(['AttestationAccepted']);
  });

  test('asks for the firmware, the status and the product line that the policy names', () => {
    const { Genoa } = SEV_SNP.products;
    if (Genoa === undefined) throw new Error('the policy names Genoa');
    const higher = { ...Genoa.upToDateTcb, microcode: Genoa.upToDateTcb.microcode + 1 };
    const codeUnder = (changes: Partial<AppraisalPolicy>) => {
      const { chain } = runningChain(1, DELAYED);
      return eventOf(chain.block(setPolicy(chain, changes)), 'AttestationEvicted').code;
    };
    const { Genoa: _, ...others } = SEV_SNP.products;
    const withGenoa = (changes: object): Partial<AppraisalPolicy> => ({
      sevSnp: { ...SEV_SNP, products: { ...SEV_SNP.products, Genoa: { ...Genoa, ...changes } } },
    });
    expect(codeUnder(withGenoa({ minimumTcb: higher, upToDateTcb: higher }))).toBe('TCB_BELOW_MINIMUM');
    expect(codeUnder(withGenoa({ upToDateTcb: higher }))).toBe('TCB_STATUS_NOT_ACCEPTED');
    expect(codeUnder({ sevSnp: { ...SEV_SNP, products: others } })).toBe('PRODUCT_NOT_ACCEPTED');
  });
});

describe('re-appraisal', () => {
  test('shortens ages to the new policy, from acceptance and last refresh, and never extends them', () => {
    const { chain } = runningChain(1, DELAYED);
    chain.advanceTo(9);
    chain.block(chain.refresh(v0, enclaveOf(v0)));
    const held = chain.state.attestations.get(v0.id) as Attestation;
    expect(held).toMatchObject({ acceptedHeight: 2, refreshedHeight: 9, validUntilHeight: 52, aliveUntilHeight: 29 });
    const shorter = chain.block(setPolicy(chain, { maxAgeBlocks: 30, refreshWindowBlocks: 6 }));
    expect(eventOf(shorter, 'AttestationReappraised')).toMatchObject({
      cause: 'policy',
      validUntilHeight: 32,
      aliveUntilHeight: 15,
      validUntilMs: held.validUntilMs,
      bundle: null,
    });
    chain.block(setPolicy(chain, { maxAgeBlocks: 50, refreshWindowBlocks: 20 }));
    chain.advanceTo(chain.height + 3);
    expect(policyOf(chain)).toEqual(GENESIS.appraisalPolicy);
    expect(chain.state.attestations.get(v0.id)).toMatchObject({ validUntilHeight: 32, aliveUntilHeight: 15 });
    expect(chain.state.attestations.get(v0.id)?.bundle).toBe(held.bundle);
  });

  test('of what is too old under the new policy lets it lapse', () => {
    const { chain } = runningChain(1, DELAYED);
    chain.advanceTo(12);
    chain.block(setPolicy(chain, { maxAgeBlocks: 5 }));
    expect(projectAttestation(chain.state, v0.id)).toMatchObject({
      validUntilHeight: 7,
      evicted: null,
      reasons: ['ATTESTATION_LAPSED_HEIGHT'],
    });
  });

  test('leaves lapsed attestations alone', () => {
    const { chain } = runningChain(1, DELAYED);
    chain.advanceTo(2 + AGES.maxAgeBlocks + 1);
    const barred = setPolicy(chain, { barredHardwareIds: [enclaveOf(v0).device.hardwareId] });
    expect(typesOf(chain.block(barred))).toEqual(['AppraisalPolicyScheduled', 'AppraisalPolicyTookEffect']);
  });
});

describe('the nonce window', () => {
  test('shrinks at once, in the block that decides and in every one after it', () => {
    const { chain } = runningChain(1, DELAYED);
    chain.advanceTo(20);
    expect([...chain.state.recentBlocks.keys()]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    const old = chain.evidence(v1, enclaveOf(v1));
    chain.advanceTo(23);
    const execution = chain.block([setPolicy(chain, { nonceWindowBlocks: 3 }), old]);
    expect(codesOf(execution)).toEqual(['NONCE_BLOCK_UNKNOWN']);
    expect([...chain.state.recentBlocks.keys()]).toEqual([21, 22, 23, 24]);
    chain.block();
    expect([...chain.state.recentBlocks.keys()]).toEqual([22, 23, 24, 25]);
  });

  test('grows as blocks come, and invents none that were dropped', () => {
    const chain = new Chain(DELAYED);
    chain.advanceTo(20);
    chain.block(setPolicy(chain, { nonceWindowBlocks: 12 }));
    const oldest = () => [...chain.state.recentBlocks.keys()][0];
    chain.advanceTo(24);
    expect([policyOf(chain).nonceWindowBlocks, oldest()]).toEqual([12, 14]);
    chain.advanceTo(26);
    expect([chain.state.recentBlocks.size, oldest()]).toEqual([13, 14]);
    chain.advanceTo(27);
    expect([chain.state.recentBlocks.size, oldest()]).toEqual([13, 15]);
  });
});

describe('distinct platforms', () => {
  test('are what the policy asks for beside the model', () => {
    const { chain, enclaves, model } = runningChain(3, DELAYED);
    chain.block(setPolicy(chain, { minimumDistinctPlatforms: 2 }));
    expect(eventOf(chain.block(chain.request(model, enclaves)), 'TransactionRejected')).toMatchObject({
      code: 'EXECUTION_POLICY_UNMET',
      detail: 'minimumDistinctPlatforms',
    });
  });
});
