import { simulatedCrl } from '@cloister/attestation/simulated';
import { asHeight, asMeasurement, toBase64 } from '@cloister/encoding';
import {
  AGES,
  Chain,
  CRL,
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
  stranger,
  typesOf,
  v0,
  v1,
} from '@cloister/testkit';
import { describe, expect, test } from 'vitest';
import { listMembers, projectAttestation, strangerRefusal } from '../../src/index.ts';

const enclave = enclaveOf(v0);

function detailOf(execution: ReturnType<Chain['block']>): string {
  return eventOf(execution, 'TransactionRejected').detail;
}

describe('submit-attestation', () => {
  test('accepts true evidence over a recent block, with all that enclaves and clients need', () => {
    const chain = new Chain();
    chain.block();
    const evidence = chain.evidence(v0, enclave);
    chain.block();
    const accepted = eventOf(chain.block(evidence), 'AttestationAccepted');
    expect(accepted).toMatchObject({
      transaction: evidence.id,
      node: v0.id,
      keyset: chain.keyset(enclave),
      platform: 'sev-snp',
      product: 'Genoa',
      simulated: true,
      hardwareId: enclave.device.hardwareId,
      measurement: MEASUREMENT,
      image: IMAGE,
      signKey: enclave.sign.id,
      hpkeKey: enclave.hpkeKey,
      tcbStatus: 'UpToDate',
      nonceHeight: 1,
      acceptedHeight: 3,
      validUntilHeight: 3 + AGES.maxAgeBlocks,
      aliveUntilHeight: 1 + AGES.refreshWindowBlocks,
      retiredKeyset: null,
      policyDigest: chain.state.policyDigest,
    });
    expect(accepted.validUntilMs).toBeGreaterThanOrEqual(Date.parse('2026-09-01T00:00:00Z'));
    const sequence = chain.log.findIndex(({ type }) => type === 'AttestationAccepted');
    expect(projectAttestation(chain.state, v0.id)).toMatchObject({
      sequence,
      eligible: true,
      blocksLeft: AGES.maxAgeBlocks,
    });
  });

  test('evidence of an unknown key registers a member of weight zero', () => {
    const chain = new Chain();
    chain.block();
    const execution = chain.block(chain.evidence(stranger, enclaveOf(stranger)));
    expect(typesOf(execution)).toEqual(['MemberRegistered', 'AttestationAccepted']);
    expect(listMembers(chain.state).at(-1)).toMatchObject({
      id: stranger.id,
      weight: 0,
      role: 'member',
      eligible: true,
    });
    const { kind, payload } = chain.refresh(stranger, enclaveOf(stranger));
    expect(typesOf(chain.block(chain.transaction(stranger, kind, payload)))).toEqual(['AttestationRefreshed']);
  });

  test('refused evidence of an unknown key is counted, registers nobody, and says why to whoever asks before', () => {
    const chain = new Chain();
    chain.block();
    const forged = enclaveOf(stranger, { measurement: asMeasurement('ab'.repeat(48)) });
    const evidence = chain.evidence(stranger, forged);
    const { height, timeMs } = chain.state;
    const context = { height: asHeight(height + 1), timeMs };
    const why = { code: 'EVIDENCE_REFUSED', detail: 'MEASUREMENT_NOT_ALLOWED' };
    expect(strangerRefusal(chain.state, evidence, context)).toMatchObject(why);
    // A known sender's evidence is judged in its block, with an event.
    expect(strangerRefusal(chain.state, chain.evidence(v0, forged), context)).toBeUndefined();
    expect(strangerRefusal(chain.state, chain.evidence(stranger, enclaveOf(stranger)), context)).toBeUndefined();
    const execution = chain.block(evidence);
    expect(typesOf(execution)).toEqual(['UnknownSendersCounted']);
    expect(execution.fates).toEqual([{ id: evidence.id, fate: 'IGNORED' }]);
    expect(chain.state.executed.has(evidence.id)).toBe(false);
    expect(chain.state.members.size).toBe(4);
  });

  test.each([
    ['EVIDENCE_PURPOSE', { purpose: 'challenge' }],
    ['EVIDENCE_CHAIN_MISMATCH', { chain_id: digestOf('another chain') }],
    ['EVIDENCE_NODE_MISMATCH', { node_id: v1.id }],
    ['NONCE_MISMATCH', { nonce: digestOf('made up') }],
    ['NONCE_BLOCK_UNKNOWN', { nonce_height: 99 }],
    ['EVIDENCE_MALFORMED', { sign_key: '00'.repeat(32) }],
  ] as const)('rejects runtime data with %s', (code, runtime) => {
    const chain = new Chain();
    chain.block();
    expect(codesOf(chain.block(chain.evidence(v0, enclave, { runtime })))).toEqual([code]);
  });

  test('rejects bytes that are no bundle', () => {
    const chain = new Chain();
    const junk = chain.transaction(v0, 'submit-attestation', { bundle: toBase64(new Uint8Array(100)) });
    expect(codesOf(chain.block(junk))).toEqual(['EVIDENCE_MALFORMED']);
  });

  test('the nonce may be as old as the window and no older', () => {
    const chain = new Chain();
    const [old, tooOld] = [chain.evidence(v0, enclave), chain.evidence(v1, enclaveOf(v1))];
    chain.advanceTo(AGES.nonceWindowBlocks - 1);
    expect(codesOf(chain.block(old))).toEqual([]);
    expect(codesOf(chain.block(tooOld))).toEqual(['NONCE_BLOCK_UNKNOWN']);
  });

  test('one changed byte of the image is evidence for another image, which is refused', () => {
    const chain = new Chain();
    chain.block();
    const changed = enclaveOf(v0, { image: digestOf('image with one byte changed') });
    const execution = chain.block(chain.evidence(v0, changed));
    expect([codesOf(execution), detailOf(execution)]).toEqual([['EVIDENCE_REFUSED'], 'IMAGE_NOT_ALLOWED']);
  });

  test('evidence without CRLs, or with an older CRL than was used before, is refused', () => {
    const chain = new Chain();
    chain.block();
    const without = chain.block(chain.evidence(v0, enclave, { crls: [] }));
    expect(codesOf(without)).toEqual(['EVIDENCE_REFUSED']);
    chain.block(chain.evidence(v0, enclave));
    const older = simulatedCrl({
      product: 'Genoa',
      number: 6n,
      thisUpdateMs: Date.parse('2026-04-01T00:00:00Z'),
      nextUpdateMs: Date.parse('2026-09-01T00:00:00Z'),
    });
    expect(codesOf(chain.block(chain.evidence(v1, enclaveOf(v1), { crls: [older] })))).toEqual(['EVIDENCE_REFUSED']);
    expect(codesOf(chain.block(chain.evidence(v1, enclaveOf(v1), { crls: [CRL] })))).toEqual([]);
  });

  test('a device that a CRL revokes is refused', () => {
    const chain = new Chain();
    chain.block();
    const revoking = simulatedCrl({
      product: 'Genoa',
      number: 8n,
      thisUpdateMs: Date.parse('2026-05-02T00:00:00Z'),
      nextUpdateMs: Date.parse('2026-09-01T00:00:00Z'),
      revokedDevices: [enclave.device.serial],
    });
    expect(codesOf(chain.block(chain.evidence(v0, enclave, { crls: [revoking] })))).toEqual(['EVIDENCE_REFUSED']);
  });

  test('the same evidence again is not newer', () => {
    const chain = new Chain();
    chain.block();
    const [one, two] = [chain.evidence(v0, enclave), chain.evidence(v0, enclave)];
    expect(codesOf(chain.block([one, two]))).toEqual(['EVIDENCE_NOT_NEWER']);
  });

  test('a relaunch retires the old keyset, which never comes back', () => {
    const chain = new Chain();
    chain.block();
    chain.block(chain.evidence(v0, enclave));
    const relaunched = enclaveOf(v0, { run: 'second run' });
    const accepted = eventOf(chain.block(chain.evidence(v0, relaunched)), 'AttestationAccepted');
    expect(accepted.retiredKeyset).toBe(chain.keyset(enclave));
    expect(chain.state.keysets.get(chain.keyset(enclave))?.status).toBe('retired');
    expect(codesOf(chain.block(chain.evidence(v0, enclave)))).toEqual(['KEYSET_RETIRED']);
  });

  test('re-appraisal of the same keys keeps the keyset and renews the validity', () => {
    const chain = new Chain();
    chain.block();
    chain.block(chain.evidence(v0, enclave));
    chain.advanceTo(10);
    const again = eventOf(chain.block(chain.evidence(v0, enclave)), 'AttestationAccepted');
    expect(again).toMatchObject({ retiredKeyset: null, validUntilHeight: 11 + AGES.maxAgeBlocks });
    expect(chain.state.keysets.size).toBe(1);
  });

  test('keys never recur across members', () => {
    const chain = new Chain();
    chain.block();
    chain.block(chain.evidence(v0, enclave));
    const thief = { ...enclaveOf(v1), hpkeKey: enclave.hpkeKey };
    expect(codesOf(chain.block(chain.evidence(v1, thief)))).toEqual(['KEY_REUSED']);
  });

  test('one platform serves one member, until that attestation lapsed', () => {
    const chain = new Chain();
    chain.block();
    chain.block(chain.evidence(v0, enclave));
    const second = enclaveOf(v1, { device: v0.id });
    expect(codesOf(chain.block(chain.evidence(v1, second)))).toEqual(['PLATFORM_BOUND']);
    chain.advanceTo(1 + AGES.refreshWindowBlocks);
    expect(codesOf(chain.block(chain.evidence(v1, second)))).toEqual([]);
    expect(codesOf(chain.block(chain.evidence(v0, enclave)))).toEqual(['PLATFORM_BOUND']);
  });

  test('a platform is free for others as soon as its node runs on another', () => {
    const chain = new Chain();
    chain.block();
    chain.block(chain.evidence(v0, enclave));
    chain.block(chain.evidence(v0, enclaveOf(v0, { device: 'another device', run: 'second run' })));
    const second = enclaveOf(v1, { device: v0.id });
    expect(codesOf(chain.block(chain.evidence(v1, second)))).toEqual([]);
  });

  test('appraisals of one block are bounded, and strangers beyond the bound are only counted', () => {
    const chain = new Chain(genesisWith({ params: { ...GENESIS.params, maxAppraisalsPerBlock: 1 } }));
    chain.block();
    const execution = chain.block([
      chain.evidence(v0, enclave),
      chain.evidence(v1, enclaveOf(v1)),
      chain.evidence(stranger, enclaveOf(stranger)),
    ]);
    expect(typesOf(execution)).toEqual(['AttestationAccepted', 'TransactionRejected', 'UnknownSendersCounted']);
    expect(codesOf(execution)).toEqual(['APPRAISAL_LIMIT']);
  });
});

test('strangers cannot take more than half of a block’s appraisals', () => {
  const chain = new Chain(genesisWith({ params: { ...GENESIS.params, maxAppraisalsPerBlock: 3 } }));
  chain.block();
  const strangers = ['s0', 's1'].map((label) => {
    const bundle = toBase64(new Uint8Array(9));
    return chain.transaction(keyOf(label), 'submit-attestation', { bundle });
  });
  const third = chain.evidence(stranger, enclaveOf(stranger));
  const execution = chain.block([...strangers, third, chain.evidence(v0, enclave)]);
  expect(typesOf(execution)).toEqual(['AttestationAccepted', 'UnknownSendersCounted']);
  expect(eventOf(execution, 'UnknownSendersCounted').count).toBe(3);
  expect(eventOf(execution, 'AttestationAccepted').node).toBe(v0.id);
});

describe('refresh-attestation', () => {
  test('keeps a result alive beyond its window, and never beyond its validity', () => {
    const { chain } = runningChain(1);
    const accepted = chain.state.attestations.get(v0.id);
    chain.advanceTo(15);
    const refreshed = eventOf(chain.block(chain.refresh(v0, enclave)), 'AttestationRefreshed');
    expect(refreshed).toMatchObject({ refreshedHeight: 15, aliveUntilHeight: 15 + AGES.refreshWindowBlocks });
    const after = chain.state.attestations.get(v0.id);
    const newestSequence = chain.log.length - 1;
    const refreshedTo = { refreshedHeight: 15, aliveUntilHeight: 15 + AGES.refreshWindowBlocks };
    expect(after).toEqual({ ...accepted, ...refreshedTo, newestSequence });
  });

  test('heights increase, the block is a recent ancestor, the signature is of the attested key', () => {
    const { chain } = runningChain(1);
    chain.advanceTo(15);
    expect(codesOf(chain.block(chain.refresh(v0, enclave, { height: 0 })))).toEqual(['REFRESH_NOT_NEWER']);
    expect(codesOf(chain.block(chain.refresh(v0, enclave, { height: 5 })))).toEqual(['REFRESH_BLOCK_UNKNOWN']);
    expect(codesOf(chain.block(chain.refresh(v0, enclave, { blockHash: digestOf('fork') })))).toEqual([
      'REFRESH_BLOCK_UNKNOWN',
    ]);
    expect(codesOf(chain.block(chain.refresh(v0, enclave, { evidenceDigest: digestOf('other') })))).toEqual([
      'REFRESH_MISMATCH',
    ]);
    const forged = { ...enclave, sign: keyOf('forger') };
    expect(codesOf(chain.block(chain.refresh(v0, forged)))).toEqual(['REFRESH_SIGNATURE_INVALID']);
    expect(codesOf(chain.block(chain.refresh(v1, enclave)))).toEqual(['NO_ATTESTATION']);
    const junk = chain.transaction(v0, 'refresh-attestation', { statement: toBase64(new Uint8Array(7)) });
    expect(codesOf(chain.block(junk))).toEqual(['REFRESH_MALFORMED']);
  });

  test('what has lapsed cannot be refreshed, only appraised anew', () => {
    const { chain } = runningChain(1);
    chain.advanceTo(1 + AGES.refreshWindowBlocks);
    const late = chain.block(chain.refresh(v0, enclave));
    expect([codesOf(late), detailOf(late)]).toEqual([['ATTESTATION_LAPSED'], 'NOT_REFRESHED']);
    expect(codesOf(chain.block(chain.evidence(v0, enclave)))).toEqual([]);
    expect(projectAttestation(chain.state, v0.id)?.eligible).toBe(true);
  });
});

test('an attestation ends with its endorsements, by block time', () => {
  const { chain } = runningChain(1);
  const { validUntilMs } = chain.state.attestations.get(v0.id) ?? { validUntilMs: 0 };
  chain.block([], { timeMs: validUntilMs - 1 });
  expect(projectAttestation(chain.state, v0.id)).toMatchObject({ eligible: true, msLeft: 1 });
  chain.block([], { timeMs: validUntilMs });
  expect(projectAttestation(chain.state, v0.id)).toMatchObject({
    eligible: false,
    reasons: ['ATTESTATION_LAPSED_TIME'],
  });
});
