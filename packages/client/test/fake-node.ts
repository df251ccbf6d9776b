/**
 * A node behind the `NodeApi` port, over a fake chain and fake enclaves. Each `tick` is one block: what was handed in is
 * executed by the real ledger, and enclaves that a new event names do their part.
 */
import { CHALLENGE_BYTES, type Platform } from '@cloister/attestation';
import { contentDigest, modelManifestToJson } from '@cloister/confidential';
import {
  type AccountId,
  type Digest,
  type JsonValue,
  parseBase64,
  parseJson,
  toBase64,
  toHex,
} from '@cloister/encoding';
import {
  decodeTransaction,
  eligible,
  encodeEvent,
  type FactSubject,
  type InferenceRequested,
  type LedgerEvent,
  MAX_INLINE_BYTES,
  type ModelPublished,
  settledBy,
  signHolding,
  signTransaction,
  type Transaction,
  type TransactionFields,
} from '@cloister/ledger';
import { encodeEventProof, encodeFactsProof } from '@cloister/proof';
import { FakeChain, seed, validators } from '@cloister/testkit/fake-chain';
import type { Edge } from '../src/edge.ts';
import { ClientError } from '../src/errors.ts';
import type { ListedEvent, ListedModel, NodeApi, TransactionFate } from '../src/node/api.ts';
import { FakeEnclave } from './fake-enclave.ts';

const REJECTED = 'TransactionRejected';

export class FakeNode implements NodeApi {
  readonly name: string = 'fake';
  readonly chain: FakeChain;
  readonly enclaves: readonly FakeEnclave[];
  readonly blobs = new Map<Digest, Uint8Array>();
  readonly submitted: Uint8Array[] = [];
  /** Calls of the port that fail with API_UNREACHABLE before they are answered again. */
  outages = 0;
  /** Transactions that the node forgets once. */
  forgets = 0;
  /** Executors do not answer. */
  silent = false;
  /** They keep large responses to themselves. */
  withholds = false;
  #pending: Transaction[] = [];
  #nonce = 0;

  /** `platforms`: of the validators' enclaves, by index; SEV-SNP beyond the list. */
  constructor(chain: FakeChain = new FakeChain(), platforms: readonly Platform[] = []) {
    this.chain = chain;
    this.enclaves = validators.map((host, i) => new FakeEnclave(chain, host, platforms[i] ?? 'sev-snp'));
    chain.block();
  }

  /** Every enclave's evidence is on the ledger, and provable. */
  attestAll(): void {
    for (const enclave of this.enclaves) {
      this.#handIn(enclave, 'submit-attestation', { bundle: toBase64(enclave.ledgerBundle()) });
    }
    const events = this.chain.block(this.#pending);
    this.#pending = [];
    const accepted = events.filter(({ type }) => type === 'AttestationAccepted').length;
    if (accepted !== this.enclaves.length)
      throw new Error(JSON.stringify(events.filter(({ type }) => type === REJECTED)));
    this.chain.block();
  }

  #handIn(enclave: FakeEnclave, kind: TransactionFields['kind'], payload: unknown): void {
    const nonce = toHex(seed(`nonce ${this.#nonce++}`)).slice(0, 32);
    const expiryHeight = this.chain.height + 50;
    const fields = { chainId: this.chain.chainId, sender: enclave.host.id, nonce, expiryHeight, kind, payload };
    const signed = signTransaction(enclave.host, fields as TransactionFields);
    if (!signed.ok) throw new Error(`${signed.code} ${signed.detail}`);
    this.#pending.push(signed.value);
  }

  /** One block. */
  async tick(): Promise<void> {
    const transactions = this.#pending;
    this.#pending = [];
    for (const event of this.chain.block(transactions)) await this.#follow(event);
  }

  async #follow(event: LedgerEvent): Promise<void> {
    if (event.type === 'ModelKeyGrantAuthorised') {
      const published = this.chain.events.find(
        (one): one is ModelPublished => one.type === 'ModelPublished' && one.model === event.model,
      );
      const enclave = this.enclaves.find(({ keyset }) => keyset === event.keyset);
      const ciphertext = this.blobs.get(published?.manifest.ciphertextDigest ?? event.model);
      if (published && ciphertext) await enclave?.provision(event, published, ciphertext);
    }
    if (event.type === 'InferenceRequested' && !this.silent) await this.#execute(event);
  }

  async #execute(event: InferenceRequested): Promise<void> {
    const payload = event.payload === null ? this.blobs.get(event.payloadDigest) : parseBase64(event.payload);
    if (payload === undefined) return;
    for (const { keyset } of event.executors) {
      const enclave = this.enclaves.find((one) => one.keyset === keyset);
      if (enclave === undefined) continue;
      const { receipt, response } = await enclave.run(event, payload);
      const inline = response.length <= MAX_INLINE_BYTES;
      if (!inline) this.blobs.set(contentDigest(response), response);
      const held = { chainId: this.chain.chainId, task: event.task, responseDigest: contentDigest(response) };
      const others = validators.filter(({ id }) => id !== enclave.host.id);
      const holdings = inline || this.withholds ? [] : others.slice(0, 2).map((holder) => signHolding(holder, held));
      const answer = { response: inline ? toBase64(response) : null, holdings };
      this.#handIn(enclave, 'submit-result', { task: event.task, receipt: toBase64(receipt), ...answer });
    }
  }

  #answer(): void {
    if (this.outages === 0) return;
    this.outages--;
    throw new ClientError('API_UNREACHABLE');
  }

  async status() {
    const { height, eventCount } = this.chain.state;
    return { chainId: this.chain.chainId, height, provableHeight: height - 1, eventCount };
  }

  async genesis() {
    return this.chain.genesis.bytes;
  }

  async submitTransaction(bytes: Uint8Array) {
    this.submitted.push(bytes);
    const decoded = decodeTransaction(bytes);
    if (!decoded.ok) throw new ClientError('API_REFUSED', decoded.code);
    if (this.forgets-- > 0) return;
    this.#pending.push(decoded.value);
  }

  async transactionFate(id: Digest): Promise<TransactionFate> {
    this.#answer();
    if (this.#pending.some((one) => one.id === id)) return { fate: 'PENDING' };
    const sequence = this.chain.events.findIndex((event) => settledBy(event)?.id === id);
    if (sequence >= 0)
      return { fate: this.chain.events[sequence]?.type === REJECTED ? 'REJECTED' : 'COMMITTED', sequence };
    return { fate: 'UNKNOWN' };
  }

  async putBlob(bytes: Uint8Array) {
    this.blobs.set(contentDigest(bytes), bytes);
  }

  async getBlob(digest: Digest) {
    return this.blobs.get(digest);
  }

  async events({ from, limit, type }: { from: number; limit: number; type: string }): Promise<readonly ListedEvent[]> {
    const all = this.chain.events.map((event, sequence) => ({ event, sequence }));
    const page = all.filter(({ event, sequence }) => event.type === type && sequence >= from).slice(0, limit);
    return page.map(({ event, sequence }) => {
      const parsed = parseJson(encodeEvent(event).payload, { maxBytes: 1 << 20, maxDepth: 20 });
      if (!parsed.ok) throw new Error(parsed.code);
      return { sequence, type: event.type, payload: parsed.value as ListedEvent['payload'] };
    });
  }

  async attestations() {
    const { state } = this.chain;
    const { height, timeMs } = state;
    return [...state.attestations.values()].map(({ node, keyset, platform }) => ({
      node,
      keyset,
      platform,
      eligible: eligible({ state, validator: node, keyset, height, timeMs }).eligible,
    }));
  }

  async challenge(node: AccountId, challenge: Uint8Array) {
    this.#answer();
    const enclave = this.enclaves.find(({ host }) => host.id === node);
    if (enclave === undefined) throw new ClientError('API_REFUSED', 'NODE_UNKNOWN');
    return enclave.answer(challenge.subarray(0, CHALLENGE_BYTES));
  }

  async model(model: Digest): Promise<ListedModel | undefined> {
    const found = this.chain.state.models.get(model);
    if (found === undefined) return undefined;
    return { model, manifest: modelManifestToJson(found.manifest) as JsonValue, grants: [...found.grants.keys()] };
  }

  async inference(task: Digest) {
    const found = this.chain.state.tasks.get(task);
    if (found === undefined) return undefined;
    const { status, receipts, executors } = found;
    const declines = executors.flatMap(({ declined }) => declined?.sequence ?? []);
    const withheld = executors.flatMap((executor) => executor.withheld ?? []);
    const missed = executors.flatMap((executor) => executor.missed ?? []);
    const listed = receipts.map(({ keyset, sequence }) => ({ keyset, sequence }));
    return { task, status, receipts: listed, declines, withheld, missed };
  }

  async facts(subjects: readonly FactSubject[]) {
    this.#answer();
    return encodeFactsProof(this.chain.facts(subjects));
  }

  async eventProof(sequence: number) {
    return sequence < this.chain.provableCount() ? encodeEventProof(this.chain.proof(sequence)) : undefined;
  }
}

/**
 * A clock a little ahead of the chain's, which moves when someone waits, one block for each wait, and seeded randomness.
 * `aheadMs` is how old the newest block is.
 */
export function fakeEdge(node: FakeNode, label = 'edge', aheadMs = 300): Edge {
  let drawn = 0;
  return {
    nowMs: () => node.chain.timeMs + aheadMs,
    sleep: () => node.tick(),
    randomBytes: (length) => {
      drawn++;
      const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) => [...seed(`${label} ${drawn} ${i}`)]);
      return Uint8Array.from(blocks.flat().slice(0, length));
    },
  };
}
