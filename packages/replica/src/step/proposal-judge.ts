/** Proposals that consensus asked about: those that lack something wait here and are looked at again when it came. */
import { blockHolders, type Input, type MachineState, machineStatus } from '@cloister/consensus';
import type { Digest, Height, View } from '@cloister/encoding';
import type { BatchPool } from '../batches/batch-pool.ts';
import type { Want } from '../batches/batch-puller.ts';
import { type VerifyRequest, verifyBlock } from '../blocks/block-verifier.ts';
import type { EvidencePool } from '../blocks/evidence-pool.ts';
import type { CommittedTip } from '../store/committed-tip.ts';
import type { ExecutedRoot, ReplicaCore } from './replica-core.ts';

interface JudgeParts {
  readonly core: ReplicaCore;
  readonly pool: BatchPool;
  readonly evidence: EvidencePool;
  readonly root: (height: Height) => ExecutedRoot | undefined;
  readonly newestCommit: (height: number) => CommittedTip | undefined;
  readonly onMissing: () => void;
}

export class ProposalJudge {
  readonly #parts: JudgeParts;
  /** Told of each verdict. */
  readonly #answer: (answer: Extract<Input, { type: 'block-verified' }>) => void;
  readonly #verifying = new Map<Digest, VerifyRequest>();

  constructor(parts: JudgeParts, answer: (answer: Extract<Input, { type: 'block-verified' }>) => void) {
    this.#parts = parts;
    this.#answer = answer;
  }

  /** `view`: the one in which consensus is. */
  take(request: VerifyRequest, view: View): void {
    this.#hearTime(request, view);
    this.#verifying.set(request.blockHash, request);
    this.#verify(request);
  }

  /**
   * Batches that proposals under judgement name and the pool does not hold. Nothing more is asked for a proposal whose
   * view is over and that no quorum notarized.
   */
  neededBatches(machine: MachineState): ReadonlyMap<Digest, Want> {
    const { pool } = this.#parts;
    const { view } = machineStatus(machine);
    const needed = new Map<Digest, Want>();
    for (const { header, body, blockHash } of this.#verifying.values()) {
      const { voters, notarized } = blockHolders(machine, blockHash);
      if (!notarized && header.view < view) continue;
      const want: Want = { height: header.height, sources: [header.proposer, ...voters] };
      for (const id of body.batches) {
        const known = pool.get(id) !== undefined || pool.condemned(id, header.height) !== undefined;
        if (!known) needed.set(id, want);
      }
    }
    return needed;
  }

  /** Ids that proposals under judgement name. */
  namedBatches(): Digest[] {
    return [...this.#verifying.values()].flatMap(({ body }) => body.batches);
  }

  /** A block of an earlier view may have come late, so it says nothing about its leader's clock. */
  #hearTime({ header, ancestors }: VerifyRequest, view: View): void {
    const { core, newestCommit } = this.#parts;
    if (header.view !== view) return;
    const parent = ancestors.at(-1)?.header ?? newestCommit(header.height - 1)?.header;
    const parentTimestampMs = parent?.timestampMs ?? core.genesis.genesis.timeMs;
    const { proposer, timestampMs } = header;
    core.networkClock.heard({ proposer, timestampMs, parentTimestampMs }, core.monotonicMs);
  }

  #verify(request: VerifyRequest): void {
    const { core, pool, evidence, root, onMissing } = this.#parts;
    const verdict = verifyBlock({ core, pool, evidence, root }, request);
    if (verdict.verdict === 'wait') {
      if (verdict.missing.length > 0) onMissing();
      return;
    }
    this.#verifying.delete(request.blockHash);
    const answer = { type: 'block-verified', blockHash: request.blockHash, verdict: verdict.verdict } as const;
    this.#answer(verdict.verdict === 'valid' ? answer : { ...answer, reason: verdict.reason });
    if (verdict.verdict === 'invalid') {
      core.emit({ type: 'refused', from: request.header.proposer, code: 'BLOCK_INVALID', detail: verdict.reason });
    }
  }

  /** Looks at waiting proposals again: something arrived or was executed. */
  recheck(): void {
    for (const request of [...this.#verifying.values()]) this.#verify(request);
  }

  forgetBelow(height: Height | undefined): void {
    if (height === undefined) return;
    for (const [hash, { header }] of this.#verifying) if (header.height <= height) this.#verifying.delete(hash);
  }
}
