/** One kind of evidence and what is measured on it. */

import { createEndorsementCache, type EndorsementCache } from '../../packages/attestation/src/index.ts';
import { assert, type Result } from '../../packages/encoding/src/index.ts';

/** Each call takes the next piece of evidence in turn and asserts that it is accepted. */
export interface Subject {
  readonly name: string;
  /** Nothing remembered. */
  readonly cold: () => void;
  /** The endorsements verified before and cached by digest, once every piece has been seen. */
  readonly warm: () => void;
  /** The evidence alone. */
  readonly parse: () => void;
  /** dcap-qvl on the same quotes with the same collateral. */
  readonly dcapQvl: { readonly verify: () => void; readonly parse: () => void } | undefined;
}

export interface SubjectWork<T> {
  readonly cold: (piece: T) => Result<unknown, string>;
  readonly warm: (piece: T, cache: EndorsementCache) => Result<unknown, string>;
  readonly parse: (piece: T) => Result<unknown, string>;
  /** Throw when they refuse. */
  readonly dcapQvl?: { readonly verify: (piece: T) => void; readonly parse: (piece: T) => void };
}

export function subjectOf<T>(name: string, pieces: readonly T[], work: SubjectWork<T>): Subject {
  const cache = createEndorsementCache();
  const inTurn = (use: (piece: T) => void): (() => void) => {
    let next = 0;
    return () => {
      const piece = pieces[next++ % pieces.length];
      assert(piece !== undefined, 'there is evidence');
      use(piece);
    };
  };
  const accepted = (result: Result<unknown, string>): void =>
    assert(result.ok, `the benchmark's evidence is accepted${result.ok ? '' : `: ${result.code}`}`);
  const { dcapQvl } = work;
  return {
    name,
    cold: inTurn((piece) => accepted(work.cold(piece))),
    warm: inTurn((piece) => accepted(work.warm(piece, cache))),
    parse: inTurn((piece) => accepted(work.parse(piece))),
    dcapQvl: dcapQvl && { verify: inTurn(dcapQvl.verify), parse: inTurn(dcapQvl.parse) },
  };
}
