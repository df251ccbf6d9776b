/**
 * The parts of one node, put together: databases and replica at the bottom, the shell that drives it, network, blobs,
 * challenges, enclave, executor and index around. Nothing runs before `start`.
 */
import { randomBytes } from 'node:crypto';
import { type Ed25519KeyPair, ed25519KeyPair } from '@cloister/crypto';
import type { AccountId } from '@cloister/encoding';
import { isKnownSender, type ParsedGenesis } from '@cloister/ledger';
import type { Network } from '@cloister/network';
import { type OpenedReplica, openReplica } from '@cloister/replica';
import type { ProofPort } from '@cloister/validator';
import { ChallengeDesk } from '../attest/challenge-desk.ts';
import { EnclaveSupervisor, type LaunchEnclave } from '../attest/enclave-supervisor.ts';
import { createLedgerPort, ExecutorShell } from '../attest/executor-shell.ts';
import { PeerAttestations } from '../attest/peer-attestation.ts';
import { BlobExchange } from '../blobs/blob-exchange.ts';
import type { BlobNames } from '../blobs/blob-names.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import { HoldingDesk } from '../blobs/holding-desk.ts';
import { openBlobs } from '../blobs/open-blobs.ts';
import { type CommittedBlock, EventBus } from '../chain/event-bus.ts';
import { EventIndex } from '../chain/event-index.ts';
import { connectedMembers, shellNetwork } from '../chain/node-network.ts';
import { createProofPort } from '../chain/proof-port.ts';
import { ReplicaShell } from '../chain/replica-shell.ts';
import type { NodeStores } from '../chain/stores.ts';
import { TransactionTracker } from '../chain/transaction-tracker.ts';
import type { Config } from '../config/config-options.ts';
import type { Operation } from '../status/node-metrics.ts';
import { messageOf } from './errors.ts';
import type { HomeLayout, NodeKeys } from './home.ts';
import type { Log } from './log-lines.ts';

export interface CoreOptions {
  readonly layout: HomeLayout;
  readonly config: Config;
  readonly keys: NodeKeys;
  readonly genesis: ParsedGenesis;
  readonly stores: NodeStores;
  /** Undefined: a node without enclave. */
  readonly launch: LaunchEnclave | undefined;
  readonly log: Log;
  /** Wall clock. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  readonly network: () => Network | undefined;
  readonly onCommitted: (block: CommittedBlock) => void;
  readonly onHalt: (code: string, detail: string) => void;
  readonly observe: CoreObservers;
}

/** For metrics. */
export interface CoreObservers {
  readonly challenged: ConstructorParameters<typeof PeerAttestations>[0]['onOutcome'];
  readonly executed: ConstructorParameters<typeof ExecutorShell>[0]['onExecution'];
  readonly refused: (code: string) => void;
  readonly evidence: (kind: string) => void;
  /** An operation failed without which the node goes on. */
  readonly failed: (operation: Operation, error: unknown) => void;
}

export interface NodeCore {
  readonly self: AccountId;
  readonly genesis: ParsedGenesis;
  readonly signer: Ed25519KeyPair;
  readonly opened: OpenedReplica;
  readonly shell: ReplicaShell;
  readonly bus: EventBus;
  readonly index: EventIndex;
  readonly tracker: TransactionTracker;
  readonly names: BlobNames;
  readonly blobs: BlobStore;
  readonly exchange: BlobExchange;
  readonly holdings: HoldingDesk;
  readonly desk: ChallengeDesk;
  readonly peers: PeerAttestations;
  readonly proofs: ProofPort;
  readonly enclave: EnclaveSupervisor | undefined;
  readonly executor: ExecutorShell | undefined;
}

function random(length: number): Uint8Array {
  return Uint8Array.from(randomBytes(length));
}

async function openReplicaOf(
  { config, genesis, stores, log }: CoreOptions,
  signer: Ed25519KeyPair,
): Promise<OpenedReplica> {
  return openReplica({
    config: {
      genesis,
      signer,
      timing: {
        viewTimeoutMs: config['consensus.view_timeout_ms'],
        idleIntervalMs: config['consensus.idle_interval_ms'],
        retryMs: config['consensus.retry_ms'],
      },
    },
    chain: stores.chain,
    guard: stores.guard,
    verify: config['log.verify'],
    onProgress: (phase, done, total) => log('debug', 'opening-log', { phase, done, total }),
  });
}

/** Opens what has state on disk and wires the rest. Throws typed errors: StoreError, EventLogDamaged, NodeError, a CodedError of a StartRefusal. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: it wires the parts, in the order in which they need each other.
export async function createCore(options: CoreOptions): Promise<NodeCore> {
  const { layout, config, keys, genesis, stores, log, nowMs, monotonicMs, network, observe } = options;
  const signer = ed25519KeyPair(keys.validator.seed);
  const self = signer.id;
  const opened = await openReplicaOf(options, signer);
  const { replica, reader } = opened;
  const state = (): typeof replica.ledger => replica.ledger;
  const report = (error: unknown): void => log('error', 'internal', { error: messageOf(error) });
  const bus = new EventBus(report);
  const index = await EventIndex.open(stores.index, opened.log, (error) => observe.failed('index', error));
  const { names, promises, blobs } = await openBlobs(layout, config, state, nowMs);
  const tracker = new TransactionTracker((id) => index.transaction(id));
  const connected = (): AccountId[] => {
    const current = network();
    return current === undefined ? [] : connectedMembers(current, self);
  };
  const ask = (protocol: 'attest' | 'blob' | 'hold') => {
    return async (member: AccountId, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> => {
      const current = network();
      if (current === undefined) throw new Error('the network is not up');
      return current.request(member, protocol, bytes, { maxBytes });
    };
  };
  const enclave =
    options.launch === undefined
      ? undefined
      : new EnclaveSupervisor({
          launch: options.launch,
          backoffMsMax: config['enclave.restart_backoff_ms_max'],
          onState: (now, detail) => {
            log(now === 'failed' ? 'warn' : 'info', `enclave-${now}`, detail === '' ? {} : { detail });
            if (now === 'running') executor?.enclaveRunning();
          },
        });
  const desk = new ChallengeDesk({
    chainId: genesis.chainId,
    self,
    enclave: () => enclave?.port,
    isAccount: (id) => isKnownSender(state(), id),
    answersPerMinute: config['attestation.answers_per_minute'],
    monotonicMs,
    request: ask('attest'),
  });
  const peers = new PeerAttestations({
    chainId: genesis.chainId,
    self,
    state,
    randomBytes: random,
    nowMs,
    monotonicMs,
    intervalMs: config['attestation.challenge_interval_s'] * 1000,
    connected,
    ask: (member, challenge) => desk.ask(member, challenge),
    onOutcome: (member, outcome) => {
      const { passed, code, detail } = outcome;
      log(passed ? 'debug' : 'warn', passed ? 'peer-attested' : 'peer-attestation-failed', { member, code, detail });
      observe.challenged(member, outcome);
    },
    onError: report,
  });
  const exchange = new BlobExchange({
    store: blobs,
    members: connected,
    request: ask('blob'),
    isWorkload: (digest) => names.isWorkload(digest),
    attestationOf: (member) => peers.attestationOf(member),
  });
  const { chainId } = genesis;
  const holdings = new HoldingDesk({
    chainId,
    signer,
    state,
    names,
    promises,
    blobs,
    request: ask('blob'),
    monotonicMs,
  });
  const proofs = createProofPort(reader, (height) => replica.facts(height));
  const shell = new ReplicaShell({
    replica,
    chain: stores.chain,
    guard: stores.guard,
    log: opened.log,
    network: shellNetwork(
      () => {
        const current = network();
        if (current === undefined) throw new Error('the network is not up');
        return current;
      },
      self,
      reader,
    ),
    nowMs,
    monotonicMs,
    onCommitted: (block) => {
      index.committed(block.firstSequence, block.height, block.events);
      names.committed(block.events);
      tracker.committed(block);
      executor?.committed(block);
      options.onCommitted(block);
      bus.publish(block);
    },
    onExecute: ({ task }) => {
      if (executor === undefined) log('warn', 'task-without-enclave', { task: task.task });
      else executor.assign(task);
    },
    onEvidence: ({ against, kind }) => {
      log('warn', 'evidence', { against, kind });
      observe.evidence(kind);
    },
    onRefused: ({ from, code, detail }) => {
      log('debug', 'refused', { from, code, detail });
      observe.refused(code);
    },
    onUnpublished: (error) => observe.failed('batch-publish', error),
    onHalt: options.onHalt,
  });
  const executor =
    enclave === undefined
      ? undefined
      : new ExecutorShell({
          chainId: genesis.chainId,
          signer,
          enclave,
          ledger: createLedgerPort(state, reader),
          proofs,
          blobs: exchange,
          connected,
          askToHold: ask('hold'),
          submit: { submit: (bytes) => submitTracked(shell, tracker, bytes) },
          isSynced: () => replica.status().synced,
          monotonicMs,
          randomBytes: random,
          onExecution: (execution) => {
            const { type, assignment } = execution;
            const failed = type === 'refused' || type === 'attempt-failed' || type === 'not-taken';
            const reason =
              type === 'refused' ? execution.detail : type === 'attempt-failed' ? execution.outcome.detail : undefined;
            const code =
              type === 'refused' || type === 'not-taken'
                ? execution.code
                : type === 'attempt-failed'
                  ? execution.outcome.code
                  : undefined;
            log(failed ? 'warn' : 'info', `execution-${type}`, { task: assignment.task, code, reason });
            observe.executed(execution);
          },
          onKeeper: (kept) => {
            const fields =
              kept.type === 'failed'
                ? { action: kept.action, code: kept.code, detail: kept.detail }
                : kept.type === 'accepted' || kept.type === 'stopped'
                  ? { sequence: kept.sequence, code: kept.type === 'stopped' ? kept.code : undefined }
                  : { reason: kept.reason, transaction: kept.transaction };
            // An enclave that is not there is the supervisor's to report.
            const absent = kept.type === 'failed' && kept.code === 'ENCLAVE_GONE';
            log(absent ? 'debug' : kept.type === 'failed' ? 'warn' : 'info', `attestation-${kept.type}`, fields);
          },
          onUndescribed: (error) => observe.failed('enclave-describe', error),
          onError: report,
        });
  return {
    self,
    genesis,
    signer,
    opened,
    shell,
    bus,
    index,
    tracker,
    names,
    blobs,
    exchange,
    holdings,
    desk,
    peers,
    proofs,
    enclave,
    executor,
  };
}

/** Hands a transaction in and remembers that it is pending. */
export async function submitTracked(
  shell: ReplicaShell,
  tracker: TransactionTracker,
  bytes: Uint8Array,
  verified = false,
): ReturnType<ReplicaShell['submit']> {
  const taken = await shell.submit(bytes, verified);
  if (taken.ok) tracker.admitted(taken.value.id, bytes);
  return taken;
}
