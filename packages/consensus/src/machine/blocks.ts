/**
 * Keeps, fetches, checks and forgets blocks above the committed one.
 *
 * A block is kept only when a proposal or certificate of a round, or a missing link below one, asked for it.
 */
import type { Digest, ValidatorId } from '@cloister/encoding';
import { verifyCertificate } from '../certificates/certificate.ts';
import { leaderOf } from '../leaders/leader.ts';
import { HEADER_VERSION } from '../messages/block-codec.ts';
import type { Block, Body, Header } from '../messages/types.ts';
import { type BlockEntry, chainTo, emit, type MachineState, parentFacts } from './state.ts';

/** Keeps a block whose hash is known to be right. */
export function keepBlock(machine: MachineState, block: Block, stored = false): BlockEntry {
  let entry = machine.blocks.get(block.hash);
  if (entry === undefined) {
    entry = { block, verdict: 'unknown', stored };
    machine.blocks.set(block.hash, entry);
  }
  return entry;
}

/** `peers` without self, rotated by the number of retries so that a silent one is not asked for ever. */
export function rotated(machine: MachineState, peers: readonly ValidatorId[]): ValidatorId[] {
  const others = peers.filter((peer) => peer !== machine.config.self);
  const shift = others.length === 0 ? 0 : machine.retries % others.length;
  return [...others.slice(shift), ...others.slice(0, shift)];
}

export function everyone(machine: MachineState): ValidatorId[] {
  return machine.current.set.validators.map((validator) => validator.id);
}

/** Asks for a block and its uncommitted ancestors, once in each retry interval. */
export function requestBlock(machine: MachineState, hash: Digest, from: readonly ValidatorId[]): void {
  if (machine.fetching.has(hash)) return;
  machine.fetching.add(hash);
  const aboveHeight = machine.committed.height;
  emit(machine, { type: 'fetch-block', hash, aboveHeight, from: rotated(machine, from) });
}

/** What is wrong with a header on a known parent, or with its body's lastFinalCert; undefined when nothing is. */
export function blockFault(machine: MachineState, block: Block): string | undefined {
  const { header, body } = block;
  const parent = parentFacts(machine, header.parentHash);
  const { epoch, set } = machine.current;
  const next = machine.sets.get((epoch + 1) as typeof epoch);
  if (parent === undefined) return 'unknown parent';
  if (header.version !== HEADER_VERSION) return 'version';
  if (header.chainId !== machine.chainId) return 'chain id';
  if (header.epoch !== epoch) return 'epoch';
  if (header.height !== parent.height + 1) return 'height';
  if (header.view < 1 || header.proposer !== leaderOf(set, header)) return 'proposer';
  if (header.timestampMs <= parent.timestampMs) return 'timestamp';
  if (header.validatorsHash !== set.hash) return 'validators hash';
  if (next !== undefined && header.nextValidatorsHash !== next.hash) return 'next validators hash';
  if (header.lastFinal.height < parent.lastFinalHeight) return 'lastFinal below the parent’s';
  if (header.lastFinal.height > parent.height) return 'lastFinal is no ancestor';
  return lastFinalFault(machine, header, body);
}

function lastFinalFault(machine: MachineState, header: Header, body: Body): string | undefined {
  const { lastFinal } = header;
  const certificate = body.lastFinalCert;
  if (lastFinal.height === 0) {
    return lastFinal.hash === machine.chainId && certificate === undefined ? undefined : 'lastFinal is not genesis';
  }
  if (lastFinal.height === machine.committed.height && lastFinal.hash !== machine.committed.hash) {
    return 'lastFinal is no ancestor';
  }
  if (certificate === undefined || certificate.proposition.blockHash !== lastFinal.hash) return 'lastFinalCert';
  const set = machine.sets.get(certificate.epoch);
  if (set === undefined) return 'lastFinalCert of an unknown epoch';
  const quorum = machine.rules.quorum(set);
  const verified = verifyCertificate(set, certificate, machine.chainId, machine.signatures.check, quorum);
  return verified.ok ? undefined : 'lastFinalCert';
}

/**
 * Whether a held block is good. 'wait': an ancestor or the shell's verdict is missing and has been asked for;
 * `from` says whom to ask for ancestors.
 */
export function checkBlock(
  machine: MachineState,
  entry: BlockEntry,
  from: readonly ValidatorId[],
): 'valid' | 'invalid' | 'wait' {
  if (entry.verdict === 'valid' || entry.verdict === 'invalid') return entry.verdict;
  if (entry.verdict === 'asked') return 'wait';
  const { block } = entry;
  const chain = chainTo(machine, block.header.parentHash);
  if ('fork' in chain) {
    entry.verdict = 'invalid';
    return 'invalid';
  }
  if ('missing' in chain) {
    requestBlock(machine, chain.missing, from);
    return 'wait';
  }
  const { lastFinal } = block.header;
  const named = chain.blocks.find((ancestor) => ancestor.header.height === lastFinal.height);
  if (blockFault(machine, block) !== undefined || (named !== undefined && named.hash !== lastFinal.hash)) {
    entry.verdict = 'invalid';
    return 'invalid';
  }
  entry.verdict = 'asked';
  const { header, body, hash } = block;
  emit(machine, { type: 'verify-block', header, body, blockHash: hash, ancestors: chain.blocks });
  return 'wait';
}

/**
 * Forgets blocks that no round refers to, directly or as an ancestor, and everything at or below the committed height.
 * Blocks that a finalization is about to commit are kept, however many they are, since they would have to be fetched
 * again.
 */
export function pruneBlocks(machine: MachineState): void {
  // While records are replayed, rounds do not refer to all their blocks yet.
  if (!machine.started) return;
  const kept = new Set<Digest>();
  const keepChain = (tip: Digest | undefined): void => {
    let at = tip;
    while (at !== undefined && !kept.has(at)) {
      const header = machine.blocks.get(at)?.block.header;
      if (header === undefined || header.height <= machine.committed.height) return;
      kept.add(at);
      at = header.parentHash;
    }
  };
  for (const round of machine.current.rounds.values()) {
    keepChain(round.proposal?.proposition.blockHash);
    keepChain(round.notarization?.proposition.blockHash);
    keepChain(round.finalization?.proposition.blockHash);
  }
  // A proposal that is being made durable is not in its round yet.
  for (const { blockHash } of machine.unpersisted.values()) keepChain(blockHash);
  for (const hash of machine.blocks.keys()) if (!kept.has(hash)) machine.blocks.delete(hash);
}
