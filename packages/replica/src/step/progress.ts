/**
 * The progress of a replica: its newest durable block, when it last heard something new, and whether it is up to date.
 *
 * Everything about the newest block is taken from one record when its write is durable. The ledger itself is ahead of
 * that by the blocks that are being written, so an answer made of both would mix two moments.
 */
import { DEFAULT_TIMING, type MachineStatus } from '@cloister/consensus';
import type { Height } from '@cloister/encoding';
import { STALE_MS } from '../limits.ts';
import type { RecoveredReplica } from '../recovery/recovered.ts';
import type { ExecutedRecord } from '../store/chain-store.ts';
import type { ReplicaConfig, ReplicaCore } from './replica-core.ts';
import type { ReplicaStatus, TipStatus } from './replica-ports.ts';

export class ReplicaProgress {
  readonly #core: ReplicaCore;
  readonly #staleMs: number;
  #tip: TipStatus;
  #certificateMs = 0;
  #finalityMs = 0;
  #view = 0;
  #finalizedView = 0;

  constructor(core: ReplicaCore, { genesis, timing }: ReplicaConfig, recovered: RecoveredReplica) {
    this.#core = core;
    this.#staleMs = STALE_MS + 2 * (timing?.idleIntervalMs ?? DEFAULT_TIMING.idleIntervalMs);
    const { executedHeight: height, tip, head, roots } = recovered;
    this.#tip = {
      height,
      hash: tip?.hash ?? genesis.chainId,
      timeMs: tip?.header.timestampMs ?? genesis.genesis.timeMs,
      eventCount: head.count,
      eventRoot: roots.get(height)?.eventRoot ?? genesis.chainId,
    };
  }

  get height(): Height {
    return this.#tip.height;
  }

  start(): void {
    this.#certificateMs = this.#core.monotonicMs;
    this.#finalityMs = this.#core.monotonicMs;
  }

  /** A block's execution is durable. */
  executed({ height, hash, timeMs, eventCount, eventRoot }: ExecutedRecord): void {
    this.#tip = { height, hash, timeMs, eventCount, eventRoot };
  }

  /** After each step: a view that was left, or a higher finalization, means that a new certificate was heard. */
  heard({ view, finalized }: MachineStatus): void {
    if (view !== this.#view) this.#certificateMs = this.#core.monotonicMs;
    if (finalized.view !== this.#finalizedView) this.#finalityMs = this.#core.monotonicMs;
    this.#view = view;
    this.#finalizedView = finalized.view;
  }

  /** `behind`: a peer showed more than was fetched. */
  status(behind: boolean): Pick<ReplicaStatus, 'tip' | 'certificateMs' | 'finalityMs' | 'clockSkewMs' | 'synced'> {
    const { nowMs, monotonicMs, networkClock } = this.#core;
    const isHeard = monotonicMs - this.#finalityMs <= this.#staleMs;
    const isYoung = networkClock.stampMs(nowMs, monotonicMs) - this.#tip.timeMs <= this.#staleMs;
    return {
      tip: this.#tip,
      certificateMs: this.#certificateMs,
      finalityMs: this.#finalityMs,
      clockSkewMs: networkClock.skewMs(nowMs, monotonicMs),
      synced: !behind && this.#tip.height === this.#core.committedHeight() && isHeard && isYoung,
    };
  }
}
