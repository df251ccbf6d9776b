/** The ledger of one replica, which a test drives block by block. Blocks have no headers: `hashAt` stands for their hashes. */
import {
  encodeEvidenceBundle,
  encodeRefresh,
  encodeRuntimeData,
  keysetDigest,
  type RuntimeData,
  reportDataFor,
  signRefresh,
} from '@cloister/attestation';
import {
  contentDigest,
  encodeReceipt,
  type ModelManifest,
  type ReceiptStatement,
  taskId,
} from '@cloister/confidential';
import type { ProvenFault } from '@cloister/consensus';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { asEpoch, asHeight, assert, asValidatorId, type Digest, fromHex, toBase64 } from '@cloister/encoding';
import {
  BATCH_ENVELOPE_BYTES,
  type Execution,
  evolve,
  executeBlock,
  genesisEvents,
  type HeldResponse,
  initialState,
  type LedgerEvent,
  type LedgerState,
  laneOf,
  MAX_BATCH_BYTES,
  type ParsedGenesis,
  type PayloadByKind,
  type RequestInferencePayload,
  signBatch,
  signHolding,
  signTransaction,
  type Transaction,
  type TransactionFields,
  type TransactionKind,
  type VerifiedBatch,
} from '@cloister/ledger';
import { CRL, type Enclave, type EnclaveKeys, type EvidenceChanges } from './enclaves.ts';
import { genesisWith, IMAGE } from './genesis.ts';
import { digestOf, owner, tenant, v0 } from './keys.ts';

export const BLOCK_MS = 1000;

type Submission = Transaction | readonly Transaction[];

/** One replica's ledger, executing whatever a test puts into a block. */
export class Chain {
  readonly genesis: ParsedGenesis;
  state: LedgerState;
  readonly log: LedgerEvent[] = [];
  #nonces = 0;

  constructor(genesis: ParsedGenesis = genesisWith({})) {
    this.genesis = genesis;
    this.state = initialState();
    for (const event of genesisEvents(genesis)) {
      this.state = evolve(this.state, event);
      this.log.push(event);
    }
  }

  #nonce(): string {
    this.#nonces++;
    return digestOf(`nonce ${this.#nonces}`).slice(0, 32);
  }

  get height(): number {
    return this.state.height;
  }

  hashAt(height: number): Digest {
    return height === 0 ? this.genesis.chainId : digestOf(`block ${height}`);
  }

  /** A signed transaction that may still be executed in the next block. */
  transaction<K extends TransactionKind>(
    sender: Ed25519KeyPair,
    kind: K,
    payload: PayloadByKind[K],
    expiryHeight: number = this.height + 20,
  ): Transaction {
    const fields = {
      chainId: this.genesis.chainId,
      sender: sender.id,
      nonce: this.#nonce(),
      expiryHeight: asHeight(expiryHeight),
      kind,
      payload,
    } as unknown as TransactionFields;
    const signed = signTransaction(sender, fields);
    assert(signed.ok, `transaction: ${signed.ok ? '' : `${signed.code} ${signed.detail}`}`);
    return signed.value;
  }

  /** Batches of an author, as many as the transactions need, each of one lane. */
  batches(transactions: readonly Transaction[], author: Ed25519KeyPair = v0): readonly VerifiedBatch[] {
    const groups: Transaction[][] = [];
    for (const transaction of transactions) {
      const last = groups.at(-1);
      const bytes = (last ?? []).reduce((sum, { bytes: wire }) => sum + wire.length + 4, BATCH_ENVELOPE_BYTES);
      const fits = bytes + transaction.bytes.length + 4 <= MAX_BATCH_BYTES;
      if (last?.[0] !== undefined && laneOf(last[0].kind) === laneOf(transaction.kind) && fits) last.push(transaction);
      else groups.push([transaction]);
    }
    return groups.map((group) => ({
      batch: signBatch(author, {
        chainId: this.genesis.chainId,
        author: asValidatorId(author.id),
        epoch: asEpoch(0),
        lane: laneOf(group[0]?.kind ?? 'put-record'),
        expiryHeight: asHeight(this.height + 20),
        transactions: group.map(({ bytes }) => bytes),
      }),
      transactions: group,
    }));
  }

  /** Executes the next block; one second later unless told otherwise. */
  block(
    transactions: Submission = [],
    options: {
      readonly author?: Ed25519KeyPair;
      readonly timeMs?: number;
      readonly faults?: readonly ProvenFault[];
    } = {},
  ): Execution {
    const list = 'id' in transactions ? [transactions] : transactions;
    const height = asHeight(this.height + 1);
    const execution = executeBlock(this.state, {
      height,
      hash: this.hashAt(height),
      timeMs: options.timeMs ?? this.state.timeMs + BLOCK_MS,
      batches: this.batches(list, options.author),
      faults: options.faults ?? [],
    });
    this.log.push(...execution.events);
    return execution;
  }

  /** Empty blocks until the chain is at `height`. */
  advanceTo(height: number): void {
    while (this.height < height) this.block();
  }

  runtimeData(enclave: EnclaveKeys, changes: Partial<RuntimeData> = {}): Uint8Array {
    return encodeRuntimeData({
      chain_id: this.genesis.chainId,
      domain: 'cloister/report-data/v1',
      purpose: 'ledger',
      hpke_key: enclave.hpkeKey,
      sign_key: enclave.sign.id,
      image: enclave.image,
      node_id: enclave.node,
      nonce: this.hashAt(this.height),
      nonce_height: this.height,
      ...changes,
    });
  }

  bundle(enclave: Enclave, changes: EvidenceChanges = {}): Uint8Array {
    const runtimeData = this.runtimeData(enclave, changes.runtime);
    const report = enclave.device.report({
      measurement: fromHex(enclave.measurement),
      hostData: fromHex(enclave.image),
      reportData: reportDataFor(runtimeData),
    });
    return encodeEvidenceBundle({
      evidence: { platform: 'sev-snp', report },
      runtimeData,
      endorsements: { certificates: enclave.device.certificates, crls: changes.crls ?? [CRL] },
    });
  }

  /** A submit-attestation with the newest block as its nonce. */
  evidence(node: Ed25519KeyPair, enclave: Enclave, changes: EvidenceChanges = {}): Transaction {
    return this.transaction(node, 'submit-attestation', { bundle: toBase64(this.bundle(enclave, changes)) });
  }

  /** A refresh of the node's current attestation, naming the newest block. */
  refresh(
    node: Ed25519KeyPair,
    enclave: EnclaveKeys,
    changes: { readonly height?: number; readonly blockHash?: Digest; readonly evidenceDigest?: Digest } = {},
  ): Transaction {
    const height = changes.height ?? this.height;
    const statement = {
      chainId: this.genesis.chainId,
      evidenceDigest:
        changes.evidenceDigest ?? this.state.attestations.get(node.id)?.evidenceDigest ?? digestOf('none'),
      nodeId: node.id,
      height: asHeight(height),
      blockHash: changes.blockHash ?? this.hashAt(height),
    };
    const bytes = encodeRefresh(signRefresh(statement, enclave.sign.sign));
    return this.transaction(node, 'refresh-attestation', { statement: toBase64(bytes) });
  }

  keyset(enclave: EnclaveKeys): Digest {
    const { node: nodeId, hpkeKey, image } = enclave;
    return keysetDigest({ chainId: this.genesis.chainId, nodeId, hpkeKey, signKey: enclave.sign.id, image });
  }

  manifest(changes: Partial<ModelManifest> = {}): ModelManifest {
    return {
      schema: 'cloister/model/v1',
      name: 'digits',
      version: '1',
      owner: owner.id,
      onnxDigest: digestOf('onnx'),
      ciphertextDigest: digestOf('ciphertext'),
      size: 1000,
      inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 784] }],
      outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 10] }],
      engine: { name: 'onnxruntime-node', version: '1.30.0' },
      keyCommitment: digestOf('key'),
      releasePolicy: { images: [IMAGE], platforms: ['sev-snp'], mayReplicate: false },
      executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
      ...changes,
    };
  }

  grant(model: Digest, keyset: Digest, from: Ed25519KeyPair = owner): Transaction {
    return this.transaction(from, 'grant-model-key', { model, keyset, enc: '11'.repeat(32), sealedKey: SEALED_KEY });
  }

  request(
    model: Digest,
    enclaves: readonly EnclaveKeys[],
    changes: Partial<RequestInferencePayload> = {},
  ): Transaction {
    return this.transaction(tenant, 'request-inference', {
      model,
      requestNonce: digestOf(`request ${this.#nonce()}`),
      images: [IMAGE],
      executors: enclaves.map((enclave) => ({
        keyset: this.keyset(enclave),
        enc: '22'.repeat(32),
        sealedKey: SEALED_KEY,
      })),
      threshold: Math.floor(enclaves.length / 2) + 1,
      timeLimitMs: 9 * BLOCK_MS,
      inputCommitment: digestOf('input'),
      keyCommitment: digestOf('key commitment'),
      payloadDigest: contentDigest(PAYLOAD),
      payloadSize: PAYLOAD.length,
      payload: toBase64(PAYLOAD),
      ...changes,
    });
  }

  /** A true receipt of an enclave for a requested task, members changed at will. */
  receipt(request: Transaction, enclave: EnclaveKeys, changes: Partial<ReceiptStatement> = {}): Uint8Array {
    const task = this.taskOf(request);
    const found = this.state.tasks.get(task);
    const model = this.state.models.get(found?.model ?? task);
    assert(found !== undefined && model !== undefined, 'receipt for a task that was not requested');
    const statement: ReceiptStatement = {
      chainId: this.genesis.chainId,
      task,
      transaction: request.id,
      model: found.model,
      onnxDigest: model.manifest.onnxDigest,
      inputCommitment: found.inputCommitment,
      status: 'completed',
      outputCommitment: digestOf('output'),
      responseDigest: contentDigest(RESPONSE),
      image: enclave.image,
      measurement: enclave.measurement,
      policyDigest: found.policyDigest,
      height: found.height,
      engine: { name: 'onnxruntime-node', version: '1.30.0', numericClass: 'avx2' },
      executor: enclave.node,
      keyset: this.keyset(enclave),
      simulated: true,
      ...changes,
    };
    return encodeReceipt(statement, enclave.sign.sign);
  }

  taskOf(request: Transaction): Digest {
    assert(request.kind === 'request-inference', 'not a request');
    return taskId(this.genesis.chainId, request.sender, request.payload.requestNonce, request.expiryHeight);
  }

  /** Statements that these hold the response to a request, members changed at will. */
  holdings(request: Transaction, holders: readonly Ed25519KeyPair[], changes: Partial<HeldResponse> = {}): string[] {
    const { chainId } = this.genesis;
    const held = { chainId, task: this.taskOf(request), responseDigest: contentDigest(RESPONSE), ...changes };
    return holders.map((holder) => signHolding(holder, held));
  }

  result(
    sender: Ed25519KeyPair,
    request: Transaction,
    receipt: Uint8Array,
    response: Uint8Array | null = RESPONSE,
    holdings: readonly string[] = [],
  ): Transaction {
    const task = this.taskOf(request);
    const inline = response === null ? null : toBase64(response);
    const payload = { task, receipt: toBase64(receipt), response: inline, holdings };
    return this.transaction(sender, 'submit-result', payload);
  }
}

export const PAYLOAD: Uint8Array = new Uint8Array(1024).fill(7);
export const RESPONSE: Uint8Array = new Uint8Array(1024).fill(9);
const SEALED_KEY: string = toBase64(new Uint8Array(48).fill(3));
