/**
 * Runs the executor and the attestation keeper over the local enclave. They are told of every committed block, one
 * after the other, and never delay consensus.
 */

import type { Ed25519KeyPair } from '@cloister/crypto';
import type { AccountId, Digest } from '@cloister/encoding';
import { decodeEvent, type LedgerEvent } from '@cloister/ledger';
import type { ChainReader, TaskAssignment } from '@cloister/replica';
import {
  AttestationKeeper,
  type BlobPort,
  type ExecutionReport,
  Executor,
  type KeeperReport,
  type LedgerPort,
  type ProofPort,
  ProvenEnclave,
  type SubmitPort,
} from '@cloister/validator';
import type { AskMember } from '../blobs/blob-pieces.ts';
import { HoldingCollector } from '../blobs/holding-collector.ts';
import type { CommittedBlock } from '../chain/event-bus.ts';
import type { EnclaveSupervisor } from './enclave-supervisor.ts';

export interface ExecutorShellOptions {
  readonly chainId: Digest;
  readonly signer: Ed25519KeyPair;
  readonly enclave: EnclaveSupervisor;
  readonly ledger: LedgerPort;
  readonly proofs: ProofPort;
  readonly blobs: BlobPort;
  /** Connected members. */
  readonly connected: () => readonly AccountId[];
  /** One request of the hold protocol. */
  readonly askToHold: AskMember;
  readonly submit: SubmitPort;
  readonly isSynced: () => boolean;
  readonly monotonicMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly onExecution: (report: ExecutionReport) => void;
  readonly onKeeper: (report: KeeperReport) => void;
  /** The enclave did not say how it is. */
  readonly onUndescribed: (error: unknown) => void;
  readonly onError: (error: unknown) => void;
}

/** Blocks between two looks at what the enclave says of itself, for status pages. */
const DESCRIBE_BLOCKS = 5;

/** The ledger as the executor sees it. */
export function createLedgerPort(state: LedgerPort['state'], chain: ChainReader): LedgerPort {
  return {
    state,
    event: async (sequence): Promise<LedgerEvent | undefined> => {
      const stored = await chain.log.get(sequence);
      const event = stored === undefined ? undefined : decodeEvent(stored.type, stored.payload);
      return event?.ok ? event.value : undefined;
    },
  };
}

export class ExecutorShell {
  readonly #options: ExecutorShellOptions;
  readonly #executor: Executor;
  readonly #keeper: AttestationKeeper;
  readonly #stopping = new AbortController();

  constructor(options: ExecutorShellOptions) {
    this.#options = options;
    const { chainId, signer, enclave, ledger, proofs, blobs, submit, monotonicMs, randomBytes } = options;
    const random = { bytes: randomBytes };
    const clock = { monotonicMs, sleep: (delayMs: number) => this.#sleep(delayMs) };
    const common = { chainId, signer, enclave: enclave.port, ledger, proofs, random };
    const proven = new ProvenEnclave(clock);
    const holdings = new HoldingCollector({
      chainId,
      self: signer.id,
      state: ledger.state,
      connected: options.connected,
      request: options.askToHold,
      clock,
      isStopped: () => this.#stopping.signal.aborted,
    });
    const ports = { ...common, blobs, holdings, clock, proven };
    this.#executor = new Executor({ ports, submit, report: options.onExecution });
    this.#keeper = new AttestationKeeper({ ...common, submit, isSynced: options.isSynced }, options.onKeeper);
  }

  /** Tasks taken on and not settled. */
  get pending(): number {
    return this.#executor.pending;
  }

  assign(task: TaskAssignment): void {
    this.#executor.assign(task);
  }

  /** Tells the keeper how many events finalized headers cover so far. */
  start(provableCount: number): void {
    this.#keep(provableCount);
  }

  committed(block: CommittedBlock): void {
    this.#executor.blockCommitted();
    this.#keep(block.provableCount);
    if (block.height % DESCRIBE_BLOCKS === 0 && this.#options.enclave.state === 'running') {
      this.#options.enclave.port.describe().catch(this.#options.onUndescribed);
    }
  }

  /** Another enclave runs: its keys may be new. */
  enclaveRunning(): void {
    this.#keep(0);
  }

  #keep(provableCount: number): void {
    if (this.#stopping.signal.aborted) return;
    // The keeper works one action at a time and looks again when told of a block meanwhile.
    this.#keeper.blockCommitted({ provableCount }).catch(this.#options.onError);
  }

  #sleep(delayMs: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, delayMs);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** Nothing new is begun; resolves when what runs has come to its next stop. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#executor.stop(), this.#keeper.stop()]);
  }
}
