/**
 * What one process of a mutation run has found so far, a line for each finding, so that nothing is lost when a mutant ends
 * the process.
 */
import { appendFileSync, readFileSync } from 'node:fs';

export type Finding =
  /** A test is about to run with this check switched off. */
  | { readonly kind: 'trying'; readonly id: number; readonly test: string }
  | { readonly kind: 'tried'; readonly id: number; readonly tookMs: number }
  /** A test that reaches the check was not asked: it takes longer than what is left of the check's share of the time. */
  | { readonly kind: 'skipped'; readonly id: number }
  | { readonly kind: 'killed'; readonly id: number; readonly test: string }
  /** A test file came to its end: the checks that it reached, and the processor's time without any mutant and with all. */
  | {
      readonly kind: 'done';
      readonly path: string;
      readonly reached: readonly number[];
      readonly tookMs: number;
      readonly spentMs: number;
    }
  /** The test fails when it is run twice, or by itself: what it says about mutants does not count. */
  | { readonly kind: 'unusable'; readonly test: string }
  | { readonly kind: 'broken'; readonly test: string }
  /** The time that was given to the run is used up. */
  | { readonly kind: 'stopped' };

export function append(file: string, finding: Finding): void {
  appendFileSync(file, `${JSON.stringify(finding)}\n`);
}

/** All findings; a last line that was cut off is left out. */
export function findingsIn(file: string): readonly Finding[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Finding);
}
