import { asAccountId, asHeight, asValidatorId } from '@cloister/encoding';
import {
  Chain,
  codesOf,
  digestOf,
  enclaveOf,
  eventOf,
  GENESIS,
  genesisWith,
  IMAGE,
  keyOf,
  MEASUREMENT,
  runningChain,
  tenant,
  typesOf,
  v0,
  v1,
  v2,
  v3,
} from '@cloister/testkit';
import { describe, expect, test } from 'vitest';
import { listAccounts, listMeasurements, referenceValuesAt, type SetMeasurementPayload } from '../src/index.ts';

const other: SetMeasurementPayload = {
  platform: 'sev-snp',
  measurement: MEASUREMENT,
  image: digestOf('new image'),
  status: 'allowed',
  graceUntilHeight: null,
  name: 'enclave 0.2.0',
};

describe('measurements', () => {
  test('given a threshold of two, the second equal approval carries, the first is recorded', () => {
    const chain = new Chain();
    const one = chain.block(chain.transaction(v0, 'set-measurement', other));
    expect(eventOf(one, 'GovernanceApproved')).toMatchObject({ member: v0.id, approvals: 1, threshold: 2 });
    const two = chain.block(chain.transaction(v1, 'set-measurement', other));
    expect(eventOf(two, 'MeasurementAllowed')).toMatchObject({
      image: other.image,
      name: 'enclave 0.2.0',
      effectiveHeight: 2,
    });
    expect(chain.state.proposals.size).toBe(0);
  });

  test('approvals of different payloads do not add up', () => {
    const chain = new Chain();
    chain.block(chain.transaction(v0, 'set-measurement', other));
    const differing = chain.block(chain.transaction(v1, 'set-measurement', { ...other, name: 'enclave 0.2.1' }));
    expect(typesOf(differing)).toEqual(['GovernanceApproved']);
    expect(listMeasurements(chain.state)).toHaveLength(1);
  });

  test('one member counts once, and an outsider not at all', () => {
    const chain = new Chain();
    chain.block(chain.transaction(v0, 'set-measurement', other));
    expect(codesOf(chain.block(chain.transaction(v0, 'set-measurement', other)))).toEqual(['ALREADY_APPROVED']);
    expect(codesOf(chain.block(chain.transaction(tenant, 'set-measurement', other)))).toEqual(['NOT_GOVERNANCE']);
  });

  test('an approval counts up to its last height and not after', () => {
    const chain = new Chain();
    const { approvalWindow } = GENESIS.params;
    const approved = chain.block(chain.transaction(v0, 'set-measurement', other));
    expect(eventOf(approved, 'GovernanceApproved').lapsesHeight).toBe(1 + approvalWindow);
    chain.advanceTo(1 + approvalWindow);
    const late = chain.block(chain.transaction(v1, 'set-measurement', other));
    expect(eventOf(late, 'GovernanceApproved')).toMatchObject({ approvals: 1 });
    expect(typesOf(chain.block(chain.transaction(v2, 'set-measurement', other)))).toEqual(['MeasurementAllowed']);
  });

  test('an approval from before a revocation does not help to allow the image again', () => {
    const chain = new Chain();
    chain.block(chain.transaction(v0, 'set-measurement', { ...other, name: 'an early name' }));
    for (const status of ['allowed', 'revoked'] as const) {
      for (const member of [v1, v2]) chain.block(chain.transaction(member, 'set-measurement', { ...other, status }));
    }
    const again = chain.block(chain.transaction(v1, 'set-measurement', { ...other, name: 'an early name' }));
    expect(eventOf(again, 'GovernanceApproved')).toMatchObject({ approvals: 1 });
    const fresh = chain.block(chain.transaction(v0, 'set-measurement', { ...other, name: 'an early name' }));
    expect(typesOf(fresh)).toEqual(['MeasurementAllowed']);
  });

  test('what changes nothing, or would allow a debug image, is rejected', () => {
    const chain = new Chain();
    const code = (payload: SetMeasurementPayload) =>
      codesOf(chain.block(chain.transaction(v0, 'set-measurement', payload)));
    expect(code({ ...other, image: IMAGE })).toEqual(['MEASUREMENT_UNCHANGED']);
    expect(code({ ...other, status: 'revoked' })).toEqual(['MEASUREMENT_UNCHANGED']);
    expect(code({ ...other, measurement: '00'.repeat(48) as SetMeasurementPayload['measurement'] })).toEqual([
      'MEASUREMENT_DEBUG',
    ]);
  });

  test('an addition waits, a revocation does not, and each changes the policy digest', () => {
    const params = { ...GENESIS.params, measurementDelay: 3 };
    const governance = { members: [v0.id], threshold: 1 };
    const chain = new Chain(genesisWith({ params, governance }));
    const before = chain.state.policyDigest;
    chain.block(chain.transaction(v0, 'set-measurement', other));
    const phaseOf = () => listMeasurements(chain.state).find(({ image }) => image === other.image)?.phase;
    expect(phaseOf()).toBe('pending');
    expect(chain.state.policyDigest).not.toBe(before);
    chain.advanceTo(3);
    expect(phaseOf()).toBe('pending');
    chain.advanceTo(4);
    expect(phaseOf()).toBe('allowed');
    chain.block(chain.transaction(v0, 'set-measurement', { ...other, status: 'revoked' }));
    expect(phaseOf()).toBe('revoked');
  });
});

describe('a grace', () => {
  const governance = { members: [v0.id], threshold: 1 };
  const params = { ...GENESIS.params, measurementDelay: 3 };
  const known: SetMeasurementPayload = { ...other, image: IMAGE, name: 'enclave 0.1.0' };
  const graced = (graceUntilHeight: number): SetMeasurementPayload => ({
    ...known,
    status: 'grace-until',
    graceUntilHeight: asHeight(graceUntilHeight),
  });
  const start = () => new Chain(genesisWith({ params, governance }));
  const set = (chain: Chain, payload: SetMeasurementPayload) =>
    chain.block(chain.transaction(v0, 'set-measurement', payload));
  const phaseOf = (chain: Chain) => listMeasurements(chain.state).find(({ image }) => image === IMAGE)?.phase;

  test('counts up to and at its height, and above it as revoked', () => {
    const chain = start();
    const digest = chain.state.policyDigest;
    expect(eventOf(set(chain, graced(4)), 'MeasurementGraced')).toMatchObject({ image: IMAGE, graceUntilHeight: 4 });
    expect(chain.state.policyDigest).not.toBe(digest);
    expect(listMeasurements(chain.state)[0]).toMatchObject({ status: 'grace-until', graceUntilHeight: 4 });
    const phases = [1, 2, 3, 4, 5].map((height) => {
      chain.advanceTo(height);
      return [phaseOf(chain), referenceValuesAt(chain.state, asHeight(height))[0]?.status];
    });
    expect(phases).toEqual([...Array(4).fill(['grace', 'allowed']), ['grace-ended', 'revoked']]);
  });

  test('takes new evidence and requests at its last height and none above it', () => {
    const { chain, enclaves, model } = runningChain(2, genesisWith({ params, governance }));
    set(chain, graced(8));
    chain.advanceTo(7);
    const late = [chain.evidence(v3, enclaveOf(v3)), chain.evidence(v2, enclaveOf(v2))] as const;
    const requests = [chain.request(model, enclaves), chain.request(model, enclaves)] as const;
    expect(typesOf(chain.block([late[0], requests[0]]))).toEqual(['AttestationAccepted', 'InferenceRequested']);
    expect(chain.height).toBe(8);
    const above = chain.block([late[1], requests[1]]);
    expect(codesOf(above)).toEqual(['EVIDENCE_REFUSED', 'EXECUTOR_NOT_ELIGIBLE']);
    const details = above.events.flatMap((event) => (event.type === 'TransactionRejected' ? [event.detail] : []));
    expect(details[0]).toBe('MEASUREMENT_REVOKED');
    expect(details[1]).toContain('MEASUREMENT_GRACE_ENDED');
  });

  test('only takes away: it bounds what is allowed or shortens a grace, above the height of its block', () => {
    const chain = start();
    const refusal = (payload: SetMeasurementPayload) => {
      const { code, detail } = eventOf(set(chain, payload), 'TransactionRejected');
      return `${code} ${detail}`;
    };
    expect(refusal(graced(1))).toBe('GRACE_INVALID not above the height of the block');
    expect(refusal({ ...graced(50), image: digestOf('unknown') })).toBe('GRACE_INVALID not allowed');
    set(chain, graced(20));
    expect(refusal(graced(20))).toBe('MEASUREMENT_UNCHANGED ');
    expect(refusal(graced(21))).toBe('GRACE_INVALID longer than the grace that was given');
    expect(typesOf(set(chain, graced(19)))).toEqual(['MeasurementGraced']);
    expect(typesOf(set(chain, { ...known, status: 'revoked' }))).toEqual(['MeasurementRevoked']);
    expect(refusal(graced(30))).toBe('GRACE_INVALID not allowed');
  });

  test('runs on while its pair waits to be allowed again, and what is allowed stays so', () => {
    const chain = start();
    set(chain, graced(3));
    expect(eventOf(set(chain, known), 'MeasurementAllowed').effectiveHeight).toBe(5);
    const phases = [2, 3, 4, 5, 6].map((height) => {
      chain.advanceTo(height);
      return phaseOf(chain);
    });
    expect(phases).toEqual(['grace', 'grace', 'pending', 'allowed', 'allowed']);
  });

  test('takes the threshold like any other status', () => {
    const chain = new Chain();
    const payload = graced(40);
    chain.block(chain.transaction(v0, 'set-measurement', payload));
    expect(typesOf(chain.block(chain.transaction(v1, 'set-measurement', graced(41))))).toEqual(['GovernanceApproved']);
    expect(typesOf(chain.block(chain.transaction(v2, 'set-measurement', payload)))).toEqual(['MeasurementGraced']);
    expect(chain.state.proposals.size).toBe(1);
  });
});

describe('accounts', () => {
  const account = keyOf('newcomer').id;

  test('two members register an account, which may then send', () => {
    const chain = new Chain();
    chain.block(chain.transaction(v0, 'register-account', { account, name: 'newcomer' }));
    const carried = chain.block(chain.transaction(v1, 'register-account', { account, name: 'newcomer' }));
    expect(typesOf(carried)).toEqual(['AccountRegistered']);
    expect(chain.state.proposals.size).toBe(0);
    expect(listAccounts(chain.state).map(({ id }) => id)).toContain(account);
    const put = chain.transaction(keyOf('newcomer'), 'put-record', { namespace: 'n', key: 'k', value: 'v' });
    expect(typesOf(chain.block(put))).toEqual(['RecordPut']);
  });

  test('a member without weight is given an account as any other id is, and is not given it twice', () => {
    const { chain } = runningChain(1);
    const joiner = keyOf('newcomer');
    chain.block(chain.evidence(joiner, enclaveOf(joiner)));
    expect(chain.state.members.get(asValidatorId(account))?.weight).toBe(0);
    const register = (member: typeof v0) =>
      chain.transaction(member, 'register-account', { account, name: 'newcomer' });
    chain.block(register(v0));
    expect(typesOf(chain.block(register(v1)))).toEqual(['AccountRegistered']);
    expect(codesOf(chain.block(register(v0)))).toEqual(['ACCOUNT_EXISTS']);
  });

  test('known ids, keys of small order and outsiders are rejected', () => {
    const chain = new Chain();
    const small = asAccountId(`01${'00'.repeat(31)}`);
    const code = (sender: typeof v0, id: typeof account) =>
      codesOf(chain.block(chain.transaction(sender, 'register-account', { account: id, name: 'x' })));
    expect(code(v0, tenant.id)).toEqual(['ACCOUNT_EXISTS']);
    expect(code(v0, v1.id)).toEqual(['ACCOUNT_EXISTS']);
    expect(code(v0, small)).toEqual(['KEY_UNACCEPTABLE']);
    expect(code(tenant, account)).toEqual(['NOT_GOVERNANCE']);
  });
});
