/** Commits the ancestors of a finalized block in order, once all of them are here. */
import { asHeight, assert, asView, type Digest, type Height } from '@cloister/encoding';
import { signersOf, verifyCertificate } from '../certificates/certificate.ts';
import { leaderOf } from '../leaders/leader.ts';
import type { Turn } from '../leaders/leader-reputation.ts';
import type { Input } from '../machine-types.ts';
import { blockOf } from '../messages/block-codec.ts';
import { MAX_FETCH_DEPTH, MAX_STRETCH_BLOCKS } from '../messages/limits.ts';
import type { Block, Finalization } from '../messages/types.ts';
import { pruneBlocks, requestBlock, rotated } from './blocks.ts';
import { chainTo, emit, halt, type MachineState, rejectMessage } from './state.ts';

/** Commits up to the highest finalization, or asks for what is missing. */
export function tryCommit(machine: MachineState): void {
  const { finalized } = machine.current;
  if (finalized === undefined || finalized.view <= machine.committed.view) return;
  const chain = chainTo(machine, finalized.proposition.blockHash);
  if ('fork' in chain) {
    halt(machine, 'AGREEMENT_BROKEN', `finalized block ${chain.fork.hash} is not on the committed chain`);
  } else if (!('missing' in chain)) {
    if (chain.blocks.length > 0) commitChain(machine, chain.blocks, finalized);
  } else {
    const holders = signersOf(machine.current.set, finalized);
    const missing = (chain.blocks[0]?.header.height ?? machine.committed.height + 1) - machine.committed.height - 1;
    if (missing <= (machine.inStretch ? MAX_STRETCH_BLOCKS : MAX_FETCH_DEPTH)) {
      requestBlock(machine, chain.missing, holders);
    } else if (!machine.catchingUp) {
      machine.catchingUp = true;
      const fromHeight = asHeight(machine.committed.height + 1);
      const toHeight = chain.blocks.at(-1)?.header.height ?? fromHeight;
      emit(machine, { type: 'catch-up', fromHeight, toHeight, from: rotated(machine, holders) });
    }
  }
}

function commitChain(machine: MachineState, blocks: readonly Block[], finalization: Finalization): void {
  const tip = blocks.at(-1);
  assert(tip !== undefined && tip.hash === finalization.proposition.blockHash, 'commit: not the finalized block');
  const { header, hash } = tip;
  const { epoch, view } = finalization;
  noteLeaders(machine, blocks);
  machine.committed = { height: header.height, hash, view, header, timestampMs: header.timestampMs };
  machine.inStretch = false;
  machine.floors.push({ height: header.height, hash, round: { epoch, view } });
  emit(machine, { type: 'commit', blocks, finalization });
  pruneBlocks(machine);
}

/** Notes which leaders gave a block in the views from the last committed block to the new tip, and which gave none. */
function noteLeaders(machine: MachineState, blocks: readonly Block[]): void {
  const { set, epoch } = machine.current;
  let parent = machine.committed.header;
  for (const { header } of blocks) {
    const moment = { atMs: header.timestampMs, view: header.view };
    const absent: Turn[] = [];
    for (let view = (parent?.view ?? 0) + 1; view < header.view; view++) {
      absent.push({ leader: leaderOf(set, { epoch, view: asView(view) }), view: asView(view) });
    }
    if (absent.length > 0) machine.reputation.missed(absent, moment);
    machine.reputation.led(header.proposer, moment);
    parent = header;
  }
}

/** The chain batch of a height is durable. A restart will know it, so the guard may forget it. */
export function onExecuted(machine: MachineState, height: Height, hash: Digest): void {
  for (let [first] = machine.floors; first !== undefined && first.height <= height; [first] = machine.floors) {
    assert(first.height !== height || first.hash === hash, 'executed: not the committed block');
    machine.guard.raiseFloor(first.round);
    machine.floors.shift();
  }
}

/**
 * Takes consecutive blocks with the finalization of the last one. They are checked as a whole and committed as one.
 * Without blocks it means that the next certificate is too far for any range.
 */
export function onChainArrived(machine: MachineState, input: Extract<Input, { type: 'chain-arrived' }>): void {
  const { from, finalization } = input;
  if (finalization.view <= machine.committed.view || finalization.epoch !== machine.current.epoch) return;
  const blocks = newBlocks(machine, input);
  const connected = blocks !== undefined && blocks.at(-1)?.hash === finalization.proposition.blockHash;
  if (input.blocks.length > 0 && !connected) {
    rejectMessage(machine, from, 'NOT_CONNECTED');
    return;
  }
  const { set } = machine.current;
  if (!verifyCertificate(set, finalization, machine.chainId, machine.signatures.check, machine.rules.quorum(set)).ok) {
    rejectMessage(machine, from, 'BAD_CERTIFICATE');
    return;
  }
  machine.catchingUp = false;
  machine.queue.push({ type: 'message', from, message: finalization });
  if (blocks !== undefined && connected) {
    commitChain(machine, blocks, finalization);
  } else {
    machine.inStretch = true;
    tryCommit(machine);
  }
}

/** The blocks above the committed one, if they form one chain on it. */
function newBlocks(machine: MachineState, input: Extract<Input, { type: 'chain-arrived' }>): Block[] | undefined {
  const blocks: Block[] = [];
  let parent: { readonly hash: Digest; readonly height: Height } = machine.committed;
  for (const { header, body } of input.blocks) {
    if (header.height <= machine.committed.height) continue;
    const block = blockOf(header, body);
    if (block === undefined || header.parentHash !== parent.hash || header.height !== parent.height + 1)
      return undefined;
    blocks.push(block);
    parent = { hash: block.hash, height: header.height };
  }
  return blocks;
}
