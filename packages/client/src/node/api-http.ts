/** The `NodeApi` port over HTTP. */
import { type AccountId, type Digest, toBase64 } from '@cloister/encoding';
import { type FactSubject, factKey } from '@cloister/ledger';
import type { BlobUpload, ListedAttestation, NodeApi } from './api.ts';
import {
  readAttestations,
  readBytesMember,
  readEventList,
  readFate,
  readInference,
  readModel,
  readStatus,
} from './api-shapes.ts';
import { asJson, GENESIS_BYTES_MAX, type HttpApiOptions, HttpCalls } from './http-calls.ts';

class HttpApi implements NodeApi {
  readonly name: string;
  readonly #calls: HttpCalls;

  constructor(options: HttpApiOptions) {
    this.#calls = new HttpCalls(options);
    this.name = this.#calls.name;
  }

  async status() {
    return readStatus(await this.#calls.json({ path: '/v1/status' }));
  }

  async genesis() {
    return (await this.#calls.ask({ path: '/v1/genesis', maxBytes: GENESIS_BYTES_MAX })) ?? new Uint8Array(0);
  }

  async submitTransaction(bytes: Uint8Array) {
    await this.#calls.json({ path: '/v1/transactions', json: { transaction: toBase64(bytes) } });
  }

  async transactionFate(id: Digest) {
    return readFate(await this.#calls.json({ path: `/v1/transactions/${id}` }));
  }

  async putBlob(body: Uint8Array, { digest, claim }: BlobUpload) {
    const headers = { 'cloister-digest': digest, 'cloister-upload': claim };
    await this.#calls.json({ path: '/v1/blobs', body, headers, timeoutMs: 10 * this.#calls.timeoutMs });
  }

  async getBlob(digest: Digest, maxBytes: number) {
    return this.#calls.ask({ path: `/v1/blobs/${digest}`, maxBytes, timeoutMs: 10 * this.#calls.timeoutMs }, [
      'NOT_FOUND',
    ]);
  }

  async events(query: { readonly from: number; readonly limit: number; readonly type: string }) {
    const search = new URLSearchParams({ from: `${query.from}`, limit: `${query.limit}`, type: query.type });
    return readEventList(await this.#calls.json({ path: `/v1/events?${search}` }));
  }

  async attestations() {
    const found: ListedAttestation[] = [];
    for await (const { json } of this.#calls.pages('/v1/attestations')) found.push(...readAttestations(json));
    return found;
  }

  async challenge(node: AccountId, challenge: Uint8Array) {
    const json = { challenge: toBase64(challenge) };
    return readBytesMember(await this.#calls.json({ path: `/v1/attestations/${node}/challenge`, json }), 'answer');
  }

  async model(model: Digest) {
    const bytes = await this.#calls.ask({ path: `/v1/models/${model}` }, ['NOT_FOUND']);
    return bytes === undefined ? undefined : readModel(asJson(bytes));
  }

  async inference(task: Digest) {
    const bytes = await this.#calls.ask({ path: `/v1/inferences/${task}` }, ['NOT_FOUND']);
    return bytes === undefined ? undefined : readInference(asJson(bytes));
  }

  async facts(subjects: readonly FactSubject[]) {
    const keys = subjects.map(factKey).join(',');
    const bytes = await this.#calls.ask({ path: `/v1/proofs/facts?keys=${keys}` }, ['NOT_PROVABLE']);
    return bytes === undefined ? undefined : readBytesMember(asJson(bytes), 'proof');
  }

  async eventProof(sequence: number) {
    const bytes = await this.#calls.ask({ path: `/v1/proofs/events/${sequence}` }, ['NOT_FOUND', 'NOT_PROVABLE']);
    return bytes === undefined ? undefined : readBytesMember(asJson(bytes), 'proof');
  }
}

/** A node's API at an address. */
export function createHttpApi(options: HttpApiOptions): NodeApi {
  return new HttpApi(options);
}
