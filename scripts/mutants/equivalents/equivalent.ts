/** A mutant that no test can catch, because the program does the same without the check. */
export interface Equivalent {
  /** Relative to the package's src. */
  readonly file: string;
  /** Text of the check, as the mutation run prints it. */
  readonly check: string;
  /** Text that the statement around it contains, where the check occurs more than once. */
  readonly in?: string;
  readonly reason: string;
}

/** The compiler asks for it; what comes before has made sure of it. */
export const NARROWING = 'for the compiler only: an earlier check has made sure of it';
/** A found entry is what computing it anew gives. */
export const ONLY_FASTER = 'saves work: computing anew gives the same';
/** A choice between a member of a result and undefined. */
export const ABSENT_MEMBER = 'the other kind of result has no such member, which gives undefined as well';
