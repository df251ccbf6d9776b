/**
 * One step: take an input, let own messages come round through the queue, then do what the rules allow.
 */
import { assert, type Digest, type ValidatorId } from '@cloister/encoding';
import { signersOf } from '../certificates/certificate.ts';
import { leaderOf } from '../leaders/leader.ts';
import type { Effect, Input, MachineStatus } from '../machine-types.ts';
import { blockOf } from '../messages/block-codec.ts';
import type { Body, ConsensusMessage, Header } from '../messages/types.ts';
import { onEvidence } from './accuse.ts';
import { workOff } from './backlog.ts';
import { keepBlock } from './blocks.ts';
import { onCertificate } from './certificates.ts';
import { onChainArrived, onExecuted, tryCommit } from './commit.ts';
import { onStarted } from './create.ts';
import { tryFinalize, tryFinalizeAll } from './finalize.ts';
import { onProposal, tryNotarize } from './proposal.ts';
import { onBlockBuilt, tryPropose } from './propose.ts';
import { onMaySign, onRecallRequest } from './recall.ts';
import { onBlockRequest, onCertRequest, onStatus } from './requests.ts';
import { onRetry } from './retry.ts';
import { nullify, onPersisted } from './sign.ts';
import { finalizedView, type MachineState, rejectMessage } from './state.ts';
import { onQuarter, onWork, tryGiveUp } from './view.ts';
import { onVote } from './votes.ts';

const BEFORE_START: ReadonlySet<Input['type']> = new Set(['start', 'chain-head', 'work-pending', 'validator-set']);

/**
 * The state is the same object, changed; effects are to be run first in, first out across steps. `checked`: how many
 * signatures the step verified, which measures its cost.
 */
export function step(
  machine: MachineState,
  input: Input,
): { readonly state: MachineState; readonly effects: readonly Effect[]; readonly checked: number } {
  if (machine.halted) return { state: machine, effects: [], checked: 0 };
  const checkedBefore = machine.signatures.checked;
  assert(machine.started || BEFORE_START.has(input.type), 'step: not started');
  if (input.type === 'start') {
    assert(!machine.started, 'step: started twice');
    drain(machine);
    onStarted(machine);
    tryFinalizeAll(machine, false);
    tryCommit(machine);
  } else {
    take(machine, input);
  }
  if (machine.started) settle(machine);
  const { effects } = machine;
  machine.effects = [];
  return { state: machine, effects, checked: machine.signatures.checked - checkedBefore };
}

function drain(machine: MachineState): void {
  for (let next = machine.queue.shift(); next !== undefined && !machine.halted; next = machine.queue.shift()) {
    take(machine, next);
  }
}

function take(machine: MachineState, input: Input): void {
  switch (input.type) {
    case 'start':
      break;
    case 'message':
      onMessage(machine, input.from, input.message);
      break;
    case 'continue':
      break;
    case 'timer':
      onTimer(machine, input);
      break;
    case 'block-built':
      onBlockBuilt(machine, input, input.header, input.body);
      break;
    case 'block-verified':
      onBlockVerified(machine, input.blockHash, input.verdict);
      break;
    case 'block-arrived':
      onBlockArrived(machine, input.header, input.body, input.ancestors);
      break;
    case 'chain-arrived':
      onChainArrived(machine, input);
      break;
    case 'persisted':
      onPersisted(machine, input.token);
      break;
    case 'validator-set':
      machine.sets.set(input.epoch, input.set);
      break;
    case 'work-pending':
      onWork(machine, input.pending);
      break;
    case 'executed':
      onExecuted(machine, input.height, input.hash);
      break;
    case 'may-sign':
      onMaySign(machine, input.floor);
      break;
    case 'chain-head':
      machine.guard.setHead(input.head);
      break;
  }
}

function onMessage(machine: MachineState, from: ValidatorId, message: ConsensusMessage): void {
  switch (message.type) {
    case 'proposal':
      onProposal(machine, from, message);
      break;
    case 'vote':
      onVote(machine, from, message);
      break;
    case 'certificate':
      onCertificate(machine, from, message);
      break;
    case 'status':
      onStatus(machine, from, message);
      break;
    case 'cert-request':
      onCertRequest(machine, from, message);
      break;
    case 'block-request':
      onBlockRequest(machine, from, message);
      break;
    case 'recall-request':
      onRecallRequest(machine, from, message);
      break;
    case 'recall':
      rejectMessage(machine, from, 'UNSOLICITED_RECALL');
      break;
    case 'block':
      if (!onBlockArrived(machine, message.header, message.body)) rejectMessage(machine, from, 'UNSOLICITED_BLOCK');
      break;
    case 'evidence':
      onEvidence(machine, from, message.evidence);
      break;
  }
}

/** A timer of another round than the current one fired late, the retry timer aside. */
function onTimer(machine: MachineState, input: Extract<Input, { type: 'timer' }>): void {
  const { epoch, view } = machine.current;
  if (input.timer === 'retry') {
    onRetry(machine);
    return;
  }
  if (input.epoch !== epoch || input.view !== view) return;
  switch (input.timer) {
    case 'view':
      machine.current.timeouts += 1;
      nullify(machine, input);
      break;
    case 'propose':
      machine.current.proposeDue = true;
      break;
    case 'give-up':
      machine.current.giveUpDue = true;
      break;
    case 'quarter':
      onQuarter(machine);
      break;
  }
}

function onBlockVerified(machine: MachineState, blockHash: Digest, verdict: 'valid' | 'invalid'): void {
  const entry = machine.blocks.get(blockHash);
  if (entry?.verdict !== 'asked') return;
  entry.verdict = verdict;
  for (const round of machine.current.rounds.values()) {
    if (round.notarization?.proposition.blockHash === blockHash) tryFinalize(machine, round);
  }
}

/** Takes a block that was asked for, and ancestors that came with it; says whether it was. */
function onBlockArrived(
  machine: MachineState,
  header: Header,
  body: Body,
  ancestors: readonly { readonly header: Header; readonly body: Body }[] = [],
): boolean {
  if (machine.fetching.size === 0) return false;
  const block = blockOf(header, body);
  if (block === undefined || !machine.fetching.delete(block.hash)) return false;
  keepBlock(machine, block);
  let due = block.header;
  for (const each of ancestors) {
    const parent = blockOf(each.header, each.body);
    if (parent === undefined || parent.hash !== due.parentHash || due.height <= machine.committed.height + 1) break;
    keepBlock(machine, parent);
    due = parent.header;
  }
  tryCommit(machine);
  tryFinalizeAll(machine, false);
  return true;
}

/** Rules that no single input triggers. Each does nothing unless its conditions hold. */
function settle(machine: MachineState): void {
  drain(machine);
  if (machine.backlog.size > 0) {
    workOff(machine);
    drain(machine);
  }
  if (machine.halted) return;
  tryPropose(machine);
  tryNotarize(machine);
  tryGiveUp(machine);
}

/**
 * The validators that are known to have a block with its batches: those who voted for it. `notarized`: they are a
 * quorum.
 */
export function blockHolders(
  machine: MachineState,
  blockHash: Digest,
): { readonly voters: readonly ValidatorId[]; readonly notarized: boolean } {
  const voters = new Set<ValidatorId>();
  let notarized = false;
  for (const { votes, notarization } of machine.current.rounds.values()) {
    if (notarization?.proposition.blockHash === blockHash) {
      notarized = true;
      for (const signer of signersOf(machine.current.set, notarization)) voters.add(signer);
    }
    for (const vote of votes.notarize.values()) {
      if (vote.kind === 'notarize' && vote.proposition.blockHash === blockHash) voters.add(vote.signer);
    }
  }
  return { voters: [...voters], notarized };
}

export function machineStatus(machine: MachineState): MachineStatus {
  const { current, committed } = machine;
  const { epoch, view, set } = current;
  return {
    epoch,
    view,
    leader: leaderOf(set, { epoch, view }),
    committed: { height: committed.height, hash: committed.hash, view: committed.view },
    finalized: { epoch, view: finalizedView(machine) },
    leaders: machine.reputation.records(),
    held: { rounds: current.rounds.size, blocks: machine.blocks.size, fetches: machine.fetching.size },
  };
}
