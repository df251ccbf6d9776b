/**
 * An enclave in the test's own process: real keys, evidence of a simulated machine in its real form, real opening, sealing
 * and receipts. Its "model" doubles every number.
 */
import {
  answerChallenge,
  decodeChallenge,
  type EvidenceBundle,
  encodeChallengeAnswer,
  encodeEvidenceBundle,
  encodeRuntimeData,
  keysetDigest,
  type Platform,
  reportDataFor,
} from '@cloister/attestation';
import { type SimulatedMachine, simulatedMachine, simulatedMeasurement } from '@cloister/attestation/simulated';
import {
  encodeReceipt,
  type Outcome,
  openModel,
  openModelKey,
  openRequest,
  type ReceiptStatement,
  sealResponse,
  type Tensor,
} from '@cloister/confidential';
import { type Ed25519KeyPair, ed25519KeyPair, type X25519KeyPair, x25519KeyPair } from '@cloister/crypto';
import { type Digest, fromHex, parseBase64, toHex } from '@cloister/encoding';
import type { InferenceRequested, ModelKeyGrantAuthorised, ModelPublished } from '@cloister/ledger';
import { sealedRequestOf } from '@cloister/proof';
import { BASE_MEASUREMENT, type FakeChain, IMAGE, seed } from '@cloister/testkit/fake-chain';

/** What a test can make an enclave do wrong. */
export interface Misbehaviour {
  /** Its machine measured another base: a changed byte of the image. */
  launchDigest?: string;
  /** Answers with the evidence and signature of this one. */
  relay?: FakeEnclave;
  /** Repeats its first answer. */
  replay?: boolean;
  /** Runs on the platform of this one. */
  platformOf?: FakeEnclave;
  /** Adds this to every output. */
  offset?: number;
  /** Changes what its receipts say, and signs it. */
  receipt?: Partial<ReceiptStatement>;
  /** Its runs give no output, for this reason. */
  fails?: string;
  /** Signs receipts with another key. */
  signer?: Ed25519KeyPair;
}

export class FakeEnclave {
  readonly host: Ed25519KeyPair;
  readonly keyset: Digest;
  misbehaviour: Misbehaviour = {};
  /** Challenges so far. */
  answered = 0;
  readonly #chain: FakeChain;
  readonly #machine: SimulatedMachine;
  readonly #sign: Ed25519KeyPair;
  readonly #hpke: X25519KeyPair;
  #firstAnswer: Uint8Array | undefined;
  readonly models = new Map<Digest, { readonly onnx: Uint8Array; readonly manifest: ModelPublished['manifest'] }>();

  /** `life`: each launch of a host's enclave makes keys of its own, on the same machine. */
  constructor(chain: FakeChain, host: Ed25519KeyPair, platform: Platform, life = '') {
    this.host = host;
    this.#chain = chain;
    this.#machine = simulatedMachine({ seed: seed(`device ${host.id}`), platform });
    this.#sign = ed25519KeyPair(seed(`sign ${host.id}${life}`));
    this.#hpke = x25519KeyPair(seed(`hpke ${host.id}${life}`));
    this.keyset = keysetDigest({
      chainId: chain.chainId,
      nodeId: host.id,
      hpkeKey: toHex(this.#hpke.publicKey),
      signKey: toHex(this.#sign.publicKey),
      image: IMAGE,
    });
  }

  #bundle(purpose: 'ledger' | 'challenge', nonce: string, nonceHeight: number): EvidenceBundle {
    const runtimeData = encodeRuntimeData({
      chain_id: this.#chain.chainId,
      domain: 'cloister/report-data/v1',
      purpose,
      hpke_key: toHex(this.#hpke.publicKey),
      sign_key: toHex(this.#sign.publicKey),
      image: IMAGE,
      node_id: this.host.id,
      nonce,
      nonce_height: nonceHeight,
    });
    const on: FakeEnclave = this.misbehaviour.platformOf ?? this;
    const launch = {
      launchDigest: fromHex(this.misbehaviour.launchDigest ?? BASE_MEASUREMENT),
      image: fromHex(IMAGE),
      reportData: reportDataFor(runtimeData),
    };
    return { ...on.#machine.collect(launch, this.#chain.state.timeMs), runtimeData };
  }

  /** Evidence for the ledger, over the newest block. */
  ledgerBundle(): Uint8Array {
    const { blockHash, height } = this.#chain.state;
    return encodeEvidenceBundle(this.#bundle('ledger', blockHash, height));
  }

  answer(challengeBytes: Uint8Array): Uint8Array {
    this.answered++;
    const { relay, replay } = this.misbehaviour;
    if (relay !== undefined) return relay.answer(challengeBytes);
    if (replay === true && this.#firstAnswer !== undefined) return this.#firstAnswer;
    const challenge = decodeChallenge(challengeBytes);
    if (!challenge.ok) throw new Error(challenge.code);
    const bundle = this.#bundle('challenge', challenge.value.nonce, this.#chain.height);
    const answer = encodeChallengeAnswer(answerChallenge(challenge.value, bundle, this.#sign.sign));
    this.#firstAnswer ??= answer;
    return answer;
  }

  async provision(grant: ModelKeyGrantAuthorised, published: ModelPublished, ciphertext: Uint8Array): Promise<void> {
    const key = await openModelKey({
      enc: fromHex(grant.enc),
      sealedKey: parseBase64(grant.sealedKey) ?? new Uint8Array(0),
      modelId: grant.model,
      keyCommitment: published.manifest.keyCommitment,
      chainId: this.#chain.chainId,
      keyset: this.keyset,
      hpkeSecretKey: this.#hpke.secretKey,
    });
    if (!key.ok) throw new Error(key.code);
    const onnx = openModel({ ciphertext, modelKey: key.value, manifest: published.manifest });
    if (!onnx.ok) throw new Error(onnx.code);
    this.models.set(grant.model, { onnx: onnx.value, manifest: published.manifest });
  }

  async run(event: InferenceRequested, payload: Uint8Array): Promise<{ receipt: Uint8Array; response: Uint8Array }> {
    const model = this.models.get(event.model);
    if (model === undefined) throw new Error('model not loaded');
    const opened = await openRequest({
      sealed: sealedRequestOf(this.#chain.chainId, event, payload),
      keyset: this.keyset,
      image: IMAGE,
      hpkeSecretKey: this.#hpke.secretKey,
    });
    if (!opened.ok) throw new Error(opened.code);
    const { requestKey, salt, tensors } = opened.value;
    const { fails } = this.misbehaviour;
    const outcome: Outcome =
      fails === undefined
        ? { status: 'completed', tensors: tensors.map((tensor) => this.#double(tensor)) }
        : { status: 'refused', code: fails, detail: '' };
    const response = sealResponse({ requestKey, salt, chainId: this.#chain.chainId, task: event.task, outcome });
    const statement: ReceiptStatement = {
      chainId: this.#chain.chainId,
      task: event.task,
      transaction: event.transaction,
      model: event.model,
      onnxDigest: model.manifest.onnxDigest,
      inputCommitment: event.inputCommitment,
      status: fails === undefined ? 'completed' : 'failed',
      outputCommitment: response.outputCommitment,
      responseDigest: response.responseDigest,
      image: IMAGE,
      measurement: simulatedMeasurement(this.#machine.platform, BASE_MEASUREMENT),
      policyDigest: event.policyDigest,
      height: event.height,
      engine: { name: 'doubling', version: '1', numericClass: 'exact' },
      executor: this.host.id,
      keyset: this.keyset,
      simulated: true,
      ...this.misbehaviour.receipt,
    };
    const { sign } = this.misbehaviour.signer ?? this.#sign;
    return { receipt: encodeReceipt(statement, sign), response: response.sealed };
  }

  #double(tensor: Tensor): Tensor {
    const values = new Float32Array(Uint8Array.from(tensor.data).buffer).map(
      (x) => 2 * x + (this.misbehaviour.offset ?? 0),
    );
    return { ...tensor, name: 'output', data: new Uint8Array(values.buffer) };
  }
}
