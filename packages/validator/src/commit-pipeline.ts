/**
 * From committed blocks to durable events, in order.
 *
 * Execution happens here and nowhere else: at finalization, on the agreed state. One commit is one synced chain batch:
 * events, Merkle nodes, head, executed records, the certificate, and blocks that were never voted on here. Nothing of it
 * is told to anyone before the write is durable. A commit whose batches are not all here waits, and those behind it too.
 */
import type { Block, Finalization } from '@cloister/consensus';
import { type Digest, type Height, type KeyedTree, toHex } from '@cloister/crypto';
import type { EventLog, PreparedAppend, StoreOp } from '@cloister/event-log';
import { witnessOp } from '@cloister/event-log';
import { type Execution, encodeEvent, executeBlock, type VerifiedBatch } from '@cloister/ledger';
import type { BatchPool, BatchRefusal } from './batch-pool.ts';
import { blockKey, openKey } from './chain-keys.ts';
import { blockOps, commitOps, type ExecutedRecord } from './chain-store.ts';
import { FactTrees } from './fact-trees.ts';
import { ROOTS_KEPT } from './limits.ts';
import type { ExecutedRoot, ReplicaCore } from './replica-core.ts';

export interface Commit {
  readonly blocks: readonly Block[];
  readonly finalization: Finalization;
}

/** One block of a commit, executed. */
export interface ExecutedBlock {
  readonly block: Block;
  readonly record: ExecutedRecord;
  readonly execution: Execution;
}

export interface PipelineHandlers {
  /** Batches of the first waiting commit that are not here. */
  onMissing(ids: readonly Digest[], block: Block): void;
  onDurable(executed: readonly ExecutedBlock[], head: PreparedAppend['head']): void;
  onRefused(code: BatchRefusal): void;
  store(
    ops: {
      readonly chain: readonly StoreOp[];
      readonly guard: readonly StoreOp[];
      readonly append: readonly PreparedAppend[];
    },
    done: () => void,
  ): void;
}

export interface PipelineStart {
  readonly roots: ReadonlyMap<Height, ExecutedRoot>;
  /** Of the state after the last executed block. */
  readonly facts: KeyedTree;
  /** Blocks stored and not final, by hash. */
  readonly open: ReadonlyMap<Digest, Height>;
}

export class CommitPipeline {
  readonly #core: ReplicaCore;
  readonly #pool: BatchPool;
  readonly #log: Pick<EventLog, 'prepare'>;
  readonly #handlers: PipelineHandlers;
  readonly #queue: Commit[] = [];
  /** Of durable executions. */
  readonly #roots: Map<Height, ExecutedRoot>;
  /** Stored and not final. */
  readonly #open: Map<Digest, Height>;
  /** Batches that came with a range, unchecked. */
  #offered = new Map<string, Uint8Array>();
  #prepared: PreparedAppend | undefined;
  readonly #facts: FactTrees;

  constructor(
    core: ReplicaCore,
    pool: BatchPool,
    log: Pick<EventLog, 'prepare'>,
    start: PipelineStart,
    handlers: PipelineHandlers,
  ) {
    this.#core = core;
    this.#pool = pool;
    this.#log = log;
    this.#handlers = handlers;
    this.#roots = new Map(start.roots);
    this.#open = new Map(start.open);
    this.#facts = new FactTrees(core.executedHeight(), start.facts);
  }

  root(height: Height): ExecutedRoot | undefined {
    return this.#roots.get(height);
  }

  /** The facts of the state after an executed height, of the newest `FACTS_KEPT`. */
  facts(height: Height): KeyedTree {
    return this.#facts.at(height);
  }

  /** Blocks of commits that wait for batches. */
  get waiting(): number {
    return this.#queue.reduce((sum, { blocks }) => sum + blocks.length, 0);
  }

  /** The write of a voted block, to be made durable before the vote. */
  persistOps(block: Block): StoreOp[] {
    if (this.#open.has(block.hash)) return [];
    this.#open.set(block.hash, block.header.height);
    return blockOps(block, this.#batchesOf(block));
  }

  #batchesOf(block: Block): { readonly id: Digest; readonly bytes: Uint8Array }[] {
    const batches: { readonly id: Digest; readonly bytes: Uint8Array }[] = [];
    for (const id of block.body.batches) {
      const held = this.#pool.get(id);
      if (held !== undefined) batches.push({ id, bytes: held.verified.batch.bytes });
    }
    return batches;
  }

  commit(commit: Commit): void {
    for (const { header, body } of commit.blocks) this.#pool.commit(body.batches, header.height);
    this.#queue.push(commit);
  }

  /** Batches that a synced range brought along; they are looked at only when a committed block names them. */
  offer(batches: readonly Uint8Array[]): void {
    this.#offered = new Map(batches.map((bytes) => [shortKey(bytes), bytes]));
    this.run();
    this.#offered.clear();
  }

  neededBatches(): Digest[] {
    const commit = this.#queue[0];
    return commit === undefined ? [] : this.#missing(commit);
  }

  #missing(commit: Commit): Digest[] {
    return commit.blocks.flatMap(({ body }) => body.batches.filter((id) => this.#pool.get(id) === undefined));
  }

  /** Executes what can be executed. */
  run(): void {
    for (let commit = this.#queue[0]; commit !== undefined; commit = this.#queue[0]) {
      if (this.#missing(commit).length > 0) this.#takeOffered(commit);
      const missing = this.#missing(commit);
      if (missing.length > 0) {
        const first = commit.blocks.find(({ body }) => body.batches.includes(missing[0] as Digest));
        if (first !== undefined) this.#handlers.onMissing(missing, first);
        return;
      }
      this.#queue.shift();
      if (!this.#execute(commit)) return;
    }
  }

  #takeOffered(commit: Commit): void {
    if (this.#offered.size === 0) return;
    const height = commit.blocks[0]?.header.height;
    if (height === undefined) return;
    for (const bytes of this.#offered.values()) {
      const received = this.#pool.receive(bytes, { height, monotonicMs: this.#core.monotonicMs, wanted: true });
      if (!received.ok) this.#handlers.onRefused(received.code);
    }
    this.#offered.clear();
  }

  /** False when the replica halted. */
  #execute(commit: Commit): boolean {
    const executed: ExecutedBlock[] = [];
    const append: PreparedAppend[] = [];
    const chain: StoreOp[] = [];
    const last = commit.blocks.at(-1);
    for (const block of commit.blocks) {
      if (this.#diverged(block)) return false;
      const { execution, prepared, factsRoot } = this.#executeOne(block);
      const { header, hash } = block;
      const record: ExecutedRecord = {
        height: header.height,
        hash,
        timeMs: header.timestampMs,
        firstSequence: execution.firstSequence,
        eventCount: prepared.head.count,
        eventRoot: prepared.head.root,
        factsRoot,
      };
      this.#roots.set(header.height, rootOf(record));
      append.push(prepared);
      executed.push({ block, record, execution });
      chain.push(...prepared.ops, ...this.#ownOps(block));
      chain.push(...commitOps(record, block === last ? commit.finalization : undefined));
    }
    const head = append.at(-1)?.head;
    if (last === undefined || head === undefined) return true;
    chain.push(...this.#abandon(last.header.height));
    this.#pruneRoots(last.header.height);
    this.#handlers.store({ chain, guard: [witnessOp(head)], append }, () => {
      for (const { block } of executed) this.#pool.release(block.body.batches);
      this.#handlers.onDurable(executed, head);
    });
    return true;
  }

  /** A quorum finalized a block that vouches for another execution than mine: mine, or its, is broken. */
  #diverged(block: Block): boolean {
    const { lastFinal, height } = block.header;
    const root = this.#roots.get(lastFinal.height);
    if (root === undefined) return false;
    if (
      root.hash === lastFinal.hash &&
      root.eventRoot === lastFinal.eventRoot &&
      root.eventCount === lastFinal.eventCount &&
      root.factsRoot === lastFinal.factsRoot
    ) {
      return false;
    }
    const theirs = told(lastFinal);
    const mine = told(root);
    this.#core.halt(
      'STATE_DIVERGED',
      `block ${height} says that block ${lastFinal.height} led to ${theirs}; here ${mine}`,
    );
    return true;
  }

  #executeOne(block: Block): {
    readonly execution: Execution;
    readonly prepared: PreparedAppend;
    readonly factsRoot: Digest;
  } {
    const { header, body, hash } = block;
    const batches: VerifiedBatch[] = [];
    for (const id of body.batches) {
      const held = this.#pool.get(id);
      if (held !== undefined) batches.push(held.verified);
    }
    const execution = executeBlock(this.#core.ledger, {
      height: header.height,
      hash,
      timeMs: header.timestampMs,
      batches,
    });
    const prepared = this.#log.prepare(header.height, execution.events.map(encodeEvent), this.#prepared);
    this.#prepared = prepared;
    const factsRoot = this.#facts.executed(header.height, this.#core.ledger, execution.events);
    return { execution, prepared, factsRoot };
  }

  /** Block and batches, unless a vote stored them; either way the block is final now. */
  #ownOps(block: Block): StoreOp[] {
    const stored = this.#open.delete(block.hash);
    const ops = stored
      ? []
      : blockOps(block, this.#batchesOf(block)).filter(({ key }) => key[0] !== openKey(block.hash)[0]);
    return stored ? [{ type: 'del', key: openKey(block.hash) }] : ops;
  }

  /** Deletes stored blocks that lost. Their batches stay in the pool. */
  #abandon(height: Height): StoreOp[] {
    const ops: StoreOp[] = [];
    for (const [hash, openHeight] of this.#open) {
      if (openHeight > height) continue;
      this.#open.delete(hash);
      ops.push({ type: 'del', key: blockKey(hash) }, { type: 'del', key: openKey(hash) });
    }
    return ops;
  }

  #pruneRoots(height: Height): void {
    for (const old of this.#roots.keys()) {
      if (old >= height - ROOTS_KEPT) return;
      this.#roots.delete(old);
    }
  }
}

/** What a header says of an executed block. */
export function rootOf({ hash, eventRoot, eventCount, factsRoot }: ExecutedRecord): ExecutedRoot {
  return { hash, eventRoot, eventCount, factsRoot };
}

function told({ eventCount, eventRoot, factsRoot }: Omit<ExecutedRoot, 'hash'>): string {
  return `${eventCount} events, root ${eventRoot}, facts ${factsRoot}`;
}

/** Distinguishes the batches of one range; the signature at the end of a batch is as good as its hash for that. */
function shortKey(bytes: Uint8Array): string {
  return toHex(bytes.subarray(-32));
}
