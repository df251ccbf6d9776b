/**
 * Reading the chain database: blocks, batches, certificates and what their execution led to.
 *
 * The replica itself keeps in memory what is not final; everything that serves others reads here, durable data only.
 */
import {
  type Block,
  blockOf,
  decodeBody,
  decodeCertificate,
  decodeHeader,
  type EncodedBlock,
  encodeBody,
  encodeCertificate,
  encodedBlockOf,
  encodeHeader,
  type FinalityProof,
  type Finalization,
  type Header,
} from '@cloister/consensus';
import { asHeight, ByteWriter, type Digest, decodeWith, type Height, type Result } from '@cloister/encoding';
import {
  type LogReader,
  type ReadableStore,
  StoreError,
  type StoreOp,
  withChecksum,
  withoutChecksum,
} from '@cloister/event-log';
import {
  batchKey,
  blockKey,
  EXECUTED_RANGE,
  executedKey,
  FINALIZATION_RANGE,
  finalizationKey,
  finalizationsFrom,
  finalizationsUpTo,
  heightOfKey,
  openKey,
} from './chain-keys.ts';

const BLOCK_BYTES_MAX = 2 * 1024 * 1024;
/** Headers between one and the next that has a certificate of its own, at most; see `finality`. */
const PATH_MAX = 1024;

/** A finalized block's execution. */
export interface ExecutedRecord {
  readonly height: Height;
  readonly hash: Digest;
  readonly timeMs: number;
  /** Sequence of its BlockBegun. */
  readonly firstSequence: number;
  /** Events up to and including its own, and the root over them. */
  readonly eventCount: number;
  readonly eventRoot: Digest;
  /** Root of the facts of the state after it. */
  readonly factsRoot: Digest;
}

/** What serves peers and clients. Everything it returns is durable. */
export interface ChainReader {
  readonly chainId: Digest;
  readonly genesisBytes: Uint8Array;
  readonly log: LogReader;
  /** Height of the last executed block; 0 for none. */
  tipHeight(): Promise<Height>;
  executed(height: Height): Promise<ExecutedRecord | undefined>;
  header(height: Height): Promise<Header | undefined>;
  block(hash: Digest): Promise<Block | undefined>;
  /** A block as it is stored, with as much of its header as leads to its parent; cheaper than `block`. */
  stored(hash: Digest): Promise<StoredBlock | undefined>;
  blockAt(height: Height): Promise<Block | undefined>;
  /** The executed block at a height as it is stored, its hashes checked; cheaper than `blockAt`. */
  encodedAt(height: Height): Promise<EncodedBlock | undefined>;
  /** Wire form. */
  batch(id: Digest): Promise<Uint8Array | undefined>;
  batches(ids: readonly Digest[]): Promise<(Uint8Array | undefined)[]>;
  /** The lowest certificate at or above `height`. */
  finalizationFrom(
    height: Height,
  ): Promise<{ readonly height: Height; readonly finalization: Finalization } | undefined>;
  /** The certificates at or above `height`, the lowest first, at most `limit`, as they are stored. */
  finalizationsFrom(height: Height, limit: number): AsyncGenerator<EncodedFinalization, void, undefined>;
  /** The newest certificate. */
  latestFinalization(): Promise<{ readonly height: Height; readonly finalization: Finalization } | undefined>;
  /** Proof that the header at `height` is final. */
  finality(height: Height): Promise<FinalityProof | undefined>;
  latestFinality(): Promise<FinalityProof | undefined>;
}

interface EncodedFinalization {
  readonly height: Height;
  readonly bytes: Uint8Array;
}

export interface StoredBlock {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  readonly height: Height;
  readonly parentHash: Digest;
}

export function encodeStoredBlock(block: Pick<Block, 'header' | 'body'>): Uint8Array {
  return new ByteWriter(1024).var(encodeHeader(block.header)).var(encodeBody(block.body)).finish();
}

function splitStored(bytes: Uint8Array): Result<Pick<StoredBlock, 'header' | 'body'>, 'MALFORMED'> {
  return decodeWith(bytes, (reader) => ({ header: reader.var(BLOCK_BYTES_MAX), body: reader.var(BLOCK_BYTES_MAX) }));
}

/** Undefined unless the bytes are a block of this hash. */
export function decodeStoredBlock(hash: Digest, bytes: Uint8Array): Block | undefined {
  const parts = splitStored(bytes);
  if (!parts.ok) return undefined;
  const header = decodeHeader(parts.value.header);
  const body = decodeBody(parts.value.body);
  if (!header.ok || !body.ok) return undefined;
  const block = blockOf(header.value, body.value);
  return block?.hash === hash ? block : undefined;
}

function encodeExecuted(record: ExecutedRecord): Uint8Array {
  const writer = new ByteWriter(128).digest(record.hash).u64(record.timeMs).u64(record.firstSequence);
  return withChecksum(writer.u64(record.eventCount).digest(record.eventRoot).digest(record.factsRoot).finish());
}

function decodeExecuted(height: Height, bytes: Uint8Array): ExecutedRecord | undefined {
  const content = withoutChecksum(bytes);
  if (content === undefined) return undefined;
  const decoded = decodeWith(content, (reader) => ({
    height,
    hash: reader.digest(),
    timeMs: reader.u64(),
    firstSequence: reader.u64(),
    eventCount: reader.u64(),
    eventRoot: reader.digest(),
    factsRoot: reader.digest(),
  }));
  return decoded.ok ? decoded.value : undefined;
}

/** What a chain sync before a vote writes: the block and the batches that it names. */
export function blockOps(
  block: Block,
  batches: readonly { readonly id: Digest; readonly bytes: Uint8Array }[],
): StoreOp[] {
  return [
    { type: 'put', key: blockKey(block.hash), value: encodeStoredBlock(block) },
    { type: 'put', key: openKey(block.hash), value: new ByteWriter(8).u64(block.header.height).finish() },
    ...batches.map(({ id, bytes }): StoreOp => ({ type: 'put', key: batchKey(id), value: bytes })),
  ];
}

/** What the execution of a block adds to the events. */
export function executedOp(record: ExecutedRecord): StoreOp {
  return { type: 'put', key: executedKey(record.height), value: encodeExecuted(record) };
}

/** What proves a commit, at the height of its last block; written with the first of its blocks, which may be in another batch. */
export function finalizationOp(height: Height, finalization: Finalization): StoreOp {
  return { type: 'put', key: finalizationKey(height), value: withChecksum(encodeCertificate(finalization)) };
}

function corrupt(what: string): StoreError {
  return new StoreError('STORE_CORRUPT', `${what} does not match its checksum; restore the chain database from peers`);
}

/** The adapter of `ChainReader` over the chain database. Throws `StoreError` for damage. */
export class ChainStore implements ChainReader {
  readonly chainId: Digest;
  readonly genesisBytes: Uint8Array;
  readonly log: LogReader;
  readonly #store: ReadableStore;

  constructor(store: ReadableStore, log: LogReader, genesis: { readonly chainId: Digest; readonly bytes: Uint8Array }) {
    this.#store = store;
    this.log = log;
    this.chainId = genesis.chainId;
    this.genesisBytes = genesis.bytes;
  }

  async tipHeight(): Promise<Height> {
    for await (const [key] of this.#store.range({ ...EXECUTED_RANGE, reverse: true, limit: 1 }))
      return heightOfKey(key);
    return asHeight(0);
  }

  async executed(height: Height): Promise<ExecutedRecord | undefined> {
    const bytes = await this.#store.get(executedKey(height));
    if (bytes === undefined) return undefined;
    const record = decodeExecuted(height, bytes);
    if (record === undefined) throw corrupt(`the record of block ${height}`);
    return record;
  }

  async header(height: Height): Promise<Header | undefined> {
    return (await this.blockAt(height))?.header;
  }

  async block(hash: Digest): Promise<Block | undefined> {
    const bytes = await this.#store.get(blockKey(hash));
    if (bytes === undefined) return undefined;
    const block = decodeStoredBlock(hash, bytes);
    if (block === undefined) throw corrupt(`block ${hash}`);
    return block;
  }

  async stored(hash: Digest): Promise<StoredBlock | undefined> {
    const bytes = await this.#store.get(blockKey(hash));
    if (bytes === undefined) return undefined;
    const parts = splitStored(bytes);
    const header = parts.ok ? decodeHeader(parts.value.header) : undefined;
    if (!parts.ok || header?.ok !== true) throw corrupt(`block ${hash}`);
    return { ...parts.value, height: header.value.height, parentHash: header.value.parentHash };
  }

  async blockAt(height: Height): Promise<Block | undefined> {
    const record = await this.executed(height);
    return record === undefined ? undefined : this.block(record.hash);
  }

  async encodedAt(height: Height): Promise<EncodedBlock | undefined> {
    const record = await this.executed(height);
    const bytes = record === undefined ? undefined : await this.#store.get(blockKey(record.hash));
    if (record === undefined || bytes === undefined) return undefined;
    const parts = splitStored(bytes);
    const block = parts.ok ? encodedBlockOf(record.hash, parts.value.header, parts.value.body) : undefined;
    if (block === undefined) throw corrupt(`block ${record.hash}`);
    return block;
  }

  batch(id: Digest): Promise<Uint8Array | undefined> {
    return this.#store.get(batchKey(id));
  }

  batches(ids: readonly Digest[]): Promise<(Uint8Array | undefined)[]> {
    return this.#store.getMany(ids.map(batchKey));
  }

  async finalizationFrom(height: Height): Promise<{ height: Height; finalization: Finalization } | undefined> {
    for await (const [key, value] of this.#store.range({ ...finalizationsFrom(height), limit: 1 })) {
      return readFinalization(key, value);
    }
    return undefined;
  }

  async *finalizationsFrom(height: Height, limit: number): AsyncGenerator<EncodedFinalization, void, undefined> {
    for await (const [key, value] of this.#store.range({ ...finalizationsFrom(height), limit })) {
      const bytes = withoutChecksum(value);
      if (bytes === undefined) throw corrupt(`the certificate of block ${heightOfKey(key)}`);
      yield { height: heightOfKey(key), bytes };
    }
  }

  async latestFinalization(): Promise<{ height: Height; finalization: Finalization } | undefined> {
    for await (const [key, value] of this.#store.range({ ...FINALIZATION_RANGE, reverse: true, limit: 1 })) {
      return readFinalization(key, value);
    }
    return undefined;
  }

  /** The highest certificate at or below `height`. */
  async finalizationUpTo(height: Height): Promise<{ height: Height; finalization: Finalization } | undefined> {
    for await (const [key, value] of this.#store.range({ ...finalizationsUpTo(height), reverse: true, limit: 1 })) {
      return readFinalization(key, value);
    }
    return undefined;
  }

  async finality(height: Height): Promise<FinalityProof | undefined> {
    const certified = await this.finalizationFrom(height);
    if (certified === undefined || certified.height - height > PATH_MAX) return undefined;
    const headers: Header[] = [];
    for (let at: number = height; at <= certified.height; at++) {
      const header = await this.header(asHeight(at));
      if (header === undefined) return undefined;
      headers.push(header);
    }
    const [header, ...path] = headers;
    return header === undefined ? undefined : { header, certificate: certified.finalization, path };
  }

  /**
   * The database is written before the log's head moves. In between, the newest certificate vouches for events that
   * this reader cannot prove yet, so the one below it counts as the newest.
   */
  async latestFinality(): Promise<FinalityProof | undefined> {
    let latest = await this.latestFinalization();
    while (latest !== undefined) {
      const proof = await this.finality(latest.height);
      if (proof === undefined || proof.header.lastFinal.eventCount <= this.log.head.count) return proof;
      latest = latest.height === 0 ? undefined : await this.finalizationUpTo(asHeight(latest.height - 1));
    }
    return undefined;
  }
}

function readFinalization(key: Uint8Array, value: Uint8Array): { height: Height; finalization: Finalization } {
  const height = heightOfKey(key);
  const content = withoutChecksum(value);
  const certificate = content === undefined ? undefined : decodeCertificate(content);
  if (certificate?.ok !== true || certificate.value.kind !== 'finalize')
    throw corrupt(`the certificate of block ${height}`);
  return { height, finalization: certificate.value };
}
