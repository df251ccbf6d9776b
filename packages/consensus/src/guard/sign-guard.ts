/**
 * The sign guard remembers what this validator has signed and refuses to contradict it.
 *
 * Each signature is made here, after its check, and becomes a record that must be durable before it leaves the node.
 * The records are also the write-ahead log: they carry the certificates of the view before (and for finalize the
 * notarization), so that after a loss of power everywhere the network still holds the certificates that its next leader
 * must show.
 */
import { asEpoch, asView, type Digest, fail, ok, type Result, type ValidatorId } from '@cloister/encoding';
import { sameProposition, statementBytes, statementOf } from '../messages/signed-bytes.ts';
import type { Certificate, Justification, Round, SignedStatement, Statement } from '../messages/types.ts';

/** The last durable event of the log: how many there are, and the hash of the last. */
export interface GuardHead {
  readonly count: number;
  readonly hash: Digest;
}

/** One signature with what a restart needs. Its key is (epoch, view, kind). */
export interface GuardRecord {
  readonly signed: SignedStatement;
  /** Held certificates of view − 1; for finalize, the notarization as well. */
  readonly certificates: readonly Certificate[];
  /** The justification of a proposal, so that it can be sent again byte by byte. */
  readonly justification: Justification | undefined;
  readonly head: GuardHead;
  /** Nothing is signed in this round or below; earlier records may be gone. */
  readonly floor: Round;
}

/** What the guard database says. Made by `recoverGuard`, or by `emptyGuard` for a new validator. */
export interface GuardState {
  readonly records: readonly GuardRecord[];
  readonly floor: Round;
  readonly head: GuardHead;
}

/** Own signatures of one round. */
export interface OwnVotes {
  readonly propose?: SignedStatement;
  readonly notarize?: SignedStatement;
  readonly nullify?: SignedStatement;
  readonly finalize?: SignedStatement;
}

export type GuardRefusal =
  | 'BELOW_FLOOR'
  | 'ALREADY_PROPOSED'
  | 'ALREADY_NOTARIZED'
  | 'ALREADY_NULLIFIED'
  | 'ALREADY_FINALIZED'
  | 'NOTARIZED_ANOTHER'
  | 'NOTARIZATION_MISSING';

/** Why `own` forbids signing `statement` in the same round. Nullify after notarize is legal. */
export function illegalSignature(own: OwnVotes, statement: Statement): GuardRefusal | undefined {
  if (own.nullify !== undefined) return 'ALREADY_NULLIFIED';
  if (own.finalize !== undefined) return 'ALREADY_FINALIZED';
  switch (statement.kind) {
    case 'propose':
      return own.propose === undefined ? undefined : 'ALREADY_PROPOSED';
    case 'notarize':
      return own.notarize === undefined ? undefined : 'ALREADY_NOTARIZED';
    case 'nullify':
      return undefined;
    case 'finalize': {
      const notarized = own.notarize;
      if (notarized === undefined || notarized.kind === 'nullify') return undefined;
      return sameProposition(notarized.proposition, statement.proposition) ? undefined : 'NOTARIZED_ANOTHER';
    }
  }
}

/** The guard of a validator that never signed. The chain id stands for the hash of an empty log. */
export function emptyGuard(chainId: Digest): GuardState {
  return { records: [], floor: { epoch: asEpoch(0), view: asView(0) }, head: { count: 0, hash: chainId } };
}

/** Order of rounds: negative when `a` comes first. */
export function compareRounds(a: Round, b: Round): number {
  return a.epoch - b.epoch || a.view - b.view;
}

const NOTHING: OwnVotes = {};

export interface SigningKey {
  readonly id: ValidatorId;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

/** Context of a record beside the signed statement. */
export interface SigningContext {
  readonly certificates: readonly Certificate[];
  readonly justification?: Justification;
}

interface SignedRound {
  readonly round: Round;
  own: OwnVotes;
}

/** Holds own signatures in memory; the caller makes each record durable before the signature leaves. */
export class SignGuard {
  readonly #chainId: Digest;
  readonly #illegal: typeof illegalSignature;
  readonly #rounds = new Map<string, SignedRound>();
  #floor: Round;
  #head: GuardHead;

  constructor(chainId: Digest, state: GuardState, illegal: typeof illegalSignature = illegalSignature) {
    this.#chainId = chainId;
    this.#illegal = illegal;
    this.#floor = state.floor;
    this.#head = state.head;
    for (const { signed } of state.records) {
      if (compareRounds(signed, this.#floor) > 0) this.#remember(signed);
    }
  }

  /** Nothing is signed in this round or below. */
  get floor(): Round {
    return this.#floor;
  }

  /** Own signatures of a round above the floor. */
  own(round: Round): OwnVotes {
    return this.#rounds.get(roundKey(round))?.own ?? NOTHING;
  }

  /** What the next records say about the event log. */
  setHead(head: GuardHead): void {
    this.#head = head;
  }

  /** Replaces the records at and below `floor` by the refusal to sign there. Never lowers it. */
  raiseFloor(floor: Round): void {
    if (compareRounds(floor, this.#floor) <= 0) return;
    this.#floor = { epoch: floor.epoch, view: floor.view };
    for (const [key, { round }] of this.#rounds) {
      if (compareRounds(round, floor) <= 0) this.#rounds.delete(key);
    }
  }

  /** Why `statement` may not be signed, whatever the caller believes; undefined when it may. */
  refuses(statement: Statement, certificates: readonly Certificate[]): GuardRefusal | undefined {
    if (compareRounds(statement, this.#floor) <= 0) return 'BELOW_FLOOR';
    if (statement.kind === 'finalize') {
      const { proposition } = statement;
      const notarized = certificates.some(
        (certificate) => certificate.kind === 'notarize' && sameProposition(certificate.proposition, proposition),
      );
      if (!notarized) return 'NOTARIZATION_MISSING';
    }
    return this.#illegal(this.own(statement), statement);
  }

  /** Checks, signs and remembers. The signature must not leave the node before the record is durable. */
  sign(carrier: Statement, key: SigningKey, context: SigningContext): Result<GuardRecord, GuardRefusal> {
    const statement = statementOf(carrier);
    const refusal = this.refuses(statement, context.certificates);
    if (refusal !== undefined) return fail(refusal);
    const signature = key.sign(statementBytes(this.#chainId, statement));
    const signed: SignedStatement = { ...statement, signer: key.id, signature };
    this.#remember(signed);
    return ok({
      signed,
      certificates: context.certificates,
      justification: context.justification,
      head: this.#head,
      floor: this.#floor,
    });
  }

  #remember(signed: SignedStatement): void {
    const key = roundKey(signed);
    const entry = this.#rounds.get(key) ?? { round: { epoch: signed.epoch, view: signed.view }, own: NOTHING };
    entry.own = { ...entry.own, [signed.kind]: signed };
    this.#rounds.set(key, entry);
  }
}

function roundKey(round: Round): string {
  return `${round.epoch}/${round.view}`;
}
