/**
 * The SDK's front: one object that holds a connection to a node, a trusted chain and the caller's key.
 */
import { PLATFORMS, type Platform } from '@cloister/attestation';
import type { Ed25519KeyPair } from '@cloister/crypto';
import type { AccountId, Digest } from '@cloister/encoding';
import type { LedgerEvent, LedgerEventType, PayloadByKind } from '@cloister/ledger';
import { MAX_HEAD_AGE_MS } from './chain/freshness.ts';
import { type GovernedKind, type GovernedTransaction, submitGoverned } from './chain/governance.ts';
import { expiryHeightAfter, sign, submitAndProve } from './chain/submit.ts';
import { type ProvenEvent, TrustedChain } from './chain/trusted-chain.ts';
import { type ClientContext, DEFAULT_WAIT_MS, type ProvenTransaction, type WaitOptions } from './context.ts';
import { type Edge, RUNTIME_EDGE } from './edge.ts';
import { ExecutorLists } from './executors/executor-lists.ts';
import { VerifiedEnclaves } from './executors/verified-enclaves.ts';
import { type VerifiedEnclave, verifyEnclave, verifyRecentEnclave } from './executors/verify-enclave.ts';
import { awaitInference, type InferenceResult } from './inference/await-inference.ts';
import type { InferenceRequest } from './inference/inference-request.ts';
import {
  grantModelKey,
  type ModelDescription,
  type PreparedModel,
  type PrepareOptions,
  prepareModel,
  publishModel,
} from './inference/models.ts';
import type { PendingInference } from './inference/pending-inference.ts';
import { requestInference } from './inference/request-inference.ts';
import type { NodeApi } from './node/api.ts';
import { NodePool, type OnNodeReport } from './node/node-pool.ts';
import { deadlineAfter } from './node/polling.ts';

export interface ClientOptions {
  /** One node, or several: the freshest head of any of them counts, and those that lag or lie are reported. */
  readonly api: NodeApi | readonly NodeApi[];
  /** Hash of the genesis that the caller trusts, from a source other than the node. */
  readonly chainId: Digest;
  readonly keyPair: Ed25519KeyPair;
  /** Must be true for a chain under simulated trust anchors; on such a chain no guarantee holds against anyone. */
  readonly acceptSimulated?: boolean;
  /** 32-byte keys, salts and nonces are drawn from this; by default the runtime's own randomness. */
  readonly randomBytes?: (length: number) => Uint8Array;
  readonly edge?: Edge;
  /** Oldest head, in milliseconds of block time against the caller's clock, that counts as the present; 30 seconds. */
  readonly maxHeadAgeMs?: number;
  /** Told of nodes that lag behind, lie or do not answer, where several are known. */
  readonly onNodeReport?: OnNodeReport;
}

/** Every method throws `ClientError` alone for what a node, an enclave or a caller's input does wrong. */
export class CloisterClient {
  readonly #context: ClientContext;

  private constructor(context: ClientContext) {
    this.#context = context;
  }

  /** Fetches the genesis and refuses one that is not of `chainId`. */
  static async connect(options: ClientOptions): Promise<CloisterClient> {
    const { api, chainId, keyPair, acceptSimulated = false, randomBytes } = options;
    const edge: Edge = { ...(options.edge ?? RUNTIME_EDGE), ...(randomBytes === undefined ? {} : { randomBytes }) };
    const { maxHeadAgeMs = MAX_HEAD_AGE_MS, onNodeReport = () => undefined } = options;
    const nodes = new NodePool(Array.isArray(api) ? api : [api], edge, onNodeReport);
    const chain = await TrustedChain.open(nodes, chainId, edge, maxHeadAgeMs);
    const context: ClientContext = {
      nodes,
      get api() {
        return nodes.current;
      },
      chain,
      executorLists: new ExecutorLists(),
      keyPair,
      edge,
      acceptSimulated,
      verified: new VerifiedEnclaves(),
    };
    return new CloisterClient(context);
  }

  /** Whether the chain stands on simulated platforms: say SIMULATED wherever a result is shown. */
  get simulated(): boolean {
    return this.#context.chain.simulated;
  }

  /** Platforms for which the genesis has reference values, ascending. */
  get genesisPlatforms(): readonly Platform[] {
    const { referenceValues } = this.#context.chain.genesis.genesis;
    return PLATFORMS.filter((platform) => referenceValues.some((value) => value.platform === platform));
  }

  /** Height of the newest finalized header that was verified here. */
  get trustedHeight(): number {
    return this.#context.chain.trustedHeight;
  }

  /** Appraises evidence of a node's enclave here: what a challenge brought within the last minutes, or now if `fresh`. */
  async verifyEnclave(
    node: AccountId,
    { timeoutMs = DEFAULT_WAIT_MS, fresh = false }: WaitOptions & { readonly fresh?: boolean } = {},
  ): Promise<VerifiedEnclave> {
    const deadline = deadlineAfter(this.#context.edge, timeoutMs);
    if (!fresh) return verifyRecentEnclave(this.#context, node, deadline);
    return (await verifyEnclave(this.#context, node, deadline)).enclave;
  }

  /** Checks a model and seals it under a fresh key; nothing leaves this machine. Keep `modelKey`. */
  async prepareModel(description: ModelDescription, options: PrepareOptions): Promise<PreparedModel> {
    return prepareModel(this.#context, description, options);
  }

  async publishModel(
    prepared: Pick<PreparedModel, 'manifest' | 'ciphertext'>,
    options: WaitOptions = {},
  ): Promise<ProvenTransaction & { readonly model: Digest }> {
    return publishModel(this.#context, prepared, options);
  }

  /** Grants a model's key to the enclave of a node, after verifying its evidence here. */
  async grantModelKey(
    grant: { readonly model: Digest; readonly modelKey: Uint8Array; readonly node: AccountId },
    options: WaitOptions = {},
  ): Promise<ProvenTransaction & { readonly enclave: VerifiedEnclave }> {
    return grantModelKey(this.#context, grant, options);
  }

  /** Verifies the executors, seals and hands in. Store what it returns to wait again after a restart. */
  async requestInference(
    request: InferenceRequest,
    { timeoutMs = DEFAULT_WAIT_MS }: WaitOptions = {},
  ): Promise<PendingInference> {
    return requestInference(this.#context, request, deadlineAfter(this.#context.edge, timeoutMs));
  }

  /** Waits for a request's outcome, and verifies and opens it. */
  async awaitInference(
    pending: PendingInference,
    { timeoutMs = DEFAULT_WAIT_MS }: WaitOptions = {},
  ): Promise<InferenceResult> {
    const deadline = deadlineAfter(this.#context.edge, timeoutMs, pending.transaction.id);
    return awaitInference(this.#context, pending, deadline);
  }

  /** `requestInference`, then `awaitInference`. Its privacy is that of the weakest of the k executors. */
  async infer(request: InferenceRequest, options: WaitOptions = {}): Promise<InferenceResult> {
    return this.awaitInference(await this.requestInference(request, options), options);
  }

  /** Writes an ordinary record and proves it. */
  async putRecord(
    record: { readonly namespace: string; readonly key: string; readonly value: string },
    { timeoutMs = DEFAULT_WAIT_MS }: WaitOptions = {},
  ): Promise<ProvenTransaction> {
    const context = this.#context;
    const head = await context.chain.head(deadlineAfter(context.edge, timeoutMs));
    const transaction = sign(context, 'put-record', record, expiryHeightAfter(context, head));
    const deadline = deadlineAfter(context.edge, timeoutMs, transaction.id);
    const { height, sequence } = await submitAndProve(context, transaction, 'RecordPut', deadline);
    return { transaction: transaction.id, height, sequence };
  }

  /** Hands in an approval of a policy or a measurement, newer endorsements or a revocation, and proves what became of it. */
  async submitGoverned<K extends GovernedKind>(
    kind: K,
    payload: PayloadByKind[K],
    { timeoutMs = DEFAULT_WAIT_MS }: WaitOptions = {},
  ): Promise<GovernedTransaction<K>> {
    const { edge } = this.#context;
    return submitGoverned(this.#context, kind, payload, (id?: Digest) => deadlineAfter(edge, timeoutMs, id));
  }

  /** The event at a sequence, proven from the genesis: final, included, and of the type that is expected there. */
  async verifyInclusion<T extends LedgerEventType>(
    sequence: number,
    type: T,
    { timeoutMs = DEFAULT_WAIT_MS }: WaitOptions = {},
  ): Promise<ProvenEvent<Extract<LedgerEvent, { type: T }>>> {
    return this.#context.chain.event(sequence, type, deadlineAfter(this.#context.edge, timeoutMs));
  }
}
