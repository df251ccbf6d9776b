/** Which blobs the ledger names: followed block by block, and forgotten with what named them. */
import type { Digest } from '@cloister/encoding';
import type { LedgerEvent } from '@cloister/ledger';
import { Chain, digestOf, enclaveOf, owner, tenant, v0 } from '@cloister/testkit';
import { describe, expect, it } from 'vitest';
import { BlobNames } from '../../src/blobs/blob-names.ts';

describe('names of blobs', () => {
  it('are those of models, payloads and responses, whether told or found in the state', () => {
    const chain = new Chain();
    const enclave = enclaveOf(v0);
    const told = new BlobNames(() => chain.state);
    const block = (...given: Parameters<Chain['block']>): void => told.committed(chain.block(...given).events);
    block();
    block(chain.evidence(v0, enclave));
    block(chain.transaction(owner, 'publish-model', { manifest: chain.manifest() as never }));
    const [model] = chain.state.models.values();
    block(chain.grant(model?.id as Digest, chain.keyset(enclave)));
    const request = chain.request(model?.id as Digest, [enclave]);
    block(request);
    block(chain.result(v0, request, chain.receipt(request, enclave)));
    const [task] = chain.state.tasks.values();
    const [model1, payload, response] = [
      model?.manifest.ciphertextDigest as Digest,
      task?.payloadDigest as Digest,
      task?.receipts[0]?.responseDigest as Digest,
    ];
    for (const names of [told, new BlobNames(() => chain.state)]) {
      expect([model1, payload, response, digestOf('other')].map((digest) => names.has(digest))).toEqual([
        true,
        true,
        true,
        false,
      ]);
      expect([model1, payload, response].map((digest) => names.isWorkload(digest))).toEqual([true, true, false]);
      expect([model1, payload, response].map((digest) => names.ownerOf(digest))).toEqual([
        owner.id,
        task?.sender,
        tenant.id,
      ]);
    }
    chain.state.tasks.clear();
    expect([payload, response].map((digest) => told.has(digest))).toEqual([false, false]);
    expect(told.ownerOf(payload)).toBeUndefined();
  });

  it('that no longer hold are swept out when they outweigh those that do', () => {
    const chain = new Chain();
    const names = new BlobNames(() => chain.state);
    for (let i = 0; i < 5_000; i++) {
      const event = { type: 'InferenceRequested', payloadDigest: digestOf(`${i}`), task: digestOf(`task ${i}`) };
      names.committed([event as unknown as LedgerEvent]);
      expect(names.size).toBeLessThanOrEqual(1_025);
    }
  });
});
