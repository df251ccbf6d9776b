/**
 * From committed blocks to durable events, in order.
 *
 * Execution happens here and nowhere else: at finalization, on the agreed state. One commit is one synced chain batch:
 * events, Merkle nodes, head, executed records, the certificate, and blocks that were never voted on here. Nothing of it
 * is told to anyone before the write is durable. A commit whose batches are not all here waits, and those behind it too.
 */
import {
  type Block,
  decodeEvidence,
  type Finalization,
  faultOf,
  type ProvenFault,
  signersOf,
} from '@cloister/consensus';
import type { Digest, Height, KeyedTree } from '@cloister/crypto';
import type { EventLog, PreparedAppend, StoreOp } from '@cloister/event-log';
import { witnessOp } from '@cloister/event-log';
import { type Execution, encodeEvent, executeBlock, type VerifiedBatch } from '@cloister/ledger';
import type { BatchPool, BatchRefusal } from './batch-pool.ts';
import type { Want } from './batch-puller.ts';
import { batchKey, blockKey, openKey } from './chain-keys.ts';
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
  /** Batches of the first waiting commit are not here. */
  onMissing(): void;
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

/** A block that was stored before a vote and is not final. */
export interface OpenBlock {
  readonly height: Height;
  readonly batches: readonly Digest[];
}

export interface PipelineStart {
  readonly roots: ReadonlyMap<Height, ExecutedRoot>;
  /** Of the state after the last executed block. */
  readonly facts: KeyedTree;
  /** Blocks stored and not final, by hash. */
  readonly open: ReadonlyMap<Digest, OpenBlock>;
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
  readonly #open: Map<Digest, OpenBlock>;
  /** Batches that came with a range, by the id under which its blocks name them. */
  #offered: ReadonlyMap<Digest, Uint8Array> = new Map();
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
    this.#open.set(block.hash, { height: block.header.height, batches: block.body.batches });
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
  offer(batches: ReadonlyMap<Digest, Uint8Array>): void {
    this.#offered = batches;
    this.run();
    this.#offered = new Map();
  }

  /** What the first waiting commit lacks. Whoever finalized it has stored its blocks with their batches. */
  neededBatches(): ReadonlyMap<Digest, Want> {
    const needed = new Map<Digest, Want>();
    const commit = this.#queue[0];
    if (commit === undefined) return needed;
    const holders = signersOf(this.#core.set, commit.finalization);
    for (const { header, body } of commit.blocks) {
      const want: Want = { height: header.height, sources: [header.proposer, ...holders] };
      for (const id of body.batches) if (this.#pool.get(id) === undefined) needed.set(id, want);
    }
    return needed;
  }

  /** Ids that blocks name which were voted on or wait for execution. */
  namedBatches(): Digest[] {
    const waiting = this.#queue.flatMap(({ blocks }) => blocks.flatMap(({ body }) => body.batches));
    return [...waiting, ...[...this.#open.values()].flatMap(({ batches }) => batches)];
  }

  /** Executes what can be executed. */
  run(): void {
    for (let commit = this.#queue[0]; commit !== undefined; commit = this.#queue[0]) {
      this.#takeOffered(commit);
      if (this.neededBatches().size > 0) {
        this.#handlers.onMissing();
        return;
      }
      this.#queue.shift();
      if (!this.#execute(commit)) return;
    }
  }

  #takeOffered(commit: Commit): void {
    if (this.#offered.size === 0) return;
    for (const { header, body } of commit.blocks) {
      for (const id of body.batches) {
        const bytes = this.#pool.get(id) === undefined ? this.#offered.get(id) : undefined;
        if (bytes === undefined) continue;
        const received = this.#pool.pulled(bytes, { id, height: header.height }, this.#core.monotonicMs);
        if (!received.ok) this.#handlers.onRefused(received.code);
      }
    }
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
      faults: faultsIn(body.evidence),
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

  /**
   * Deletes stored blocks that lost, and of their batches what no committed and no other stored block names: those are in
   * the pool, or in nobody's way, and would stay on disk for ever.
   */
  #abandon(height: Height): StoreOp[] {
    const ops: StoreOp[] = [];
    const lost = new Set<Digest>();
    for (const [hash, open] of this.#open) {
      if (open.height > height) continue;
      this.#open.delete(hash);
      ops.push({ type: 'del', key: blockKey(hash) }, { type: 'del', key: openKey(hash) });
      for (const id of open.batches) lost.add(id);
    }
    for (const { batches } of this.#open.values()) for (const id of batches) lost.delete(id);
    for (const id of lost) if (!this.#pool.isCommitted(id)) ops.push({ type: 'del', key: batchKey(id) });
    return ops;
  }

  #pruneRoots(height: Height): void {
    for (const old of this.#roots.keys()) {
      if (old >= height - ROOTS_KEPT) return;
      this.#roots.delete(old);
    }
  }
}

/** What a final block's evidence proves: a quorum has verified it. */
function faultsIn(evidence: readonly Uint8Array[]): ProvenFault[] {
  return evidence.flatMap((bytes) => {
    const decoded = decodeEvidence(bytes);
    return decoded.ok ? [faultOf(decoded.value)] : [];
  });
}

/** What a header says of an executed block. */
export function rootOf({ hash, eventRoot, eventCount, factsRoot }: ExecutedRecord): ExecutedRoot {
  return { hash, eventRoot, eventCount, factsRoot };
}

function told({ eventCount, eventRoot, factsRoot }: Omit<ExecutedRoot, 'hash'>): string {
  return `${eventCount} events, root ${eventRoot}, facts ${factsRoot}`;
}
