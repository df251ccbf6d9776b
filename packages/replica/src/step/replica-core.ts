/**
 * What the parts of one replica share: configuration, the agreed state, the clock readings of the current input, and the
 * effects of the current step.
 */
import type { createMachine, Timing, ValidatorSet } from '@cloister/consensus';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { asEpoch, asValidatorId, type Digest, type Epoch, type Height, type ValidatorId } from '@cloister/encoding';
import { genesisValidatorSet, type LedgerState, type ParsedGenesis, paramsHash } from '@cloister/ledger';
import { NetworkClock } from './network-clock.ts';
import type { ReplicaClocks, ReplicaEffect } from './replica-ports.ts';

export interface ReplicaConfig {
  readonly genesis: ParsedGenesis;
  /** This node's key; its id need not be a validator's. */
  readonly signer: Ed25519KeyPair;
  /** `DEFAULT_TIMING` for what is not given. */
  readonly timing?: Partial<Timing>;
  /** Replaces the machine of consensus, for tests that a simulation notices a machine without one of its rules. */
  readonly createMachine?: typeof createMachine;
}

/** An executed block as headers refer to it. */
export interface ExecutedRoot {
  readonly hash: Digest;
  readonly eventRoot: Digest;
  readonly eventCount: number;
  readonly factsRoot: Digest;
}

export interface ReplicaCore {
  readonly chainId: Digest;
  readonly self: ValidatorId;
  readonly signer: Ed25519KeyPair;
  readonly genesis: ParsedGenesis;
  readonly set: ValidatorSet;
  /** Whether this node is in the set. */
  readonly isMember: boolean;
  /** Whether this node is in the set, and its log is not behind what its sign guard has seen. */
  readonly isValidator: boolean;
  readonly epoch: Epoch;
  readonly paramsHash: Digest;
  readonly ledger: LedgerState;
  /** Wall clock of the current input, for timestamps only: it may step either way. */
  readonly nowMs: number;
  /** Monotonic clock of the current input, for every duration. */
  readonly monotonicMs: number;
  readonly networkClock: NetworkClock;
  emit(effect: ReplicaEffect): void;
  setTimer(id: string, delayMs: number): void;
  /** Height of the last block that consensus committed; execution may be behind. */
  committedHeight(): Height;
  /** Height of the last block whose execution is durable. */
  executedHeight(): Height;
  halt(code: string, detail: string): void;
}

interface CoreSources extends Pick<ReplicaCore, 'emit' | 'committedHeight' | 'executedHeight' | 'halt'> {
  /** Readings of the current input. */
  readonly clocks: () => ReplicaClocks;
  /** Whether the log is behind what the sign guard has seen. */
  readonly resyncs: () => boolean;
}

export function createReplicaCore(config: ReplicaConfig, ledger: LedgerState, sources: CoreSources): ReplicaCore {
  const { genesis, signer } = config;
  const { clocks, resyncs, emit, committedHeight, executedHeight, halt } = sources;
  const set = genesisValidatorSet(genesis.genesis);
  const self = asValidatorId(signer.id);
  const isMember = set.validators.some(({ id }) => id === self);
  return {
    chainId: genesis.chainId,
    self,
    signer,
    genesis,
    set,
    isMember,
    epoch: asEpoch(0),
    paramsHash: paramsHash(genesis.genesis.params),
    ledger,
    networkClock: new NetworkClock(set, self),
    get isValidator() {
      return isMember && !resyncs();
    },
    get nowMs() {
      return clocks().nowMs;
    },
    get monotonicMs() {
      return clocks().monotonicMs;
    },
    emit,
    setTimer: (id, delayMs) => emit({ type: 'set-timer', id, delayMs }),
    committedHeight,
    executedHeight,
    halt,
  };
}
