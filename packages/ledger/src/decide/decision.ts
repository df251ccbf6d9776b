/**
 * The form of every decider's answer.
 */

import { hash } from '@cloister/crypto';
import { type AccountId, canonicalJson, type Digest, type Height, type JsonValue, utf8 } from '@cloister/encoding';
import type { Cause } from '../events/event-cause.ts';
import type { LedgerEvent } from '../events/events.ts';
import type { RejectionCode } from '../transactions/codes.ts';
import type { ProposalKind } from '../transactions/proposal-kinds.ts';
import type { TransactionFields } from '../transactions/transaction.ts';
import type { PayloadByKind, TransactionKind } from '../transactions/transaction-payloads.ts';

/** What deciding depends on beside state and transaction: the block's height and time (milliseconds). */
export interface DecideContext {
  readonly height: Height;
  readonly timeMs: number;
}

/**
 * Events, of which exactly one settles the transaction; or the code of its rejection, with `facts` that were found out
 * on the way and hold all the same (an executor's lapse). A `Result` of @cloister/crypto in form.
 */
export type Decision =
  | { readonly ok: true; readonly value: readonly LedgerEvent[] }
  | {
      readonly ok: false;
      readonly code: RejectionCode;
      readonly detail?: string;
      readonly facts?: readonly LedgerEvent[];
    };

/** What a decider needs of a transaction; one from `decodeTransaction` is one. */
export type TransactionToDecide = TransactionFields & { readonly id: Digest };

/** A transaction of one kind, as a decider sees it. */
export interface Command<K extends TransactionKind> {
  readonly id: Digest;
  readonly sender: AccountId;
  readonly expiryHeight: Height;
  readonly payload: PayloadByKind[K];
}

export function accept(...events: readonly LedgerEvent[]): Decision {
  return { ok: true, value: events };
}

export function reject(code: RejectionCode, detail?: string): Decision {
  return detail === undefined ? { ok: false, code } : { ok: false, code, detail };
}

/** The members that tie an event to the transaction that it settles. */
export function causeOf(command: Command<TransactionKind>): Cause {
  return { transaction: command.id, expiryHeight: command.expiryHeight };
}

/** Names what governance members approve: equal payloads are one proposal. */
export function proposalId(kind: ProposalKind, payload: object): Digest {
  return hash('cloister/proposal/v1', utf8(kind), utf8(canonicalJson({ ...payload } as JsonValue)));
}
