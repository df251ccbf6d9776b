/**
 * A miniature chain for tests: one validator, real genesis, ledger, event records, Merkle paths, headers and certificates.
 *
 * Only the agreement is missing: a block is final as soon as the one validator signed it. Block time begins at the real now,
 * since a platform process certifies its evidence by the real clock.
 */
import { PLATFORMS } from '@cloister/attestation';
import { SIMULATED_ANCHORS, simulatedAppraisalPolicy, simulatedMeasurement } from '@cloister/attestation/simulated';
import {
  blockHashOf,
  encodeFinalityProof,
  type FinalityProof,
  type Finalization,
  type Header,
  makeCertificate,
  type PropositionVote,
  statementBytes,
} from '@cloister/consensus';
import {
  type Ed25519KeyPair,
  ed25519KeyPair,
  hash,
  inclusionProof,
  type KeyedTree,
  leafHash,
  merkleRoot,
  sha256,
} from '@cloister/crypto';
import {
  asEpoch,
  asHeight,
  asValidatorId,
  asView,
  type Digest,
  type Measurement,
  toHex,
  utf8,
  ZERO_DIGEST,
} from '@cloister/encoding';
import { encodeEventRecord } from '@cloister/event-log';
import {
  DEFAULT_PARAMS,
  encodeEvent,
  evolve,
  executeBlock,
  type FactSubject,
  factsRoot,
  factTreeOf,
  genesisEvents,
  genesisValidatorSet,
  initialState,
  type LedgerEvent,
  type LedgerState,
  laneOf,
  makeGenesis,
  type ParsedGenesis,
  paramsHash,
  RULES_SUBJECT,
  signBatch,
  signTransaction,
  type TransactionFields,
} from '@cloister/ledger';
import {
  type AuthorityProof,
  documentsOf,
  encodeAuthorityProof,
  encodeFactsProof,
  type FactsProof,
} from '@cloister/proof';

export const seed = (label: string): Uint8Array => sha256(utf8(label));
export const keyPair = (label: string): Ed25519KeyPair => ed25519KeyPair(seed(label));

/** The kind and payload of a transaction. */
export type Order = TransactionFields extends infer F
  ? F extends TransactionFields
    ? Pick<F, 'kind' | 'payload'>
    : never
  : never;

export interface ChainOptions {
  /** Of the image, as an SEV-SNP machine shows it; it is allowed on every platform. */
  readonly measurement: Measurement;
  readonly image: Digest;
  /** Blocks for which evidence holds without a refresh. */
  readonly refreshWindowBlocks?: number;
}

export class Chain {
  /** The one validator, whose node hosts the enclave under test. */
  readonly node: Ed25519KeyPair = keyPair('node');
  readonly owner: Ed25519KeyPair = keyPair('owner');
  readonly tenant: Ed25519KeyPair = keyPair('tenant');
  readonly genesis: ParsedGenesis;
  readonly state: LedgerState = initialState();
  readonly events: LedgerEvent[] = [];
  readonly #startMs: number = Date.now();
  readonly #records: Uint8Array[] = [];
  readonly #leaves: Uint8Array[] = [];
  readonly #headers: Header[] = [];
  /** Of the states that the headers vouch for. */
  readonly #facts: KeyedTree[] = [];
  #nonce = 0;

  constructor({ measurement, image, refreshWindowBlocks = 100 }: ChainOptions) {
    const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
    const made = makeGenesis({
      schema: 'cloister/genesis/v1',
      name: 'test',
      timeMs: this.#startMs,
      params: DEFAULT_PARAMS,
      validators: [{ id: this.node.id, name: 'node', weight: 1 }],
      accounts: [
        { id: this.owner.id, name: 'owner' },
        { id: this.tenant.id, name: 'tenant' },
      ].sort(byId),
      governance: { members: [this.node.id], threshold: 1 },
      trustAnchors: SIMULATED_ANCHORS,
      referenceValues: PLATFORMS.map((platform) => ({
        platform,
        measurement: simulatedMeasurement(platform, measurement),
        image,
        name: 'enclave',
      })),
      appraisalPolicy: simulatedAppraisalPolicy({ maxAgeBlocks: 500, refreshWindowBlocks, nonceWindowBlocks: 100 }),
    });
    if (!made.ok) throw new Error(`${made.code} ${made.detail}`);
    this.genesis = made.value;
    for (const event of genesisEvents(this.genesis)) {
      evolve(this.state, event);
      this.#append(0, event);
    }
  }

  get chainId(): Digest {
    return this.genesis.chainId;
  }

  get height(): number {
    return this.#headers.length;
  }

  get timeMs(): number {
    return this.#startMs + 1000 * this.height;
  }

  #append(height: number, event: LedgerEvent): void {
    const { type, payload } = encodeEvent(event);
    const last = this.#records.at(-1);
    const previousHash = last === undefined ? this.chainId : (toHex(leafHash(last)) as Digest);
    const record = { sequence: this.#records.length, height: asHeight(height), type, payload, previousHash };
    const bytes = encodeEventRecord(record);
    this.#records.push(bytes);
    this.#leaves.push(leafHash(bytes));
    this.events.push(event);
  }

  /** One final block with the orders of one sender; its events are provable under the block after it. */
  block(sender?: Ed25519KeyPair, ...orders: readonly Order[]): readonly LedgerEvent[] {
    const height = asHeight(this.height + 1);
    const parentHash = this.#headers.length === 0 ? this.chainId : blockHashOf(this.#header(this.height));
    const set = genesisValidatorSet(this.genesis.genesis);
    const facts = factTreeOf(this.state);
    const header: Header = {
      version: 1,
      chainId: this.chainId,
      epoch: asEpoch(0),
      view: asView(height),
      height,
      parentHash,
      proposer: asValidatorId(this.node.id),
      timestampMs: this.#startMs + 1000 * height,
      bodyHash: ZERO_DIGEST,
      validatorsHash: set.hash,
      nextValidatorsHash: set.hash,
      paramsHash: paramsHash(this.genesis.genesis.params),
      lastFinal: {
        height: asHeight(this.height),
        hash: parentHash,
        eventRoot: toHex(merkleRoot(this.#leaves)) as Digest,
        eventCount: this.#records.length,
        factsRoot: factsRoot(facts),
      },
    };
    const batches = orders.map((order) => this.#batch(height, sender ?? this.node, order));
    const { events } = executeBlock(this.state, {
      height,
      hash: blockHashOf(header),
      timeMs: header.timestampMs,
      batches,
    });
    for (const event of events) this.#append(height, event);
    this.#headers.push(header);
    this.#facts.push(facts);
    return events;
  }

  /** As `block`, and another one that makes its events provable; throws when a transaction was rejected. */
  provable(sender: Ed25519KeyPair, ...orders: readonly Order[]): void {
    const rejected = this.block(sender, ...orders).find((event) => event.type === 'TransactionRejected');
    if (rejected !== undefined) throw new Error(JSON.stringify(rejected));
    this.block();
  }

  #batch(height: number, sender: Ed25519KeyPair, order: Order): Parameters<typeof executeBlock>[1]['batches'][number] {
    const transaction = signTransaction(sender, {
      chainId: this.chainId,
      sender: sender.id,
      nonce: toHex(seed(`nonce ${this.#nonce++}`).subarray(0, 16)),
      expiryHeight: this.expiryHeight,
      ...order,
    } as TransactionFields);
    if (!transaction.ok) throw new Error(`${transaction.code} ${transaction.detail}`);
    const batch = signBatch(this.node, {
      chainId: this.chainId,
      author: asValidatorId(this.node.id),
      epoch: asEpoch(0),
      lane: laneOf(order.kind),
      expiryHeight: asHeight(height + 100),
      transactions: [transaction.value.bytes],
    });
    return { batch, transactions: [transaction.value] };
  }

  /** That every transaction of the next block has. */
  get expiryHeight(): ReturnType<typeof asHeight> {
    return asHeight(this.height + 50);
  }

  #header(height: number): Header {
    const header = this.#headers[height - 1];
    if (header === undefined) throw new Error(`no block ${height}`);
    return header;
  }

  finality(height: number = this.height, signer: Ed25519KeyPair = this.node): FinalityProof {
    const header = this.#header(height);
    const { epoch, view } = header;
    const proposition = {
      epoch,
      view,
      parentView: asView(view - 1),
      blockHash: blockHashOf(header),
      justificationHash: hash('test/justification'),
    };
    const statement = { kind: 'finalize', epoch, view, proposition } as const;
    const signature = signer.sign(statementBytes(this.chainId, statement));
    const vote: PropositionVote = { type: 'vote', ...statement, signer: asValidatorId(this.node.id), signature };
    const set = genesisValidatorSet(this.genesis.genesis);
    return { header, certificate: makeCertificate(set, statement, [vote]) as Finalization, path: [] };
  }

  finalityBytes(height?: number): Uint8Array {
    return encodeFinalityProof(this.finality(height));
  }

  /** The newest event of a type. */
  last<T extends LedgerEvent['type']>(type: T): Extract<LedgerEvent, { type: T }> {
    const event = this.events.findLast((each) => each.type === type);
    if (event === undefined) throw new Error(`no ${type}`);
    return event as Extract<LedgerEvent, { type: T }>;
  }

  /** Rules, the own attestation, and each model that was granted here with its grant. */
  get subjects(): readonly FactSubject[] {
    const granted = this.events.flatMap((event) => (event.type === 'ModelKeyGrantAuthorised' ? [event] : []));
    const grants = new Map(granted.map(({ model, keyset }) => [`${model} ${keyset}`, { model, keyset }]));
    return [
      RULES_SUBJECT,
      { about: 'attestation', node: this.node.id },
      ...[...grants.values()].flatMap(({ model, keyset }): FactSubject[] => [
        { about: 'model', model },
        { about: 'grant', model, keyset },
      ]),
    ];
  }

  /** What holds under the header at a height. */
  facts(height: number = this.height, subjects: readonly FactSubject[] = this.subjects): FactsProof {
    return { finality: this.finality(height), documents: documentsOf(this.#facts[height - 1], subjects) };
  }

  factsBytes(height?: number): Uint8Array {
    return encodeFactsProof(this.facts(height));
  }

  /** Encoded proof of the newest event of a type beside the facts, all under the newest header or the one at `height`. */
  authorityOf(type: LedgerEvent['type'], height?: number): Uint8Array {
    return encodeAuthorityProof(this.authority(type, height));
  }

  authority(type: LedgerEvent['type'], height: number = this.height): AuthorityProof {
    const sequence = this.events.findLastIndex((event) => event.type === type);
    return {
      ...this.facts(height),
      recordBytes: this.#records[sequence] ?? new Uint8Array(0),
      index: sequence,
      proof: this.pathOf(sequence, height),
    };
  }

  /** Of an event under the header at a height. */
  pathOf(sequence: number, height: number = this.height): readonly Uint8Array[] {
    const size = this.#header(height).lastFinal.eventCount;
    return inclusionProof(sequence, size, (level, index) => {
      const width = 2 ** level;
      return merkleRoot(this.#leaves.slice(index * width, (index + 1) * width));
    });
  }
}
