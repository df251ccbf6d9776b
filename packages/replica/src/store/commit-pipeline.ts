/**
 * From committed blocks to durable events, in order.
 *
 * Execution happens here and nowhere else: at finalization, on the agreed state. One commit is one synced chain batch:
 * events, Merkle nodes, head, executed records, the certificate, and blocks that were never voted on here. Nothing of
 * it is told to anyone before the write is durable. A commit whose batches are not all here waits, and so do the
 * commits after it.
 */
import { type Block, type Finalization, signersOf } from '@cloister/consensus';
import type { KeyedTree } from '@cloister/crypto';
import type { Digest, Height } from '@cloister/encoding';
import type { EventLog, PreparedAppend, StoreOp } from '@cloister/event-log';
import { witnessOp } from '@cloister/event-log';
import { type Execution, encodeEvent, executeBlock, type VerifiedBatch } from '@cloister/ledger';
import type { BatchPool, BatchRefusal } from '../batches/batch-pool.ts';
import type { Want } from '../batches/batch-puller.ts';
import { COMMIT_BLOCKS_MAX, ROOTS_KEPT } from '../limits.ts';
import type { ExecutedRoot, ReplicaCore } from '../step/replica-core.ts';
import { type ExecutedRecord, executedOp, finalizationOp } from './chain-store.ts';
import { type ExecutedBlock, faultsIn, rootOf, told } from './executed-block.ts';
import { FactTrees } from './fact-trees.ts';
import { type OpenBlock, OpenBlocks } from './open-blocks.ts';

export interface Commit {
  readonly blocks: readonly Block[];
  readonly finalization: Finalization;
}

/** The part of a commit that is executed in one go. */
interface CommitPart extends Commit {
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** Height of the commit's last block, which the finalization certifies. */
  readonly height: Height;
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

export interface PipelineStart {
  readonly roots: ReadonlyMap<Height, ExecutedRoot>;
  /** Facts of the state after the last executed block. */
  readonly facts: KeyedTree;
  /** Blocks stored and not final, by hash. */
  readonly open: ReadonlyMap<Digest, OpenBlock>;
}

export class CommitPipeline {
  readonly #core: ReplicaCore;
  readonly #pool: BatchPool;
  readonly #log: Pick<EventLog, 'prepare'>;
  readonly #handlers: PipelineHandlers;
  readonly #queue: CommitPart[] = [];
  /** Whether a part of a long commit is being written; the next part follows after it. */
  #pausing = false;
  /** Roots of durable executions. */
  readonly #roots: Map<Height, ExecutedRoot>;
  readonly #open: OpenBlocks;
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
    this.#open = new OpenBlocks(pool, start.open);
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
    return this.#open.persistOps(block);
  }

  commit(commit: Commit): void {
    const { blocks, finalization } = commit;
    for (const { header, body } of blocks) this.#pool.commit(body.batches, header.height);
    const height = blocks.at(-1)?.header.height;
    for (let start = 0; height !== undefined && start < blocks.length; start += COMMIT_BLOCKS_MAX) {
      const end = start + COMMIT_BLOCKS_MAX;
      const part = { blocks: blocks.slice(start, end), finalization, height };
      this.#queue.push({ ...part, isFirst: start === 0, isLast: end >= blocks.length });
    }
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
    return [...waiting, ...this.#open.batches()];
  }

  /** Executes what can be executed. */
  run(): void {
    for (let commit = this.#queue[0]; commit !== undefined && !this.#pausing; commit = this.#queue[0]) {
      this.#takeOffered(commit);
      if (this.neededBatches().size > 0) {
        this.#handlers.onMissing();
        return;
      }
      this.#queue.shift();
      if (!this.#execute(commit)) return;
    }
  }

  #takeOffered(commit: Pick<Commit, 'blocks'>): void {
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
  #execute(commit: CommitPart): boolean {
    const executed: ExecutedBlock[] = [];
    const append: PreparedAppend[] = [];
    // A restart in the middle of a long commit goes on from the certificate.
    const chain: StoreOp[] = commit.isFirst ? [finalizationOp(commit.height, commit.finalization)] : [];
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
      chain.push(...prepared.ops, ...this.#open.finalOps(block));
      chain.push(executedOp(record));
    }
    const head = append.at(-1)?.head;
    if (last === undefined || head === undefined) return true;
    chain.push(...this.#open.abandonOps(last.header.height));
    this.#pruneRoots(last.header.height);
    this.#pausing = !commit.isLast;
    this.#handlers.store({ chain, guard: [witnessOp(head)], append }, () => {
      for (const { block } of executed) this.#pool.release(block.body.batches);
      if (!commit.isLast) this.#pausing = false;
      this.#handlers.onDurable(executed, head);
      if (!commit.isLast) this.run();
    });
    return true;
  }

  /**
   * A quorum finalized a block that vouches for another execution than this node's. One of the two executions is wrong.
   */
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

  #pruneRoots(height: Height): void {
    for (const old of this.#roots.keys()) {
      if (old >= height - ROOTS_KEPT) return;
      this.#roots.delete(old);
    }
  }
}
