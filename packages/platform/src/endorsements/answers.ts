/** The questions to a vendor's service, and how their answers are read. */
import type { ValidityPeriod } from '@cloister/attestation';
import { fail, type Result } from '@cloister/encoding';
import type { FetchedAnswer } from './fetcher.ts';

/** Something that holds for a while. */
export interface Dated<T> {
  readonly value: T;
  readonly period: ValidityPeriod;
}

/** A request whose answer is kept under its address. */
export interface EndorsementRequest<T> {
  readonly url: string;
  /** Header of the answer that matters, in lower case; undefined for none. The first that is there counts. */
  readonly headers: readonly string[];
  /** Changes while it is valid (a revocation, an assessment), so that it is asked for again before it ends. */
  readonly changes: boolean;
  /** The contents, by parsing alone. Never throws. */
  read(answer: Pick<FetchedAnswer, 'headers' | 'body'>): Result<Dated<T>, 'ANSWER_MALFORMED'>;
}

/** The refusal of an answer. */
export function malformed(what: string): { readonly ok: false; readonly code: 'ANSWER_MALFORMED' } {
  return fail('ANSWER_MALFORMED', what);
}

/** The time in which all of them hold; undefined when one is not there, or none is. */
export function commonPeriod(periods: readonly (ValidityPeriod | undefined)[]): ValidityPeriod | undefined {
  let common: ValidityPeriod | undefined;
  for (const period of periods) {
    if (period === undefined) return undefined;
    common ??= period;
    common = {
      fromMs: Math.max(common.fromMs, period.fromMs),
      untilMs: Math.min(common.untilMs, period.untilMs),
    };
  }
  return common;
}
