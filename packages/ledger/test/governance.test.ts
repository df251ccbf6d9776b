import { asAccountId } from '@cloister/crypto';
import { describe, expect, test } from 'vitest';
import { listAccounts, listMeasurements, type SetMeasurementPayload } from '../src/index.ts';
import {
  Chain,
  codesOf,
  digestOf,
  eventOf,
  GENESIS,
  genesisWith,
  IMAGE,
  keyOf,
  MEASUREMENT,
  tenant,
  typesOf,
  v0,
  v1,
  v2,
} from './samples.ts';

const other: SetMeasurementPayload = {
  platform: 'sev-snp',
  measurement: MEASUREMENT,
  image: digestOf('new image'),
  status: 'allowed',
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
    const standing = () => listMeasurements(chain.state).find(({ image }) => image === other.image)?.standing;
    expect(standing()).toBe('pending');
    expect(chain.state.policyDigest).not.toBe(before);
    chain.advanceTo(3);
    expect(standing()).toBe('pending');
    chain.advanceTo(4);
    expect(standing()).toBe('allowed');
    chain.block(chain.transaction(v0, 'set-measurement', { ...other, status: 'revoked' }));
    expect(standing()).toBe('revoked');
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
