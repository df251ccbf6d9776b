/** All mutants that no test can catch, by package. */
import type { Mutant } from '../instrument.ts';
import { ATTESTATION } from './attestation.ts';
import { CONFIDENTIAL } from './confidential.ts';
import type { Equivalent } from './equivalent.ts';
import { EVENT_LOG } from './event-log.ts';
import { LEDGER } from './ledger.ts';
import { PROOF } from './proof.ts';

export const EQUIVALENTS: Readonly<Record<string, readonly Equivalent[]>> = {
  attestation: ATTESTATION,
  confidential: CONFIDENTIAL,
  'event-log': EVENT_LOG,
  ledger: LEDGER,
  proof: PROOF,
};

export function covers(equivalent: Equivalent, { file, check, statement }: Mutant): boolean {
  return equivalent.file === file && equivalent.check === check && statement.includes(equivalent.in ?? '');
}

export function isListed(mutant: Mutant): boolean {
  return (EQUIVALENTS[mutant.package] ?? []).some((equivalent) => covers(equivalent, mutant));
}
