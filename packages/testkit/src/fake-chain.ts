/**
 * A chain of one process for tests: real genesis, ledger, event records, Merkle paths, headers and certificates, signed by
 * four validators whose keys lie here. Only the agreement is missing: every block is final as soon as it is made.
 */
import type { AppraisalPolicy } from '@cloister/attestation';
import { SIMULATED_ANCHORS, simulatedAppraisalPolicy } from '@cloister/attestation/simulated';
import {
  blockHashOf,
  encodeFinalityProof,
  type FinalityProof,
  type Finalization,
  type Header,
  makeCertificate,
  type Proposition,
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
  asMeasurement,
  asValidatorId,
  asView,
  type Digest,
  type Measurement,
  toHex,
  utf8,
  ZERO_DIGEST,
} from '@cloister/encoding';
import { type EventRecord, encodeEventRecord } from '@cloister/event-log';
import {
  DEFAULT_PARAMS,
  encodeEvent,
  evolve,
  executeBlock,
  type FactSubject,
  factsRoot,
  factTreeOf,
  type Genesis,
  genesisEvents,
  genesisValidatorSet,
  initialState,
  type LedgerEvent,
  type LedgerState,
  makeGenesis,
  type ParsedGenesis,
  paramsHash,
  signBatch,
  type Transaction,
} from '@cloister/ledger';
import { type AuthorityProof, documentsOf, type EventProof, type FactsProof } from '@cloister/proof';

export const seed = (label: string): Uint8Array => sha256(utf8(label));
export const keyPair = (label: string): Ed25519KeyPair => ed25519KeyPair(seed(label));

/** 2026-01-01T00:00:00Z. */
export const START_MS: number = Date.UTC(2026, 0, 1);
export const BASE_MEASUREMENT: Measurement = asMeasurement('5a'.repeat(48));
export const IMAGE: Digest = hash('test/image');

export const validators: readonly Ed25519KeyPair[] = [1, 2, 3, 4]
  .map((i) => keyPair(`validator ${i}`))
  .sort((a, b) => (a.id < b.id ? -1 : 1));
export const tenant: Ed25519KeyPair = keyPair('tenant');

export const appraisalPolicy: AppraisalPolicy = simulatedAppraisalPolicy({
  maxAgeBlocks: 1000,
  refreshWindowBlocks: 500,
  nonceWindowBlocks: 100,
});

export function makeTestGenesis(change: Partial<Genesis> = {}): ParsedGenesis {
  const made = makeGenesis({
    schema: 'cloister/genesis/v1',
    name: 'test',
    timeMs: START_MS,
    params: DEFAULT_PARAMS,
    validators: validators.map(({ id }, i) => ({ id, name: `validator ${i}`, weight: 1 })),
    accounts: [{ id: tenant.id, name: 'tenant' }],
    governance: { members: [tenant.id], threshold: 1 },
    trustAnchors: SIMULATED_ANCHORS,
    referenceValues: [{ platform: 'sev-snp', measurement: BASE_MEASUREMENT, image: IMAGE, name: 'enclave' }],
    appraisalPolicy,
    ...change,
  });
  if (!made.ok) throw new Error(`${made.code} ${made.detail}`);
  return made.value;
}

interface FakeBlock {
  /** Of the state that the header vouches for. */
  readonly facts: KeyedTree;
  readonly header: Header;
  readonly hash: Digest;
  /** Events up to and including this block's. */
  readonly eventCount: number;
}

export class FakeChain {
  readonly genesis: ParsedGenesis;
  readonly state: LedgerState = initialState();
  readonly records: Uint8Array[] = [];
  readonly events: LedgerEvent[] = [];
  readonly leaves: Uint8Array[] = [];
  readonly blocks: FakeBlock[] = [];

  constructor(change: Partial<Genesis> = {}) {
    this.genesis = makeTestGenesis(change);
    for (const event of genesisEvents(this.genesis)) {
      evolve(this.state, event);
      this.append(0, event);
    }
  }

  get height(): number {
    return this.blocks.length;
  }

  get chainId(): Digest {
    return this.genesis.chainId;
  }

  get timeMs(): number {
    return START_MS + 1000 * this.height;
  }

  /** Puts an event into the log; `executeBlock` has folded it in already, or the test wants one that no ledger made. */
  append(height: number, event: LedgerEvent): number {
    const { type, payload } = encodeEvent(event);
    const last = this.records.at(-1);
    const record: EventRecord = {
      sequence: this.records.length,
      height: asHeight(height),
      type,
      payload,
      previousHash: last === undefined ? this.chainId : (toHex(leafHash(last)) as Digest),
    };
    const bytes = encodeEventRecord(record);
    this.records.push(bytes);
    this.leaves.push(leafHash(bytes));
    this.events.push(event);
    return record.sequence;
  }

  /** Makes the next block final and executes it. Its events are provable under the block after it. */
  block(transactions: readonly Transaction[] = [], extra: readonly LedgerEvent[] = []): readonly LedgerEvent[] {
    const height = asHeight(this.height + 1);
    const parent = this.blocks.at(-1);
    const facts = factTreeOf(this.state);
    const lastFinal = {
      height: asHeight(this.height),
      hash: parent?.hash ?? this.chainId,
      eventRoot: toHex(merkleRoot(this.leaves)) as Digest,
      eventCount: this.records.length,
      factsRoot: factsRoot(facts),
    };
    const set = genesisValidatorSet(this.genesis.genesis);
    const header: Header = {
      version: 1,
      chainId: this.chainId,
      epoch: asEpoch(0),
      view: asView(height),
      height,
      parentHash: parent?.hash ?? this.chainId,
      proposer: asValidatorId(validators[0]?.id ?? ''),
      timestampMs: START_MS + 1000 * height,
      bodyHash: ZERO_DIGEST,
      validatorsHash: set.hash,
      nextValidatorsHash: set.hash,
      paramsHash: paramsHash(this.genesis.genesis.params),
      lastFinal,
    };
    const blockHash = blockHashOf(header);
    const batches = transactions.map((transaction) => {
      const author = validators[0] as Ed25519KeyPair;
      const fields = {
        chainId: this.chainId,
        author: asValidatorId(author.id),
        epoch: asEpoch(0),
        lane: 'normal',
        expiryHeight: asHeight(height + 100),
        transactions: [transaction.bytes],
      } as const;
      return { batch: signBatch(author, fields), transactions: [transaction] };
    });
    const { events } = executeBlock(this.state, { height, hash: blockHash, timeMs: header.timestampMs, batches });
    for (const event of [...events, ...extra]) this.append(height, event);
    this.blocks.push({ facts, header, hash: blockHash, eventCount: this.records.length });
    return events;
  }

  /** A block in which the ledger decided these events, and one that makes them provable. */
  decided(...events: readonly LedgerEvent[]): void {
    this.block([], events);
    for (const event of events) evolve(this.state, event);
    this.block();
  }

  /** The header at a height, finalized by `signers`; the certificate may be of a later block. */
  finality(
    height: number = this.height,
    certified: number = height,
    signers: readonly Ed25519KeyPair[] = validators.slice(0, 3),
  ): FinalityProof {
    const block = this.#at(height);
    const top = this.#at(certified);
    const path = this.blocks.slice(height, certified).map(({ header }) => header);
    return { header: block.header, certificate: this.certificate(top.header, signers), path };
  }

  finalityBytes(height?: number): Uint8Array {
    return encodeFinalityProof(this.finality(height));
  }

  certificate(header: Header, signers: readonly Ed25519KeyPair[]): Finalization {
    const { epoch, view } = header;
    const proposition: Proposition = {
      epoch,
      view,
      parentView: asView(view - 1),
      blockHash: blockHashOf(header),
      justificationHash: hash('test/justification'),
    };
    const statement = { kind: 'finalize', epoch, view, proposition } as const;
    const votes = signers.map((signer): PropositionVote => {
      const signature = signer.sign(statementBytes(header.chainId, statement));
      return { type: 'vote', ...statement, signer: asValidatorId(signer.id), signature };
    });
    const set = genesisValidatorSet(this.genesis.genesis);
    return makeCertificate(set, statement, votes) as Finalization;
  }

  #at(height: number): FakeBlock {
    const block = this.blocks[height - 1];
    if (block === undefined) throw new Error(`no block ${height}`);
    return block;
  }

  /** Events that the header at `height` vouches for. */
  provableCount(height: number = this.height): number {
    return this.#at(height).header.lastFinal.eventCount;
  }

  proof(sequence: number, height: number = this.height): EventProof {
    const size = this.provableCount(height);
    const subtree = (level: number, index: number): Uint8Array => {
      const width = 2 ** level;
      return merkleRoot(this.leaves.slice(index * width, (index + 1) * width));
    };
    return {
      finality: this.finality(height),
      recordBytes: this.records[sequence] ?? new Uint8Array(0),
      index: sequence,
      proof: inclusionProof(sequence, size, subtree),
    };
  }

  /** Proof of those subjects that there are, under the header at `height`. */
  facts(subjects: readonly FactSubject[], height: number = this.height): FactsProof {
    return { finality: this.finality(height), documents: documentsOf(this.#at(height).facts, subjects) };
  }

  /** The event at `sequence` and what it rests on, all under the header at `height`. */
  authority(sequence: number, subjects: readonly FactSubject[], height: number = this.height): AuthorityProof {
    return { ...this.proof(sequence, height), ...this.facts(subjects, height) };
  }

  /** Sequence of the newest event of a type. */
  last(type: LedgerEvent['type']): number {
    return this.events.findLastIndex((event) => event.type === type);
  }
}
