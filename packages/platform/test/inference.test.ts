/**
 * A real enclave process on a miniature chain: refused, accepted, granted, serving, lapsed.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { decodeEvidenceBundle, parseRuntimeData } from '@cloister/attestation';
import {
  encodeModelManifest,
  type OpenedResponse,
  openResponse,
  parseReceipt,
  type Tensor,
  verifyReceipt,
} from '@cloister/confidential';
import { encodeFinalityProof } from '@cloister/consensus';
import { fromHex, toBase64, utf8 } from '@cloister/encoding';
import { Chain, keyPair } from '@cloister/testkit/chain';
import { endlessModel } from '@cloister/testkit/endless-model';
import {
  admit,
  digitsFile,
  gone,
  grant,
  inPieces,
  type PublishedModel,
  provision,
  publish,
  request,
  type TenantRequest,
  unwrap,
  Workshop,
} from '@cloister/testkit/launched';
import { encodeOnnx } from '@cloister/testkit/onnx-writer';
import type { InferenceOutput } from '@cloister/validator';
import type * as Ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digitsSplit } from '../../node/src/digits/split.ts';
import type { LaunchedEnclave } from '../src/index.ts';

let workshop: Workshop;
let chain: Chain;
let enclave: LaunchedEnclave;
let model: PublishedModel;
const [digit] = digitsSplit().held;
const pixels = digit?.image ?? new Float32Array();
const image: Tensor = { name: 'image', datatype: 'FP32', shape: [1, 784], data: new Uint8Array(pixels.buffer) };

beforeAll(async () => {
  workshop = await Workshop.open({ limits: { runMsMax: 1_500 } });
  chain = new Chain({ ...workshop.built, refreshWindowBlocks: 90 });
  chain.block();
  enclave = await workshop.launch(chain);
  model = await publish(chain, workshop.built.image);
}, 60_000);
afterAll(() => workshop.close());

function run(tenant: TenantRequest): ReturnType<typeof enclave.port.runInference> {
  return enclave.port.runInference({
    authority: chain.authorityOf('InferenceRequested'),
    payload: tenant.sealed.payload,
  });
}

function open(tenant: TenantRequest, { receipt, response }: InferenceOutput): OpenedResponse {
  const { statement } = unwrap(parseReceipt(receipt));
  const { requestKey, salt } = tenant;
  const { task, outputCommitment } = statement;
  return unwrap(openResponse({ requestKey, salt, chainId: chain.chainId, task, outputCommitment, sealed: response }));
}

/** The bare model's answer, from onnxruntime in this process. */
async function bareAnswer(): Promise<Uint8Array> {
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const ort = createRequire(import.meta.url)('onnxruntime-node') as typeof Ort;
  const session = await ort.InferenceSession.create(new Uint8Array(await readFile(digitsFile)));
  const { probabilities } = await session.run({ image: new ort.Tensor('float32', pixels, [1, 784]) });
  const data = probabilities?.data as Float32Array;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

describe('before the ledger accepted its evidence', () => {
  it('refuses inference, model keys and refreshes', async () => {
    const authority = chain.authorityOf('ModelPublished');
    const refused = { ok: false, code: 'ATTESTATION_NOT_SHOWN' };
    expect(await enclave.port.runInference({ authority, payload: new Uint8Array() })).toMatchObject(refused);
    expect(await enclave.port.refresh({ facts: chain.factsBytes() })).toMatchObject(refused);
    expect((await enclave.port.describe()).phase).toBe('launched');
  });

  it('does not take a host’s word for the acceptance', async () => {
    const forged = encodeFinalityProof(chain.finality(chain.height, keyPair('mallory')));
    expect(await enclave.port.attest({ purpose: 'ledger', finality: forged })).toMatchObject({
      code: 'FINALITY_REFUSED',
    });
    expect(await enclave.port.accept({ facts: utf8('accepted, really') })).toMatchObject({ code: 'PROOF_MALFORMED' });
    expect(await enclave.port.accept({ facts: chain.factsBytes() })).toMatchObject({ code: 'ATTESTATION_NOT_SHOWN' });
  });
});

describe('once accepted', () => {
  beforeAll(() => admit(chain, enclave.port));

  it('serves', async () => {
    expect((await enclave.port.describe()).phase).toBe('serving');
  });

  it('runs nothing on an event that authorises nothing', async () => {
    expect(
      await enclave.port.runInference({
        authority: chain.authorityOf('AttestationAccepted'),
        payload: new Uint8Array(),
      }),
    ).toMatchObject({ code: 'NOT_AN_AUTHORISATION' });
  });

  it('takes a granted model only with the ciphertext and manifest that the ledger names', async () => {
    await grant(chain, model);
    const { sealed } = model;
    const flipped = sealed.ciphertext.slice();
    flipped[1000] = (flipped[1000] ?? 0) ^ 1;
    expect(
      await provision(chain, enclave.port, { ...model, sealed: { ...sealed, ciphertext: flipped } }),
    ).toMatchObject({
      code: 'CIPHERTEXT_DIGEST_MISMATCH',
    });
    expect(
      await provision(chain, enclave.port, { ...model, manifest: { ...model.manifest, version: '2' } }),
    ).toMatchObject({ code: 'MANIFEST_OTHER_MODEL' });
    unwrap(await provision(chain, enclave.port, model));
    expect((await enclave.port.describe()).models).toEqual([model.id]);
  });

  it('gives what the bare model gives, under a receipt of the attested key', async () => {
    const tenant = await request(chain, model, [image], 'one');
    const output = unwrap(await run(tenant));
    const receipt = unwrap(parseReceipt(output.receipt));
    const { signKey, keyset, measurement } = chain.last('AttestationAccepted');
    const { task, transaction, height } = chain.last('InferenceRequested');
    expect(verifyReceipt(receipt, fromHex(signKey)).ok).toBe(true);
    expect(receipt.statement).toMatchObject({ task, transaction, height, keyset, measurement, simulated: true });
    expect(open(tenant, output).outcome).toEqual({
      status: 'completed',
      tensors: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 10], data: await bareAnswer() }],
    });
    // Asked again, later and with another proof of the same event: the same bytes.
    chain.block();
    expect(unwrap(await run(tenant))).toEqual(output);
  });

  it('refuses a payload other than the one that the ledger names', async () => {
    const tenant = await request(chain, model, [image], 'flipped');
    const payload = tenant.sealed.payload.slice();
    payload[50] = (payload[50] ?? 0) ^ 1;
    expect(
      await enclave.port.runInference({ authority: chain.authorityOf('InferenceRequested'), payload }),
    ).toMatchObject({ code: 'PAYLOAD_DIGEST_MISMATCH' });
  });

  it('tells the tenant alone what was wrong with an input', async () => {
    const tenant = await request(chain, model, [{ ...image, shape: [784] }], 'wrong shape');
    expect(open(tenant, unwrap(await run(tenant))).outcome).toEqual({
      status: 'refused',
      code: 'TENSOR_SHAPE_DIFFERS',
      detail: 'image',
    });
  });

  it('refuses a model with random operators, however it was granted', async () => {
    const random = encodeOnnx({
      name: 'random',
      nodes: [{ operator: 'RandomNormalLike', inputs: ['image'], outputs: ['probabilities'] }],
      weights: [],
      input: { name: 'image', shape: [1, 784] },
      output: { name: 'probabilities', shape: [1, 784] },
    });
    const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [1, 784] }] as const;
    const hostile = await publish(chain, workshop.built.image, random, { name: 'random', outputs });
    await grant(chain, hostile);
    expect(await provision(chain, enclave.port, hostile)).toMatchObject({ code: 'ONNX_RANDOM_OPERATOR' });
  });

  it('kills an engine that does not come back, and answers its task alike when asked again', async () => {
    const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [1, 784] }] as const;
    const endless = await publish(chain, workshop.built.image, endlessModel(), { name: 'endless', outputs });
    await grant(chain, endless);
    unwrap(await provision(chain, enclave.port, endless));
    const engine = (await enclave.pids.engines()).at(-1);
    const hung = await request(chain, endless, [image], 'endless');
    const failed = unwrap(await run(hung));
    // The ledger reads that there is no output, the tenant why.
    expect(unwrap(parseReceipt(failed.receipt)).statement.status).toBe('failed');
    expect(open(hung, failed).outcome).toEqual({ status: 'refused', code: 'ENGINE_TIMEOUT', detail: '' });
    expect(await run(hung)).toEqual({ ok: true, value: failed });
    await gone(engine ?? 0);
    // Each model has a process of its own: its owner's other models stay where they are.
    const tenant = await request(chain, model, [image], 'after the endless one');
    expect(open(tenant, unwrap(await run(tenant))).outcome.status).toBe('completed');
    // The model that cost its process waits for its grant to be shown again.
    const again = await request(chain, endless, [image], 'endless again');
    expect(await run(again)).toMatchObject({ code: 'MODEL_NOT_GRANTED' });
  });

  it('runs a loaded model no more once its owner took the grant back, however the host tells it', async () => {
    const lent = await publish(chain, workshop.built.image, undefined, { name: 'lent' });
    await grant(chain, lent);
    unwrap(await provision(chain, enclave.port, lent));
    const tenant = await request(chain, lent, [image], 'lent');
    const { payload } = tenant.sealed;
    const before = chain.authorityOf('InferenceRequested');
    const { keyset } = chain.last('AttestationAccepted');
    chain.provable(chain.owner, { kind: 'revoke-grant', payload: { model: lent.id, keyset } });
    expect(await run(tenant)).toMatchObject({ code: 'MODEL_GRANT_REVOKED' });
    expect(await enclave.port.runInference({ authority: before, payload })).toMatchObject({
      code: 'HEADER_NOT_NEWEST',
    });
    expect(await provision(chain, enclave.port, lent)).toMatchObject({ code: 'MODEL_GRANT_REVOKED' });
  });

  it('never goes back in height', async () => {
    const bundle = unwrap(await enclave.port.attest({ purpose: 'ledger', finality: chain.finalityBytes(1) }));
    const runtime = unwrap(parseRuntimeData(unwrap(decodeEvidenceBundle(bundle)).runtimeData));
    const { trustedHeight } = await enclave.port.describe();
    expect(trustedHeight).toBe(chain.height);
    expect(runtime).toMatchObject({ purpose: 'ledger', nonce_height: trustedHeight });
  });

  it('starts over with new keys, to which the old acceptance means nothing', async () => {
    const restarted = await workshop.launch(chain);
    expect(await restarted.port.accept({ facts: chain.factsBytes() })).toMatchObject({
      code: 'KEYSET_NOT_OWN',
    });
    await restarted.stop();
  });
});

describe('as time goes by', () => {
  it('lives on by a refresh that the ledger took', async () => {
    const { aliveUntilHeight } = chain.last('AttestationAccepted');
    const statement = unwrap(await enclave.port.refresh({ facts: chain.factsBytes() }));
    chain.provable(chain.node, { kind: 'refresh-attestation', payload: { statement: toBase64(statement) } });
    unwrap(await enclave.port.accept({ facts: chain.factsBytes() }));
    while (chain.height <= aliveUntilHeight) chain.block();
    const tenant = await request(chain, model, [image], 'refreshed');
    expect(open(tenant, unwrap(await run(tenant))).outcome.status).toBe('completed');
  });

  it('stops at the very block at which nothing keeps it alive', async () => {
    const { aliveUntilHeight } = chain.last('AttestationRefreshed');
    while (chain.height < aliveUntilHeight - 1) chain.block();
    const tenant = await request(chain, model, [image], 'last');
    expect(chain.height).toBe(aliveUntilHeight + 1);
    const authority = chain.authorityOf('InferenceRequested', aliveUntilHeight + 1);
    const { payload } = tenant.sealed;
    expect((await enclave.port.describe()).phase).toBe('serving');
    expect(await enclave.port.runInference({ authority, payload })).toMatchObject({
      code: 'NOT_REFRESHED',
    });
    expect((await enclave.port.describe()).phase).toBe('attested');
  });
});

describe('an engine that takes more memory than the image allows', () => {
  it('is killed', async () => {
    const narrow = await Workshop.open({ limits: { memoryMibMax: 16 } });
    try {
      const other = new Chain(narrow.built);
      const { port, pids } = await narrow.launch(other);
      await admit(other, port);
      const published = await publish(other, narrow.built.image);
      await grant(other, published);
      const provisioned = await provision(other, port, published);
      // The engine may still have managed to load the model before it was measured.
      expect(['ok', 'ENGINE_CRASHED']).toContain(provisioned.ok ? 'ok' : provisioned.code);
      while ((await pids.engines()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    } finally {
      await narrow.close();
    }
  });
});

describe('an enclave whose engines all start at the same time', () => {
  let patient: Workshop;
  beforeAll(async () => {
    // With the limit of time that the image has by itself: eight processes share the cores of this machine.
    patient = await Workshop.open();
  });
  afterAll(() => patient.close());

  it('takes as many models at a time as a validator executes, and gives none up for another', async () => {
    const { built } = patient;
    const other = new Chain(built);
    const { port } = await patient.launch(other);
    await admit(other, port);
    const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [1, 784] }] as const;
    const models = await Promise.all(
      Array.from({ length: 8 }, (_, i) => {
        const nodes = [{ operator: 'Identity', inputs: ['image'], outputs: ['probabilities'] }];
        const input = { name: 'image', shape: [1, 784] };
        const onnx = encodeOnnx({
          name: `m${i}`,
          nodes,
          weights: [],
          input,
          output: { ...input, name: 'probabilities' },
        });
        return publish(other, built.image, onnx, { name: `at once ${i}`, outputs });
      }),
    );
    const brought: Parameters<typeof port.provisionModel>[0][] = [];
    for (const one of models) {
      await grant(other, one);
      const authority = other.authorityOf('ModelKeyGrantAuthorised');
      brought.push({
        authority,
        manifest: encodeModelManifest(one.manifest),
        ciphertext: inPieces(one.sealed.ciphertext),
      });
    }
    const provisioned = await Promise.all(brought.map((one) => port.provisionModel(one)));
    expect(provisioned).toEqual(models.map(() => ({ ok: true })));
  });
});
