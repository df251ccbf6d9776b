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
