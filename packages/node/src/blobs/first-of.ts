/**
 * Asks one member after the other, and a further one when the last is slow, so that a silent member costs a moment and
 * not its whole time limit.
 */
import type { AccountId } from '@cloister/encoding';

/** How long one may be alone with the question. */
export const HEDGE_MS = 2_000;
/** How many are asked at a time; each may have sent part of an answer. */
export const ASKED_AT_ONCE = 4;

/** The first answer that is not undefined; undefined when nobody has one. A rejection is no answer. */
export function firstOf<T>(
  members: readonly AccountId[],
  ask: (member: AccountId) => Promise<T | undefined>,
): Promise<T | undefined> {
  const waiting = [...members];
  let running = 0;
  let timer: NodeJS.Timeout | undefined;
  return new Promise((resolve) => {
    const finish = (answer: T | undefined): void => {
      clearTimeout(timer);
      waiting.length = 0;
      resolve(answer);
    };
    const next = (): void => {
      clearTimeout(timer);
      const member = running < ASKED_AT_ONCE ? waiting.shift() : undefined;
      if (member === undefined) {
        if (running === 0) finish(undefined);
        return;
      }
      running++;
      timer = setTimeout(next, HEDGE_MS);
      void ask(member)
        .catch(() => undefined)
        .then((answer) => {
          running--;
          if (answer === undefined) next();
          else finish(answer);
        });
    };
    next();
  });
}
