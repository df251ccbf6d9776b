/**
 * Opening a replica over its two databases: the event log is checked, the agreed state replayed, and consensus
 * recovered from the sign guard's records.
 *
 * Nothing is guessed: damage, a log behind what the guard has signed for, or records that contradict each other end the
 * start with a typed error.
 */

import {
  type Block,
  compareRounds,
  decodeGuardRecord,
  emptyGuard,
  type GuardState,
  type RecoveredState,
  recoverGuard,
} from '@cloister/consensus';
import { type AccountId, asHeight, CodedError, type Digest, type Height, ok } from '@cloister/encoding';
import { EventLog, type OrderedStore, type StoredEvent } from '@cloister/event-log';
import {
  decodeEvent,
  decodeState,
  encodeEvent,
  evolve,
  factsRoot,
  factTreeOf,
  genesisEvents,
  initialState,
  type LedgerState,
  type ParsedGenesis,
} from '@cloister/ledger';
import { BATCH_LIFETIME_HEIGHTS, ROOTS_KEPT } from '../limits.ts';
import { Replica } from '../step/replica.ts';
import type { ExecutedRoot, ReplicaConfig } from '../step/replica-core.ts';
import { GUARD_RANGE, hashOfOpenKey, OPEN_RANGE } from '../store/chain-keys.ts';
import { ChainStore } from '../store/chain-store.ts';
import { rootOf } from '../store/executed-block.ts';
import { type GuardMemory, guardFault, readGuardMark } from '../store/guard-memory.ts';
import type { OpenBlock } from '../store/open-blocks.ts';
import type { RecoveredReplica } from './recovered.ts';

/** Why a replica does not start. Damage to the log itself is `EventLogDamaged`. */
export type StartRefusal =
  /** The sign guard's database is damaged or contradicts itself: without it no signature is safe. */
  | 'GUARD_DAMAGED'
  /** Blocks, certificates and events do not fit together. */
  | 'CHAIN_INCONSISTENT'
  /** A stored event does not decode: written by another version. */
  | 'EVENT_UNREADABLE';

export interface OpenedReplica {
  readonly replica: Replica;
  readonly log: EventLog;
  readonly reader: ChainStore;
  readonly recovered: RecoveredReplica;
}

export interface OpenReplicaOptions {
  readonly config: ReplicaConfig;
  /** Blocks, batches, certificates and the event log. */
  readonly chain: OrderedStore;
  /** The sign guard: never rolled back, never restored. */
  readonly guard: OrderedStore;
  readonly verify?: 'checkpoint' | 'full';
  /** Events checked or replayed so far, out of all. */
  readonly onProgress?: (phase: 'verify' | 'replay', done: number, total: number) => void;
}

/** Throws a `CodedError` of a `StartRefusal`, `EventLogDamaged` or `StoreError`. An empty pair of databases is a new node. */
export async function openReplica(options: OpenReplicaOptions): Promise<OpenedReplica> {
  const { config, chain, guard, verify = 'checkpoint', onProgress } = options;
  const { genesis } = config;
  const { chainId } = genesis;
  const { state: guardState, keys, memory } = await readGuard(config, chain, guard);
  const log = await EventLog.open(chain, {
    chainId,
    verify,
    witness: guard,
    ...(guardState.head.count > 0 ? { guardHead: guardState.head } : {}),
    onProgress: (done, total) => onProgress?.('verify', done, total),
  });
  if (log.head.count === 0) {
    await log.commit(log.prepare(asHeight(0), genesisEvents(genesis).map(encodeEvent)));
  }
  const reader = new ChainStore(chain, log, genesis);
  const ledger = await replay(log, onProgress);
  const chainParts = await readChain(reader, genesis);
  const openParts = await readOpen(chain, reader, chainParts.executedHeight);
  const { executedHeight } = chainParts;
  if (ledger.height !== executedHeight) {
    throw new CodedError<StartRefusal>(
      'CHAIN_INCONSISTENT',
      `events reach height ${ledger.height}, blocks ${executedHeight}`,
    );
  }
  const facts = factTreeOf(ledger);
  if (chainParts.roots.get(executedHeight)?.factsRoot !== factsRoot(facts)) {
    throw new CodedError<StartRefusal>(
      'CHAIN_INCONSISTENT',
      `the state at height ${executedHeight} is not the one that was executed`,
    );
  }
  const recovered: RecoveredReplica = {
    ledger,
    facts,
    head: { count: log.head.count, hash: log.head.hash },
    machine: {
      guard: guardState,
      committed: chainParts.committed,
      blocks: openParts.blocks,
    },
    guardMemory: memory,
    guardKeys: keys,
    ...chainParts,
    batches: openParts.batches,
    open: openParts.open,
  };
  return { replica: new Replica(config, recovered, log), log, reader, recovered };
}

const GUARD_ADVICE =
  'Move the folder of the sign guard away and start again. With an empty guard this validator only follows the chain, until ' +
  'validators of a quorum’s weight have shown which of its votes they know and a later round has begun; then it signs again by itself.';

function damagedGuard(what: string): CodedError<StartRefusal> {
  return new CodedError<StartRefusal>(
    'GUARD_DAMAGED',
    `the sign guard is damaged or was restored from an older copy: ${what}. ${GUARD_ADVICE}`,
  );
}

async function readGuard(
  { genesis: { chainId }, signer }: ReplicaConfig,
  chain: OrderedStore,
  guard: OrderedStore,
): Promise<{ readonly state: GuardState; readonly keys: Uint8Array[]; readonly memory: GuardMemory }> {
  const keys: Uint8Array[] = [];
  const values: Uint8Array[] = [];
  for await (const [key, value] of guard.range(GUARD_RANGE)) {
    keys.push(key);
    values.push(value);
  }
  const mark = await readGuardMark(guard);
  if (mark === 'damaged') throw damagedGuard('its mark does not match its checksum');
  const recovered = values.length === 0 ? ok(emptyGuard(chainId)) : recoverGuard(chainId, values);
  if (!recovered.ok) throw damagedGuard(`${recovered.code} ${recovered.detail ?? ''}`);
  const { records, floor, head } = recovered.value;
  const own = mark?.validator === signer.id ? mark : undefined;
  const state = { records, head, floor: own !== undefined && compareRounds(own.floor, floor) > 0 ? own.floor : floor };
  const isOwn = own !== undefined || values.some((value) => isRecordOf(chainId, value, signer.id));
  if (!isOwn) return { state, keys, memory: 'none' };
  const fault = await guardFault(chain, guard, state.floor);
  if (fault !== undefined) throw damagedGuard(fault);
  return { state, keys, memory: 'whole' };
}

function isRecordOf(chainId: Digest, value: Uint8Array, signer: AccountId): boolean {
  const record = decodeGuardRecord(chainId, value);
  return record.ok && record.value.signed.signer === signer;
}

async function replay(log: EventLog, onProgress: OpenReplicaOptions['onProgress']): Promise<LedgerState> {
  const snapshot = await log.loadSnapshot();
  const decoded = snapshot === undefined ? undefined : decodeState(snapshot.stateBytes);
  const usable = snapshot !== undefined && decoded?.ok === true;
  const total = log.head.count;
  const fold = (state: LedgerState, stored: StoredEvent): LedgerState => {
    const event = decodeEvent(stored.type, stored.payload);
    if (!event.ok)
      throw new CodedError<StartRefusal>(
        'EVENT_UNREADABLE',
        `event ${stored.sequence} (${stored.type}): ${event.code}`,
      );
    if (stored.sequence % 10_000 === 0) onProgress?.('replay', stored.sequence, total);
    return evolve(state, event.value);
  };
  if (!usable) return log.replay({ state: initialState(), evolve: fold });
  return log.replay({ state: decoded.value, from: snapshot.count, previousHash: snapshot.hash, evolve: fold });
}

type ChainParts = Pick<
  RecoveredReplica,
  'executedHeight' | 'provableHeight' | 'workHeight' | 'tip' | 'committedBatches' | 'roots'
> & { readonly committed: RecoveredState['committed'] };

async function readChain(reader: ChainStore, genesis: ParsedGenesis): Promise<ChainParts> {
  const executedHeight = await reader.tipHeight();
  const genesisCount = genesisEvents(genesis).length;
  const roots = new Map<Height, ExecutedRoot>();
  const committedBatches: { height: Height; ids: readonly Digest[] }[] = [];
  const oldest = Math.max(1, executedHeight - Math.max(ROOTS_KEPT, 2 * BATCH_LIFETIME_HEIGHTS));
  if (oldest === 1) {
    const root = await reader.log.rootAt(genesisCount);
    const founded = genesisEvents(genesis).reduce(evolve, initialState());
    const facts = factsRoot(factTreeOf(founded));
    roots.set(asHeight(0), { hash: reader.chainId, eventRoot: root, eventCount: genesisCount, factsRoot: facts });
  }
  let workHeight = asHeight(0);
  for (let at = oldest; at <= executedHeight; at++) {
    const height = asHeight(at);
    const record = await reader.executed(height);
    if (record === undefined) throw new CodedError<StartRefusal>('CHAIN_INCONSISTENT', `no record of block ${at}`);
    roots.set(height, rootOf(record));
    if (record.eventCount - record.firstSequence > 1) workHeight = height;
    if (at < executedHeight - 2 * BATCH_LIFETIME_HEIGHTS) continue;
    const block = await reader.block(record.hash);
    if (block === undefined) throw new CodedError<StartRefusal>('CHAIN_INCONSISTENT', `block ${at} is missing`);
    committedBatches.push({ height, ids: block.body.batches });
  }
  const { committed, tip } = await readTip(reader, executedHeight);
  const provableHeight = committed?.header.lastFinal.height ?? asHeight(0);
  return { executedHeight, provableHeight, workHeight, committed, tip, committedBatches, roots };
}

/**
 * The last executed block with the newest certificate, which may be of a descendant: a long commit becomes durable in parts.
 * The tip is the newest block with a certificate of its own.
 */
async function readTip(reader: ChainStore, executedHeight: Height): Promise<Pick<ChainParts, 'committed' | 'tip'>> {
  if (executedHeight === 0) return { committed: undefined, tip: undefined };
  const latest = await reader.latestFinalization();
  const block = await reader.blockAt(executedHeight);
  if (latest === undefined || latest.height < executedHeight || block === undefined) {
    throw new CodedError<StartRefusal>('CHAIN_INCONSISTENT', `no certificate of block ${executedHeight}`);
  }
  const committed = { header: block.header, finalization: latest.finalization };
  const certified = await reader.finalizationUpTo(executedHeight);
  const own = certified === undefined ? undefined : await reader.blockAt(certified.height);
  if (certified === undefined || own === undefined) return { committed, tip: undefined };
  return { committed, tip: { hash: own.hash, header: own.header, finalization: certified.finalization } };
}

async function readOpen(
  chain: OrderedStore,
  reader: ChainStore,
  executedHeight: Height,
): Promise<{ readonly blocks: Block[] } & Pick<RecoveredReplica, 'batches' | 'open'>> {
  const blocks: Block[] = [];
  const batches: { id: Digest; height: Height; bytes: Uint8Array }[] = [];
  const open = new Map<Digest, OpenBlock>();
  for await (const [key] of chain.range(OPEN_RANGE)) {
    const block = await reader.block(hashOfOpenKey(key));
    if (block === undefined) continue;
    const { height } = block.header;
    const ids = block.body.batches;
    open.set(block.hash, { height, batches: ids });
    if (height <= executedHeight) continue;
    blocks.push(block);
    const stored = await reader.batches(ids);
    for (const [index, id] of ids.entries()) {
      const bytes = stored[index];
      if (bytes !== undefined) batches.push({ id, height, bytes });
    }
  }
  return { blocks, batches, open };
}
