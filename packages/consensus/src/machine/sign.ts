/**
 * Signs: the guard allows a signature and makes a record of it. The message leaves the node only when the record is
 * durable.
 */
import { assert, asView } from '@cloister/encoding';
import type {
  Block,
  Certificate,
  Justification,
  NullifyStatement,
  Proposal,
  Proposition,
  PropositionKind,
  PropositionStatement,
  Round,
  SignedStatement,
  Statement,
  Vote,
} from '../messages/types.ts';
import { certificatesOf, emit, finalizedView, findRound, isVoter, type MachineState, roundAt } from './state.ts';

/** What a restart must find beside the statement: the certificates that led here, and what finalize rests on. */
function witnesses(machine: MachineState, statement: Statement): Certificate[] {
  const certificates = certificatesOf(machine, asView(statement.view - 1));
  if (statement.kind !== 'finalize') return certificates;
  const notarization = findRound(machine, statement.view)?.notarization;
  return notarization === undefined ? certificates : [...certificates, notarization];
}

/** A vote of a signed statement. */
export function voteOf(signed: SignedStatement): Vote {
  assert(signed.kind !== 'propose', 'a proposal is no vote');
  const { epoch, view, signer, signature } = signed;
  if (signed.kind === 'nullify') return { type: 'vote', kind: 'nullify', epoch, view, signer, signature };
  return { type: 'vote', kind: signed.kind, epoch, view, proposition: signed.proposition, signer, signature };
}

/** Whether this node votes in this epoch and its guard has nothing against the statement. */
export function maySign(machine: MachineState, statement: Statement): boolean {
  return isVoter(machine) && machine.guard.refuses(statement, witnesses(machine, statement)) === undefined;
}

interface SignRequest {
  readonly statement: Statement;
  /** Synced to the chain before the record. */
  readonly block: Block | undefined;
  readonly justification?: Justification;
  readonly message: (signed: SignedStatement) => Proposal | Vote;
}

function sign(machine: MachineState, request: SignRequest): void {
  const { statement, block, justification } = request;
  assert(machine.key !== undefined, 'an observer does not sign');
  const certificates = witnesses(machine, statement);
  const context = justification === undefined ? { certificates } : { certificates, justification };
  const record = machine.guard.sign(statement, machine.key, context);
  assert(record.ok, 'signing without asking maySign');
  const token = machine.nextToken++;
  machine.unpersisted.set(token, { message: request.message(record.value.signed), blockHash: block?.hash });
  const stored = block === undefined || machine.blocks.get(block.hash)?.stored === true;
  const effect = { type: 'persist', token, record: record.value } as const;
  emit(machine, stored ? effect : { ...effect, block: { header: block.header, body: block.body } });
}

/** Signs notarize or finalize of `proposition`, whose block is `block`. */
export function signVote(machine: MachineState, kind: PropositionKind, proposition: Proposition, block: Block): void {
  const { epoch, view } = proposition;
  const statement: PropositionStatement<PropositionKind> = { kind, epoch, view, proposition };
  sign(machine, { statement, block, message: voteOf });
}

export function signProposal(
  machine: MachineState,
  proposition: Proposition,
  block: Block,
  justification: Justification,
): void {
  const { epoch, view } = proposition;
  const { header, body } = block;
  sign(machine, {
    statement: { kind: 'propose', epoch, view, proposition },
    block,
    justification,
    message: ({ signature }) => ({ type: 'proposal', proposition, header, body, justification, signature }),
  });
}

/** On persisted: the message leaves, and comes back in by the queue as if received. */
export function onPersisted(machine: MachineState, token: number): void {
  const done = machine.unpersisted.get(token);
  if (done === undefined || machine.key === undefined) return;
  machine.unpersisted.delete(token);
  const entry = done.blockHash === undefined ? undefined : machine.blocks.get(done.blockHash);
  if (entry !== undefined) entry.stored = true;
  const { message } = done;
  const view = message.type === 'proposal' ? message.proposition.view : message.view;
  if (view <= finalizedView(machine)) return;
  keepOwn(machine, message);
  emit(machine, { type: 'send', to: 'all', message });
  machine.queue.push({ type: 'message', from: machine.key.id, message });
}

/** Remembers an own durable message for the retry set. */
export function keepOwn(machine: MachineState, message: Proposal | Vote): void {
  if (message.type === 'proposal') roundAt(machine, message.proposition.view).own.propose = message;
  else roundAt(machine, message.view).own[message.kind] = message;
}

/** NULLIFY(v): no-op unless v is my view and I have neither nullified nor finalized it. */
export function nullify(machine: MachineState, round: Round): void {
  const statement: NullifyStatement = { kind: 'nullify', epoch: round.epoch, view: round.view };
  if (round.view !== machine.current.view || !maySign(machine, statement)) return;
  sign(machine, { statement, block: undefined, message: voteOf });
}
