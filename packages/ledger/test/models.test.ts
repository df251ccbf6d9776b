import { modelId } from '@cloister/confidential';
import { describe, expect, test } from 'vitest';
import { listModels } from '../src/index.ts';
import {
  AGES,
  Chain,
  codesOf,
  digestOf,
  enclaveOf,
  eventOf,
  owner,
  runningChain,
  tenant,
  typesOf,
  v0,
  v1,
} from './samples.ts';

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
