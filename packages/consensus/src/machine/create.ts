/**
 * Making a machine, new or from what survived a crash.
 */
import { asEpoch, asHeight, assert, asView, type Epoch } from '@cloister/encoding';
import { checkSignature, type SignatureCheck } from '../certificates/certificate.ts';
import { SignatureCache } from '../certificates/signature-cache.ts';
import { emptyGuard, type GuardRecord, SignGuard } from '../guard/sign-guard.ts';
import { LeaderReputation } from '../leaders/leader-reputation.ts';
import type { MachineConfig, RecoveredState } from '../machine-types.ts';
import { blockHashOf, blockOf } from '../messages/block-codec.ts';
import type { Certificate, ValidatorSet } from '../messages/types.ts';
import { PROTOCOL_RULES, type Rules } from '../rules.ts';
import { keepBlock } from './blocks.ts';
import { armRetry } from './retry.ts';
import { keepOwn, voteOf } from './sign.ts';
import { type Committed, emit, type MachineState, roundAt } from './state.ts';
import { beginView } from './view.ts';

/** What production never changes. */
export interface MachineParts {
  readonly rules: Rules;
  readonly check: SignatureCheck;
}

const EPOCH_0: Epoch = asEpoch(0);
/** A leader may be late once or twice because of the network. A turn without a block costs a whole view timer. */
const LATE_TURNS_FORGIVEN = 1;

function committedTip(config: MachineConfig, recovered: RecoveredState | undefined): Committed {
  if (recovered?.committed === undefined) {
    const { chainId: hash, genesisTimestampMs: timestampMs } = config;
    return { height: asHeight(0), hash, view: asView(0), header: undefined, timestampMs };
  }
  const { header, finalization } = recovered.committed;
  const hash = blockHashOf(header);
  // A long commit becomes durable in parts: then the certificate is of a descendant that is yet to be executed.
  const view = finalization.proposition.blockHash === hash ? finalization.view : header.view;
  return { height: header.height, hash, view, header, timestampMs: header.timestampMs };
}

export function createMachineWith(
  parts: MachineParts,
  config: MachineConfig,
  recovered: RecoveredState | undefined,
): MachineState {
  const { chainId, self, sign, genesisSet } = config;
  const guardState = recovered?.guard ?? emptyGuard(chainId);
  const sets = new Map<Epoch, ValidatorSet>([
    [EPOCH_0, genesisSet],
    [asEpoch(1), genesisSet],
  ]);
  const machine: MachineState = {
    config,
    chainId,
    rules: parts.rules,
    signatures: new SignatureCache(parts.check),
    key: self === undefined || sign === undefined ? undefined : { id: self, sign },
    guard: new SignGuard(chainId, guardState, parts.rules.illegalSignature),
    sets,
    current: {
      epoch: EPOCH_0,
      set: genesisSet,
      anchorHash: chainId,
      view: asView(1),
      proposeDue: false,
      building: undefined,
      rounds: new Map(),
      finalized: recovered?.committed?.finalization,
      accused: new Set(),
      timeouts: 0,
      giveUpDue: false,
      punctual: undefined,
    },
    committed: committedTip(config, recovered),
    reputation: new LeaderReputation(genesisSet, 0),
    lateness: new LeaderReputation(genesisSet, LATE_TURNS_FORGIVEN),
    blocks: new Map(),
    fetching: new Set(),
    requestedViews: new Set(),
    left: new Map(),
    farProposals: new Set(),
    backlog: new Map(),
    catchingUp: false,
    inStretch: false,
    floors: [],
    unpersisted: new Map(),
    nextToken: 1,
    workPending: false,
    started: false,
    muted: config.startsMuted === true,
    halted: false,
    retries: 0,
    lastRetry: { view: asView(0), finalizedView: asView(0) },
    retryBudget: config.timing.retryBytes,
    served: new Map(),
    greeted: new Set(),
    queue: [],
    effects: [],
  };
  restore(machine, guardState.records, recovered);
  return machine;
}

/** A machine under the rules as they are. `recovered` is undefined for a node that starts from genesis. */
export function createMachine(config: MachineConfig, recovered?: RecoveredState): MachineState {
  return createMachineWith({ rules: PROTOCOL_RULES, check: checkSignature }, config, recovered);
}

/** Puts back the committed tip's round, stored blocks and own messages, and queues own votes and certificates to count again. */
function restore(machine: MachineState, records: readonly GuardRecord[], recovered: RecoveredState | undefined): void {
  const { current, committed } = machine;
  if (current.finalized !== undefined) {
    roundAt(machine, current.finalized.view).finalization = current.finalized;
    current.view = asView(current.finalized.view + 1);
    machine.guard.raiseFloor(current.finalized);
  }
  for (const { header, body } of recovered?.blocks ?? []) {
    const block = blockOf(header, body);
    assert(block !== undefined, 'recovery: a stored header does not commit to its body');
    if (header.height > committed.height) keepBlock(machine, block, true);
  }
  const certificates: Certificate[] = [];
  for (const record of records) {
    if (record.signed.epoch !== current.epoch || record.signed.signer !== machine.key?.id) continue;
    certificates.push(...record.certificates);
    restoreOwn(machine, record);
  }
  // Highest first: the views between were left long ago.
  certificates.sort((a, b) => b.view - a.view);
  const from = machine.key?.id;
  if (from === undefined) return;
  const inputs = certificates.map((message) => ({ type: 'message', from, message }) as const);
  machine.queue.unshift(...inputs);
}

function restoreOwn(machine: MachineState, record: GuardRecord): void {
  const { signed, justification } = record;
  const { current } = machine;
  if (signed.view <= (current.finalized?.view ?? 0)) return;
  if (signed.kind !== 'finalize' && signed.view > current.view) current.view = signed.view;
  if (signed.kind !== 'propose') {
    const vote = voteOf(signed);
    keepOwn(machine, vote);
    machine.queue.push({ type: 'message', from: signed.signer, message: vote });
    return;
  }
  const { proposition, signer, signature } = signed;
  const block = machine.blocks.get(proposition.blockHash)?.block;
  if (block === undefined || justification === undefined) return;
  const { header, body } = block;
  const message = { type: 'proposal', proposition, header, body, justification, signature } as const;
  keepOwn(machine, message);
  machine.queue.push({ type: 'message', from: signer, message });
}

/** On start, after the restored messages were counted: timers of the current view are armed. */
export function onStarted(machine: MachineState): void {
  machine.started = true;
  emit(machine, { type: 'enter-epoch', epoch: machine.current.epoch });
  armRetry(machine);
  beginView(machine);
}
