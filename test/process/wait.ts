/** Waiting for something that another process does: asked again and again, with a generous end. */
import { setTimeout as pause } from 'node:timers/promises';

const INTERVAL_MS = 50;

/**
 * Resolves with the first answer that is neither undefined nor an error. After `timeoutMs` it throws, saying what was
 * waited for and what `state` says or the last error was.
 */
export async function eventually<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  timeoutMs = 90_000,
  state: () => string = () => '',
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms for ${what}; ${state()}`, { cause: last });
    await pause(INTERVAL_MS);
  }
}
