import { modelId } from '@cloister/confidential';
import {
  AGES,
  Chain,
  codesOf,
  digestOf,
  enclaveOf,
  eventOf,
  IMAGE,
  owner,
  runningChain,
  tenant,
  typesOf,
  v0,
  v1,
} from '@cloister/testkit';
import { describe, expect, test } from 'vitest';
import { listModels } from '../../src/index.ts';

describe('publish-model', () => {
  test('publishes under the digest of the manifest, once, by its owner', () => {
    const chain = new Chain();
    const manifest = chain.manifest();
    const published = eventOf(chain.block(chain.transaction(owner, 'publish-model', { manifest })), 'ModelPublished');
    expect(published).toMatchObject({ model: modelId(manifest), owner: owner.id, manifest });
    expect(codesOf(chain.block(chain.transaction(owner, 'publish-model', { manifest })))).toEqual(['MODEL_EXISTS']);
    expect(codesOf(chain.block(chain.transaction(tenant, 'publish-model', { manifest })))).toEqual([
      'MODEL_OWNER_MISMATCH',
    ]);
  });

  test('an execution policy that nothing here offers is rejected', () => {
    const chain = new Chain();
    const manifest = chain.manifest({ executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'beacon' } });
    expect(codesOf(chain.block(chain.transaction(owner, 'publish-model', { manifest })))).toEqual([
      'MODEL_POLICY_NOT_OFFERED',
    ]);
  });
});

describe('grant-model-key', () => {
  test('authorises an eligible keyset, naming the attestation and the policy of this height', () => {
    const chain = new Chain();
    const enclave = enclaveOf(v0);
    chain.block();
    const manifest = chain.manifest();
    chain.block([chain.evidence(v0, enclave), chain.transaction(owner, 'publish-model', { manifest })]);
    const grant = eventOf(
      chain.block(chain.grant(modelId(manifest), chain.keyset(enclave))),
      'ModelKeyGrantAuthorised',
    );
    expect(grant).toMatchObject({
      model: modelId(manifest),
      owner: owner.id,
      node: v0.id,
      keyset: chain.keyset(enclave),
      attestationSequence: chain.log.findIndex(({ type }) => type === 'AttestationAccepted'),
      policyDigest: chain.state.policyDigest,
      height: 3,
    });
    const sequence = chain.log.indexOf(grant);
    expect(listModels(chain.state)[0]?.grants).toMatchObject([{ node: v0.id, sequence, eligible: true }]);
  });

  test('is for the owner alone, and for keysets that were attested', () => {
    const { chain, enclaves, model } = runningChain(1);
    const [enclave = enclaveOf(v0)] = enclaves;
    expect(codesOf(chain.block(chain.grant(model, chain.keyset(enclave), tenant)))).toEqual(['MODEL_NOT_OWNED']);
    expect(codesOf(chain.block(chain.grant(digestOf('no model'), chain.keyset(enclave))))).toEqual(['MODEL_UNKNOWN']);
    expect(codesOf(chain.block(chain.grant(model, digestOf('no keyset'))))).toEqual(['KEYSET_UNKNOWN']);
    expect(typesOf(chain.block(chain.grant(model, chain.keyset(enclave))))).toEqual(['ModelKeyGrantAuthorised']);
  });

  test('is refused for an image that the owner did not release it to, and for a lapsed node', () => {
    const { chain, enclaves } = runningChain(2);
    const manifest = chain.manifest({
      releasePolicy: { images: [digestOf('other image')], platforms: ['sev-snp'], mayReplicate: false },
    });
    chain.block(chain.transaction(owner, 'publish-model', { manifest }));
    const [enclave = enclaveOf(v0), second = enclaveOf(v1)] = enclaves;
    const refused = eventOf(chain.block(chain.grant(modelId(manifest), chain.keyset(enclave))), 'TransactionRejected');
    expect(refused).toMatchObject({ code: 'EXECUTOR_NOT_ELIGIBLE', detail: 'MODEL_NOT_RELEASED_TO_IMAGE' });
    chain.advanceTo(1 + AGES.refreshWindowBlocks);
    const lapsed = eventOf(chain.block(chain.grant(modelId(manifest), chain.keyset(second))), 'TransactionRejected');
    expect(lapsed.detail).toBe('NOT_REFRESHED MODEL_NOT_RELEASED_TO_IMAGE');
  });
});

test('a model opens on no platform that its owner did not release it to', () => {
  const { chain, enclaves } = runningChain(1);
  const [enclave = enclaveOf(v0)] = enclaves;
  const manifest = chain.manifest({ releasePolicy: { images: [IMAGE], platforms: ['nitro'], mayReplicate: false } });
  chain.block(chain.transaction(owner, 'publish-model', { manifest }));
  const refused = eventOf(chain.block(chain.grant(modelId(manifest), chain.keyset(enclave))), 'TransactionRejected');
  expect(refused).toMatchObject({ code: 'EXECUTOR_NOT_ELIGIBLE', detail: 'MODEL_NOT_RELEASED_TO_PLATFORM' });
});

describe('revoke-model', () => {
  test('ends requests, grants and executions, and the tasks that wait for it at once', () => {
    const { chain, enclaves, model, nodes } = runningChain(2);
    const [e0 = enclaveOf(v0)] = enclaves;
    const other = chain.manifest({ name: 'other' });
    chain.block(chain.transaction(owner, 'publish-model', { manifest: other }));
    for (const enclave of enclaves) chain.block(chain.grant(modelId(other), chain.keyset(enclave)));
    const [waiting, kept] = [chain.request(model, enclaves), chain.request(modelId(other), enclaves)];
    chain.block([waiting, kept]);
    const revoked = chain.block(chain.transaction(owner, 'revoke-model', { model }));
    expect(typesOf(revoked)).toEqual(['ModelRevoked', 'InferenceFailed']);
    expect(eventOf(revoked, 'ModelRevoked')).toMatchObject({ model, owner: owner.id, height: chain.height });
    expect(eventOf(revoked, 'InferenceFailed')).toMatchObject({ task: chain.taskOf(waiting), code: 'MODEL_REVOKED' });
    expect(chain.state.tasks.get(chain.taskOf(kept))?.status).toBe('open');
    expect(codesOf(chain.block(chain.result(nodes[0] ?? v0, waiting, chain.receipt(waiting, e0))))).toEqual([
      'TASK_CLOSED',
    ]);
    expect(codesOf(chain.block(chain.request(model, enclaves)))).toEqual(['MODEL_REVOKED']);
    expect(codesOf(chain.block(chain.grant(model, chain.keyset(e0))))).toEqual(['MODEL_REVOKED']);
    expect(codesOf(chain.block(chain.transaction(owner, 'revoke-model', { model })))).toEqual(['MODEL_REVOKED']);
    expect(listModels(chain.state).find((one) => one.model === model)).toMatchObject({
      revokedHeight: eventOf(revoked, 'ModelRevoked').height,
      grants: enclaves.map(() => ({ eligible: false, reasons: ['MODEL_REVOKED'] })),
    });
    // The deadline that comes later fails nothing a second time.
    chain.advanceTo(chain.height + 20);
    expect(
      chain.log.filter((event) => event.type === 'InferenceFailed' && event.task === chain.taskOf(waiting)),
    ).toHaveLength(1);
  });

  test('is for the owner alone', () => {
    const { chain, model } = runningChain(1);
    expect(codesOf(chain.block(chain.transaction(tenant, 'revoke-model', { model })))).toEqual(['MODEL_NOT_OWNED']);
    const none = { model: digestOf('no model') };
    expect(codesOf(chain.block(chain.transaction(owner, 'revoke-model', none)))).toEqual(['MODEL_UNKNOWN']);
  });
});

describe('revoke-grant', () => {
  test('ends requests to that keyset and receipts of it, and no one else’s', () => {
    const { chain, enclaves, model, nodes } = runningChain(2);
    const [e0 = enclaveOf(v0), e1 = enclaveOf(v1)] = enclaves;
    const request = chain.request(model, enclaves, { threshold: 2 });
    chain.block(request);
    const keyset = chain.keyset(e0);
    const single = chain.request(model, [e1]);
    chain.block(single);
    const taken = chain.block(chain.transaction(owner, 'revoke-grant', { model, keyset }));
    const revoked = eventOf(taken, 'ModelGrantRevoked');
    expect(revoked).toMatchObject({ model, owner: owner.id, node: nodes[0]?.id, keyset, height: chain.height });
    expect(typesOf(taken)).toEqual(['ModelGrantRevoked', 'ExecutorLapsed', 'InferenceFailed']);
    expect(eventOf(taken, 'ExecutorLapsed').reasons).toEqual(['MODEL_GRANT_REVOKED']);
    expect(eventOf(taken, 'InferenceFailed')).toMatchObject({ task: chain.taskOf(request), code: 'EXECUTORS_LAPSED' });
    expect(codesOf(chain.block(chain.result(nodes[0] ?? v0, request, chain.receipt(request, e0))))).toEqual([
      'TASK_CLOSED',
    ]);
    expect(typesOf(chain.block(chain.result(nodes[1] ?? v1, single, chain.receipt(single, e1))))).toEqual([
      'ReceiptAccepted',
      'InferenceCompleted',
    ]);
    expect(codesOf(chain.block(chain.request(model, [e0])))).toEqual(['EXECUTOR_NOT_ELIGIBLE']);
    expect(typesOf(chain.block(chain.request(model, [e1])))).toEqual(['InferenceRequested']);
  });

  test('is for the owner alone, of a grant that stands, until the owner grants again', () => {
    const { chain, enclaves, model } = runningChain(1);
    const [enclave = enclaveOf(v0)] = enclaves;
    const revocation = { model, keyset: chain.keyset(enclave) };
    const by = (sender: typeof owner, payload = revocation) =>
      codesOf(chain.block(chain.transaction(sender, 'revoke-grant', payload)));
    expect(by(tenant)).toEqual(['MODEL_NOT_OWNED']);
    expect(by(owner, { ...revocation, model: digestOf('no model') })).toEqual(['MODEL_UNKNOWN']);
    expect(by(owner, { ...revocation, keyset: digestOf('no keyset') })).toEqual(['GRANT_UNKNOWN']);
    expect(by(owner)).toEqual([]);
    expect(by(owner)).toEqual(['GRANT_UNKNOWN']);
    chain.block(chain.grant(model, revocation.keyset));
    expect(typesOf(chain.block(chain.request(model, enclaves)))).toEqual(['InferenceRequested']);
  });
});
