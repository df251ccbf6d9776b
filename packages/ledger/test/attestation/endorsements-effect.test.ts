import { PLATFORMS } from '@cloister/attestation';
import { toBase64 } from '@cloister/encoding';
import {
  codesOf,
  deviceOf,
  enclaveOf,
  eventOf,
  GENESIS,
  genesisWith,
  runningChain,
  typesOf,
  v0,
  v1,
  v2,
  v3,
} from '@cloister/testkit';
import {
  eligibleNodes,
  everyPlatform,
  fork,
  intelEndorsements,
  mixedChain,
  pckSerialOf,
  setPolicy,
  snpEndorsements,
  submitEndorsements,
} from '@cloister/testkit/platforms';
import { describe, expect, test } from 'vitest';
import { decodeState, eligible, encodeState, evolve, initialState, projectAttestation } from '../../src/index.ts';

const { chain: mixed } = mixedChain();

test('every platform attests, is executed on, and needs no status where its vendor publishes none', () => {
  expect([...mixed.state.attestations.values()].map(({ platform }) => platform).sort()).toEqual([...PLATFORMS]);
  expect(eligibleNodes(mixed)).toHaveLength(4);
  expect(projectAttestation(mixed.state, v0.id)).toMatchObject({ platform: 'nitro', tcbStatus: 'NotApplicable' });
  expect(projectAttestation(mixed.state, v2.id)).toMatchObject({ platform: 'sgx', product: '90c06f000000' });
  expect([...mixed.state.statementFloors.keys()].sort()).toEqual([
    'qe-identity/QE',
    'qe-identity/TD_QE',
    'tcb-info/SGX/90c06f000000',
    'tcb-info/TDX/90c06f000000',
  ]);
});

describe('product lines and advisories', () => {
  test.each([
    ['a barred FMSPC', { sgx: { ...GENESIS.appraisalPolicy.sgx, barredFmspcs: ['90c06f000000'] } }, v2],
    ['a platform without requirements', { tdx: null }, v3],
    ['the same of Nitro', { nitro: null }, v0],
  ] as const)('%s bars by itself, without an eviction', (_what, changes, node) => {
    const chain = fork(mixed);
    const { network } = chain.state;
    if (network === undefined) throw new Error('founded');
    const appraisalPolicy = { ...network.appraisalPolicy, ...(changes as object) };
    const state = { ...chain.state, network: { ...network, appraisalPolicy } };
    const { height, timeMs } = state;
    expect(eligible({ state, validator: node.id, height, timeMs })).toMatchObject({ reasons: ['PLATFORM_BARRED'] });
    expect(
      [v0, v1, v2, v3].filter(({ id }) => eligible({ state, validator: id, height, timeMs }).eligible),
    ).toHaveLength(3);
  });

  test('an advisory that the policy does not accept', () => {
    const chain = fork(mixed);
    const held = chain.state.attestations.get(v2.id);
    if (held === undefined) throw new Error('attested');
    chain.state.attestations.set(v2.id, { ...held, advisories: ['INTEL-SA-00001'] });
    const { height, timeMs } = chain.state;
    const question = { state: chain.state, validator: v2.id, height, timeMs };
    expect(eligible(question)).toMatchObject({ reasons: ['ADVISORY_NOT_ACCEPTED'] });
    const loosened = fork(chain);
    loosened.block(setPolicy(loosened, { acceptedAdvisories: null }));
    loosened.advanceTo(loosened.height + 3);
    expect(eligible({ ...question, state: loosened.state, height: loosened.state.height }).eligible).toBe(true);
  });
});

describe('evidence that brings newer endorsements', () => {
  test('re-appraises the others at once: whom they revoke is evicted', () => {
    const { chain } = runningChain(2);
    const revoking = snpEndorsements({ revokedDevices: [deviceOf(v0.id).serial] });
    const execution = chain.block(chain.evidence(v1, enclaveOf(v1), { crls: revoking.crls }));
    expect(typesOf(execution)).toEqual(['AttestationAccepted', 'AttestationEvicted']);
    expect(eventOf(execution, 'AttestationEvicted')).toMatchObject({ node: v0.id, code: 'LEAF_REVOKED' });
    expect(eligibleNodes(chain)).toEqual([v1.id]);
  });

  test('leaves them alone when it brings what is known', () => {
    const { chain } = runningChain(2);
    expect(typesOf(chain.block(chain.evidence(v1, enclaveOf(v1))))).toEqual(['AttestationAccepted']);
  });

  test('a policy later on finds every bundle at the floors', () => {
    const chain = fork(mixed);
    chain.block(submitEndorsements(chain, 'sgx', intelEndorsements('sgx')));
    chain.block(submitEndorsements(chain, 'sev-snp', snpEndorsements()));
    chain.block(setPolicy(chain, { maxAgeBlocks: 40 }));
    expect(eligibleNodes(chain)).toHaveLength(4);
  });
});

describe('bounds', () => {
  const limited = (maxAppraisalsPerBlock: number) =>
    everyPlatform({
      params: { ...GENESIS.params, maxAppraisalsPerBlock },
      governance: { members: [v0.id], threshold: 1 },
    });

  test('a submission takes one of the block’s appraisals, true or not', () => {
    const chain = fork(runningChain(1, genesisWith({ params: { ...GENESIS.params, maxAppraisalsPerBlock: 1 } })).chain);
    const junk = chain.transaction(v1, 'submit-endorsements', {
      platform: 'sgx',
      endorsements: toBase64(new Uint8Array(9)),
    });
    const execution = chain.block([junk, chain.evidence(v1, enclaveOf(v1))]);
    expect(codesOf(execution)).toEqual(['ENDORSEMENTS_REFUSED', 'APPRAISAL_LIMIT']);
  });

  test('what it re-appraises is taken from the same budget: all of it, then the block’s later submissions wait', () => {
    const { chain } = mixedChain(limited(4));
    const [first, second] = [
      submitEndorsements(chain, 'sgx', intelEndorsements('sgx')),
      submitEndorsements(chain, 'sev-snp', snpEndorsements()),
    ];
    const third = submitEndorsements(chain, 'tdx', intelEndorsements('tdx'), v0);
    const execution = chain.block([first, second, third]);
    expect(typesOf(execution)).toEqual([
      'EndorsementsAccepted',
      'AttestationReappraised',
      'AttestationReappraised',
      'EndorsementsAccepted',
      'AttestationReappraised',
      'TransactionRejected',
    ]);
    expect(codesOf(execution)).toEqual(['APPRAISAL_LIMIT']);
  });
});

test('replay and snapshots keep merged bundles, floors and evictions', () => {
  const chain = fork(mixed);
  chain.block(submitEndorsements(chain, 'sgx', intelEndorsements('sgx', { revokedPcks: [pckSerialOf(v3)] })));
  chain.block(setPolicy(chain, { sevSnp: null }));
  chain.block(setPolicy(chain, { maxAgeBlocks: 60 }));
  const replayed = chain.log.reduce(evolve, initialState());
  expect(replayed).toEqual(chain.state);
  expect(decodeState(encodeState(replayed))).toEqual({ ok: true, value: chain.state });
  expect(replayed.scheduledPolicy).not.toBeNull();
  expect([...replayed.attestations.values()].filter(({ evicted }) => evicted !== null)).toHaveLength(2);
});
