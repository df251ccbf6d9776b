import { contentDigest } from '@cloister/confidential';
import { fail } from '@cloister/encoding';
import { decodeTransaction, MAX_INLINE_BYTES } from '@cloister/ledger';
import { type Chain, enclaveOf, IMAGE, MEASUREMENT, runningChain, typesOf, v0, v1, v2, v3 } from '@cloister/testkit';
import { describe, expect, it } from 'vitest';
import { LOCAL_ENCLAVE_TAMPERED_TEXT, ProvenEnclave, processTransaction, verifyLocalEnclave } from '../src/index.ts';
import { QUOTE_AGE_MS_MAX } from '../src/proven-enclave.ts';
import { assignmentFor, CIPHERTEXT, MockEnclave, portsOver } from './mock-enclave.ts';

function scene(changes: Parameters<Chain['request']>[2] = {}) {
  const { chain, enclaves, model } = runningChain(2, undefined, { ciphertextDigest: contentDigest(CIPHERTEXT) });
  const own = enclaves[0] ?? enclaveOf(v0);
  const enclave = new MockEnclave(chain, own);
  const request = chain.request(model, [own], changes);
  chain.block(request);
  enclave.request = request;
  return {
    chain,
    own,
    enclave,
    request,
    model,
    ports: portsOver(chain, v0, enclave),
    assignment: assignmentFor(chain, request, own),
  };
}

describe('verifyLocalEnclave', () => {
  it('accepts the enclave that the ledger accepted, with a fresh nonce each time', async () => {
    const { ports, own } = scene();
    const first = await verifyLocalEnclave(ports);
    const second = await verifyLocalEnclave(ports);
    expect(first).toMatchObject({ ok: true, value: { measurement: own.measurement } });
    expect(first.ok && second.ok && first.value.runtime.nonce !== second.value.runtime.nonce).toBe(true);
  });

  it('refuses another measurement', async () => {
    const { ports, enclave, own } = scene();
    enclave.mischief.impostor = { ...own, measurement: `${'ab'.repeat(48)}` as typeof own.measurement };
    expect(await verifyLocalEnclave(ports)).toMatchObject({
      ok: false,
      code: 'LOCAL_ENCLAVE_TAMPERED',
      detail: 'local enclave tampered',
      reason: 'MEASUREMENT_NOT_ALLOWED',
    });
  });

  it('refuses a changed image under the same measurement', async () => {
    const { ports, enclave, own } = scene();
    enclave.mischief.impostor = { ...own, image: 'cd'.repeat(32) as typeof own.image };
    expect(await verifyLocalEnclave(ports)).toMatchObject({
      code: 'LOCAL_ENCLAVE_TAMPERED',
      reason: 'KEYSET_MISMATCH',
    });
  });

  it('refuses another run of the right image: its keys are not the attested ones', async () => {
    const { ports, enclave } = scene();
    enclave.mischief.impostor = enclaveOf(v0, { run: 'second run' });
    expect(await verifyLocalEnclave(ports)).toMatchObject({
      code: 'LOCAL_ENCLAVE_TAMPERED',
      reason: 'KEYSET_MISMATCH',
    });
  });

  it('refuses a replayed answer', async () => {
    const { ports, enclave } = scene();
    enclave.mischief.replay = true;
    expect(await verifyLocalEnclave(ports)).toMatchObject({ ok: true });
    expect(await verifyLocalEnclave(ports)).toMatchObject({ code: 'LOCAL_ENCLAVE_TAMPERED', reason: 'NONCE_MISMATCH' });
  });

  it('refuses the relayed answer of another node', async () => {
    const { ports, enclave } = scene();
    enclave.mischief.impostor = enclaveOf(v1);
    expect(await verifyLocalEnclave(ports)).toMatchObject({
      code: 'LOCAL_ENCLAVE_TAMPERED',
      reason: 'NODE_ID_MISMATCH',
    });
  });

  it('refuses an enclave that will not answer', async () => {
    const { ports, enclave } = scene();
    enclave.mischief.refuseChallenge = true;
    expect(await verifyLocalEnclave(ports)).toMatchObject({
      code: 'LOCAL_ENCLAVE_TAMPERED',
      reason: 'PLATFORM_REFUSED',
    });
  });

  it('refuses once the measurement is revoked on the ledger', async () => {
    const { ports, chain } = scene();
    const revocation = {
      platform: 'sev-snp',
      measurement: MEASUREMENT,
      image: IMAGE,
      name: 'x',
      status: 'revoked',
      graceUntilHeight: null,
    } as const;
    chain.block([v2, v3].map((member) => chain.transaction(member, 'set-measurement', revocation)));
    expect(await verifyLocalEnclave(ports)).toMatchObject({
      code: 'LOCAL_ENCLAVE_TAMPERED',
      reason: 'MEASUREMENT_REVOKED',
    });
  });

  it('tells an unreachable enclave and a missing attestation from a tampered one', async () => {
    const { ports, enclave, chain } = scene();
    enclave.mischief.unavailable = true;
    expect(await verifyLocalEnclave(ports)).toMatchObject({ code: 'ENCLAVE_UNAVAILABLE', reason: 'ENCLAVE_GONE' });
    expect(await verifyLocalEnclave(portsOver(chain, v3, enclave))).toMatchObject({ code: 'NOT_ATTESTED' });
  });
});

describe('verifyLocalEnclave with evidence that stands', () => {
  function provenScene() {
    const made = scene({ timeLimitMs: 60_000 });
    const clock = { nowMs: 0 };
    const proven = new ProvenEnclave({ monotonicMs: () => clock.nowMs });
    const { calls } = made.enclave;
    const quotes = () => calls.filter((call) => call === 'attest challenge').length;
    return { ...made, clock, quotes, ports: { ...made.ports, proven } };
  }

  it('asks for a signature of the attested key alone, until the evidence is older than its bound', async () => {
    const { ports, clock, quotes, enclave } = provenScene();
    for (let i = 0; i < 3; i++) expect(await verifyLocalEnclave(ports)).toMatchObject({ ok: true });
    expect(enclave.calls).toEqual(['attest challenge', 'attest presence', 'attest presence']);
    clock.nowMs = QUOTE_AGE_MS_MAX + 1;
    expect(await verifyLocalEnclave(ports)).toMatchObject({ ok: true });
    expect(quotes()).toBe(2);
  });

  it('takes evidence of whoever answers with another key, and refuses it', async () => {
    const { ports, enclave } = provenScene();
    await verifyLocalEnclave(ports);
    enclave.mischief.impostor = enclaveOf(v0, { run: 'second run' });
    const refused = { code: 'LOCAL_ENCLAVE_TAMPERED', reason: 'KEYSET_MISMATCH' };
    expect(await verifyLocalEnclave(ports)).toMatchObject(refused);
  });

  it('refuses once the measurement is revoked, whatever was proven before', async () => {
    const { ports, chain } = provenScene();
    await verifyLocalEnclave(ports);
    const pair = { platform: 'sev-snp', measurement: MEASUREMENT, image: IMAGE, name: 'x' } as const;
    const revoked = { ...pair, status: 'revoked', graceUntilHeight: null } as const;
    chain.block([v2, v3].map((member) => chain.transaction(member, 'set-measurement', revoked)));
    expect(await verifyLocalEnclave(ports)).toMatchObject({ reason: 'MEASUREMENT_REVOKED' });
  });

  it('takes new evidence when policy or endorsements have changed, or the attestation lapsed', async () => {
    const { ports, chain, quotes } = provenScene();
    await verifyLocalEnclave(ports);
    const current = chain.state.attestations.get(v0.id);
    if (current === undefined) throw new Error('no attestation');
    chain.state.attestations.set(v0.id, { ...current, bundle: `${current.bundle}` });
    await verifyLocalEnclave(ports);
    expect(quotes()).toBe(1);
    chain.state.attestations.set(v0.id, { ...current, bundle: 'AAAA' });
    await verifyLocalEnclave(ports);
    expect(quotes()).toBe(2);
    chain.state.policyDigest = contentDigest(Uint8Array.of(1));
    await verifyLocalEnclave(ports);
    expect(quotes()).toBe(3);
    chain.advanceTo(current.aliveUntilHeight + 1);
    await verifyLocalEnclave(ports);
    expect(quotes()).toBe(4);
  });

  it('tells an unreachable enclave from a tampered one', async () => {
    const { ports, enclave } = provenScene();
    await verifyLocalEnclave(ports);
    enclave.mischief.unavailable = true;
    expect(await verifyLocalEnclave(ports)).toMatchObject({ code: 'ENCLAVE_UNAVAILABLE' });
  });
});

describe('processTransaction', () => {
  it('verifies, provisions, runs and signs a result that the ledger accepts', async () => {
    const { chain, ports, enclave, assignment } = scene();
    const outcome = await processTransaction(ports, assignment);
    expect(outcome.ok && outcome.transaction.kind).toBe('submit-result');
    expect(enclave.calls).toEqual(['attest challenge', 'describe', 'provisionModel', 'runInference']);
    if (!outcome.ok) return;
    const decoded = decodeTransaction(outcome.transaction.bytes);
    expect(decoded.ok && decoded.value.sender).toBe(v0.id);
    chain.block(outcome.transaction);
    expect(chain.state.tasks.get(assignment.task)?.status).toBe('completed');
  });

  it('runs nothing when the enclave is not what the ledger accepted', async () => {
    const { ports, enclave, assignment } = scene();
    enclave.mischief.impostor = enclaveOf(v0, { run: 'tampered' });
    const outcome = await processTransaction(ports, assignment);
    expect(outcome).toMatchObject({ ok: false, code: 'LOCAL_ENCLAVE_TAMPERED', detail: LOCAL_ENCLAVE_TAMPERED_TEXT });
    expect(enclave.calls).toEqual(['attest challenge']);
  });

  it('does not load a model twice', async () => {
    const { ports, enclave, assignment } = scene();
    await processTransaction(ports, assignment);
    await processTransaction(ports, assignment);
    expect(enclave.calls.filter((call) => call === 'provisionModel')).toHaveLength(1);
  });

  it('stops at the very block at which the attestation lapses', async () => {
    const { chain, ports, assignment, enclave } = scene({ timeLimitMs: 60_000 });
    const { aliveUntilHeight } = chain.state.attestations.get(v0.id) ?? { aliveUntilHeight: 0 };
    chain.advanceTo(aliveUntilHeight);
    expect(await processTransaction(ports, assignment)).toMatchObject({ ok: true });
    chain.block();
    expect(await processTransaction(ports, assignment)).toMatchObject({
      code: 'NOT_ELIGIBLE',
      reasons: ['NOT_REFRESHED'],
    });
    expect(enclave.calls.filter((call) => call === 'runInference')).toHaveLength(1);
  });

  it('takes no task that is answered or past its deadline', async () => {
    const { chain, ports, assignment } = scene();
    const outcome = await processTransaction(ports, assignment);
    if (outcome.ok) chain.block(outcome.transaction);
    expect(await processTransaction(ports, assignment)).toMatchObject({ code: 'TASK_CLOSED' });
    const late = scene();
    late.chain.advanceTo(late.chain.height + 9);
    expect(await processTransaction(late.ports, late.assignment)).toMatchObject({ code: 'TASK_CLOSED' });
  });

  it('puts a large response into a blob, and answers when validators hold it', async () => {
    const { chain, ports, enclave, assignment } = scene();
    const response = new Uint8Array(MAX_INLINE_BYTES + 1).fill(1);
    enclave.mischief.response = response;
    ports.holdings.holders.push(v2, v3);
    const outcome = await processTransaction(ports, assignment);
    if (!outcome.ok) throw new Error(outcome.code);
    expect(ports.blobs.kept.get(contentDigest(response))).toEqual(response);
    expect(ports.holdings.collected).toEqual([
      {
        task: assignment.task,
        responseDigest: contentDigest(response),
        size: response.length,
        receipt: outcome.receipt,
      },
    ]);
    expect(typesOf(chain.block(outcome.transaction))).toEqual(['ReceiptAccepted', 'InferenceCompleted']);
  });

  it('hands in no receipt whose response too few hold', async () => {
    const { ports, enclave, assignment } = scene();
    enclave.mischief.response = new Uint8Array(MAX_INLINE_BYTES + 1).fill(1);
    ports.holdings.holders.push(v2);
    expect(await processTransaction(ports, assignment)).toMatchObject({ ok: false, code: 'RESPONSE_NOT_HELD' });
  });

  it('asks nobody to hold what fits the ledger', async () => {
    const { ports, enclave, assignment } = scene();
    enclave.mischief.response = new Uint8Array(MAX_INLINE_BYTES).fill(1);
    expect(await processTransaction(ports, assignment)).toMatchObject({ ok: true });
    expect(ports.holdings.collected).toEqual([]);
  });

  it('fetches a payload that is a blob, and takes none but the one named', async () => {
    const { chain, own, model, enclave, ports } = scene();
    const payload = new Uint8Array(20_000).fill(8);
    const request = chain.request(model, [own], {
      payload: null,
      payloadDigest: contentDigest(payload),
      payloadSize: payload.length,
    });
    chain.block(request);
    enclave.request = request;
    const assignment = assignmentFor(chain, request, own);
    expect(await processTransaction(ports, assignment)).toMatchObject({ code: 'BLOB_UNAVAILABLE' });
    ports.blobs.kept.set(contentDigest(payload), new Uint8Array(20_000));
    expect(await processTransaction(ports, assignment)).toMatchObject({ code: 'BLOB_UNAVAILABLE' });
    ports.blobs.kept.set(contentDigest(payload), payload);
    expect(await processTransaction(ports, assignment)).toMatchObject({ ok: true });
  });

  it('passes on why the enclave refused, and that a proof is not there yet', async () => {
    const { ports, enclave, assignment } = scene();
    enclave.mischief.inference = fail('NOT_SERVING');
    expect(await processTransaction(ports, assignment)).toMatchObject({
      code: 'ENCLAVE_REFUSED',
      reason: 'NOT_SERVING',
    });
    const unproven = { ...ports, proofs: { ...ports.proofs, authority: async () => undefined } };
    expect(await processTransaction(unproven, assignment)).toMatchObject({ code: 'NOT_PROVABLE' });
  });

  it('shows the enclave what the ledger holds of rules, itself, model and grant, with the event that each call rests on', async () => {
    const { chain, ports, enclave, model, own, assignment } = scene();
    await processTransaction(ports, assignment);
    const keyset = chain.keyset(own);
    const grant = chain.state.models.get(model)?.grants.get(keyset)?.sequence;
    const facts = `rules attestation/${v0.id} model/${model} grant/${model}/${keyset}`;
    const shown = enclave.authorities.map((bytes) => new TextDecoder().decode(bytes));
    expect(shown).toEqual([`${grant} ${facts}`, `${assignment.requestSequence} ${facts}`]);
  });

  it('shows a fresher header at once when the enclave has seen a newer one, a few times', async () => {
    const { ports, enclave, assignment } = scene({ timeLimitMs: 60_000 });
    enclave.mischief.staleHeaders = 3;
    expect(await processTransaction(ports, assignment)).toMatchObject({ ok: true });
    expect(enclave.calls.filter((call) => call === 'runInference')).toHaveLength(4);
    enclave.mischief.staleHeaders = 100;
    expect(await processTransaction(ports, assignment)).toMatchObject({
      code: 'ENCLAVE_REFUSED',
      reason: 'HEADER_NOT_NEWEST',
    });
    expect(enclave.mischief.staleHeaders).toBe(96);
  });

  it('says which reason of the ledger the enclave saw', async () => {
    const { ports, enclave, assignment } = scene();
    enclave.mischief.inference = fail('MODEL_GRANT_REVOKED');
    const refused = { code: 'NOT_ELIGIBLE', reasons: ['MODEL_GRANT_REVOKED'], reason: 'MODEL_GRANT_REVOKED' };
    expect(await processTransaction(ports, assignment)).toMatchObject(refused);
    enclave.mischief.model = 'MODEL_REVOKED';
    const other = portsOver(scene().chain, v0, enclave);
    expect(await processTransaction(other, assignment)).toMatchObject({ code: 'NOT_ELIGIBLE' });
  });

  it('has nothing to do for other transactions and for requests of others', async () => {
    const { chain, ports, assignment } = scene();
    expect(await processTransaction(ports, { ...assignment, requestSequence: 0 })).toMatchObject({
      code: 'NO_INFERENCE_REQUIRED',
    });
    const other = portsOver(chain, v1, ports.enclave);
    expect(await processTransaction(other, assignment)).toMatchObject({ code: 'NO_INFERENCE_REQUIRED' });
  });
});
