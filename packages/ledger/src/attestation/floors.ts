/**
 * Floors of endorsements: the newest that was used of each CRL issuer and of each statement. Older ones are refused.
 */
import type { CrlSeen, StatementSeen } from '@cloister/attestation';
import type { Digest } from '@cloister/encoding';
import type { CrlFloor, LedgerState, StatementFloor } from '../state/state.ts';

export interface EndorsementsSeen {
  readonly crls: readonly CrlSeen[];
  readonly statements: readonly StatementSeen[];
}

export interface EndorsementFloors {
  readonly crlFloors: Map<Digest, CrlFloor>;
  readonly statementFloors: Map<string, StatementFloor>;
}

/** Whether anything in it is newer than what was used before. */
export function isNewer(
  { crlFloors, statementFloors }: EndorsementFloors,
  { crls, statements }: EndorsementsSeen,
): boolean {
  return (
    crls.some(({ issuer, number, thisUpdateMs }) => {
      const floor = crlFloors.get(issuer);
      return floor === undefined || number > floor.number || thisUpdateMs > floor.thisUpdateMs;
    }) ||
    statements.some(({ name, issueDateMs, tcbEvaluationDataNumber }) => {
      const floor = statementFloors.get(name);
      if (floor === undefined || issueDateMs > floor.issueDateMs) return true;
      return tcbEvaluationDataNumber > floor.tcbEvaluationDataNumber;
    })
  );
}

/** Moves floors up, in place; the highest of each number stays. */
export function raiseFloors(
  { crlFloors, statementFloors }: EndorsementFloors,
  { crls, statements }: EndorsementsSeen,
): void {
  for (const { issuer, number, thisUpdateMs } of crls) {
    const floor = crlFloors.get(issuer) ?? { number, thisUpdateMs };
    crlFloors.set(issuer, {
      number: higherNumber(number, floor.number),
      thisUpdateMs: Math.max(thisUpdateMs, floor.thisUpdateMs),
    });
  }
  for (const { name, issueDateMs, tcbEvaluationDataNumber } of statements) {
    const floor = statementFloors.get(name) ?? { issueDateMs, tcbEvaluationDataNumber };
    statementFloors.set(name, {
      issueDateMs: Math.max(issueDateMs, floor.issueDateMs),
      tcbEvaluationDataNumber: Math.max(tcbEvaluationDataNumber, floor.tcbEvaluationDataNumber),
    });
  }
}

/** CRL numbers are hex of one length, so that text order is number order. */
function higherNumber(a: string, b: string): string {
  return [a, b].sort()[1] ?? a;
}

/** The state's floors as they are once these endorsements are accepted; the state stays as it is. */
export function floorsWith(state: LedgerState, seen: EndorsementsSeen): EndorsementFloors {
  const floors = { crlFloors: new Map(state.crlFloors), statementFloors: new Map(state.statementFloors) };
  raiseFloors(floors, seen);
  return floors;
}
