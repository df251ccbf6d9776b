/** From evidence to answer over a real replica: what the executor's path gets handed, and when. */
import { encodeEvidenceBundle, encodeRuntimeData, keysetDigest, reportDataFor } from '@cloister/attestation';
import { contentDigest, encodeReceipt, modelId, taskId } from '@cloister/confidential';
import { acceptHeader, decodeFinalityProof, trustGenesis } from '@cloister/consensus';
import { leafHash, verifyInclusion } from '@cloister/crypto';
import { asHeight, assert, digestToBytes, fromHex, toBase64 } from '@cloister/encoding';
import { decodeEventRecord } from '@cloister/event-log';
import {
  decodeEvent,
  genesisValidatorSet,
  type PayloadByKind,
  signTransaction,
  type TransactionFields,
  type TransactionKind,
} from '@cloister/ledger';
import { buildEventProofParts } from '@cloister/replica';
import { Chain, CRL, deviceOf, digestOf, enclaveOf, IMAGE, MEASUREMENT, PAYLOAD, RESPONSE } from '@cloister/testkit';
import { client, MiniNet } from '@cloister/testkit/mini-net';
import { expect, it } from 'vitest';

async function scene() {
  const net = await MiniNet.of(1);
  await net.start();
  await net.advance(1_500);
  const executor = net.node(0).key;
  const enclave = enclaveOf(executor);
  const { chainId } = net.genesis;
  const keyset = keysetDigest({
    chainId,
    nodeId: executor.id,
    hpkeKey: enclave.hpkeKey,
    signKey: enclave.sign.id,
    image: IMAGE,
  });
  let nonces = 0;
  const submit = async <K extends TransactionKind>(sender: typeof client, kind: K, payload: PayloadByKind[K]) => {
    const { ledger } = net.node(0).replica;
    const fields = {
      chainId,
      sender: sender.id,
      nonce: (nonces++).toString(16).padStart(32, 'b'),
      expiryHeight: asHeight(ledger.height + 100),
      kind,
      payload,
    } as unknown as TransactionFields;
    const signed = signTransaction(sender, fields);
    assert(signed.ok, `transaction: ${signed.ok ? '' : signed.detail}`);
    expect(net.submit(net.node(0), signed.value.bytes).ok).toBe(true);
    await net.advance(1_000);
    expect(net.node(0).replica.ledger.executed.get(signed.value.id)).toBe(null);
    return signed.value;
  };
  return { net, executor, enclave, keyset, submit };
}

it('assigns a request once its event is provable, again after a restart, and no more once it is answered', async () => {
  const { net, executor, enclave, keyset, submit } = await scene();
  const { chainId } = net.genesis;
  const runtimeData = encodeRuntimeData({
    chain_id: chainId,
    domain: 'cloister/report-data/v1',
    purpose: 'ledger',
    hpke_key: enclave.hpkeKey,
    sign_key: enclave.sign.id,
    image: IMAGE,
    node_id: executor.id,
    nonce: net.node(0).replica.ledger.blockHash,
    nonce_height: net.node(0).replica.ledger.height,
  });
  const device = deviceOf(executor.id);
  const report = device.report({
    measurement: fromHex(MEASUREMENT),
    hostData: fromHex(IMAGE),
    reportData: reportDataFor(runtimeData),
  });
  const bundle = encodeEvidenceBundle({
    evidence: { platform: 'sev-snp', report },
    runtimeData,
    endorsements: { certificates: device.certificates, crls: [CRL] },
  });
  await submit(executor, 'submit-attestation', { bundle: toBase64(bundle) });
  const manifest = new Chain().manifest({ owner: client.id });
  await submit(client, 'publish-model', { manifest });
  const model = modelId(manifest);
  const sealedKey = toBase64(new Uint8Array(48));
  await submit(client, 'grant-model-key', { model, keyset, enc: '11'.repeat(32), sealedKey });
  expect(net.effectsOf(0, 'execute')).toEqual([]);

  const requestNonce = digestOf('request');
  const request = await submit(client, 'request-inference', {
    model,
    requestNonce,
    images: [IMAGE],
    executors: [{ keyset, enc: '22'.repeat(32), sealedKey }],
    threshold: 1,
    timeLimitMs: 60_000,
    inputCommitment: digestOf('input'),
    keyCommitment: digestOf('key commitment'),
    payloadDigest: contentDigest(PAYLOAD),
    payloadSize: PAYLOAD.length,
    payload: toBase64(PAYLOAD),
  });
  const task = taskId(chainId, client.id, requestNonce, request.expiryHeight);
  const effects = net.node(0).effects;
  const assigned = effects.findIndex((effect) => effect.type === 'execute');
  const effect = effects[assigned];
  assert(effect?.type === 'execute', 'the request was assigned');
  const assignment = effect.task;
  expect(assignment).toMatchObject({ task, model, keyset });
  const lastCommitted = effects.slice(0, assigned).findLast((earlier) => earlier.type === 'committed');
  expect(lastCommitted?.type === 'committed' && lastCommitted.provableHeight).toBeGreaterThanOrEqual(
    assignment.requestHeight,
  );

  // What proves the event to an enclave that knows the genesis only.
  const { reader } = net.node(0);
  const parts = await buildEventProofParts(reader, assignment.requestSequence);
  assert(parts !== undefined, 'the event is provable');
  const finality = decodeFinalityProof(parts.finality);
  assert(finality.ok, 'a finality proof');
  const trust = trustGenesis({
    chainId,
    validators: genesisValidatorSet(net.genesis.genesis),
    timestampMs: net.genesis.genesis.timeMs,
  });
  expect(acceptHeader(trust, finality.value).ok).toBe(true);
  const { eventCount, eventRoot } = finality.value.header.lastFinal;
  const included = verifyInclusion({
    leafHash: leafHash(parts.recordBytes),
    index: parts.index,
    size: eventCount,
    proof: [...parts.path],
    root: digestToBytes(eventRoot),
  });
  expect(included).toBe(true);
  const record = decodeEventRecord(parts.recordBytes);
  const event = record.ok ? decodeEvent(record.value.type, record.value.payload) : undefined;
  expect(event?.ok === true && event.value).toMatchObject({ type: 'InferenceRequested', task });
  expect(await buildEventProofParts(reader, reader.log.head.count)).toBeUndefined();

  net.node(0).effects.length = 0;
  await net.restart(0);
  await net.advance(500);
  expect(net.effectsOf(0, 'execute').map((again) => again.task)).toEqual([assignment]);

  const state = net.node(0).replica.ledger;
  const found = state.tasks.get(task);
  assert(found !== undefined, 'the task');
  const receipt = encodeReceipt(
    {
      chainId,
      task,
      transaction: request.id,
      model,
      onnxDigest: manifest.onnxDigest,
      inputCommitment: found.inputCommitment,
      status: 'completed',
      outputCommitment: digestOf('output'),
      responseDigest: contentDigest(RESPONSE),
      image: IMAGE,
      measurement: MEASUREMENT,
      policyDigest: found.policyDigest,
      height: found.height,
      engine: { name: 'onnxruntime-node', version: '1.30.0', numericClass: 'avx2' },
      executor: executor.id,
      keyset,
      simulated: true,
    },
    enclave.sign.sign,
  );
  const result = { task, receipt: toBase64(receipt), response: toBase64(RESPONSE), holdings: [] };
  await submit(executor, 'submit-result', result);
  expect(net.node(0).replica.ledger.tasks.get(task)?.status).toBe('completed');
  net.node(0).effects.length = 0;
  await net.restart(0);
  await net.advance(2_000);
  expect(net.effectsOf(0, 'execute')).toEqual([]);
});
