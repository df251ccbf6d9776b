/** Its wall clock is an hour or a day off, either way, and steps again and again; for the rest it is honest. */
import type { MakeBehaviour } from './behaviour.ts';

const HOUR_MS = 3_600_000;
const DAY_MS: number = 24 * HOUR_MS;
const STEPS: readonly number[] = [0, HOUR_MS, -HOUR_MS, DAY_MS, -DAY_MS, 0];
/** Long enough for turns to lead in each. */
const TICKS_PER_STEP = 4;

export const clockStepper: MakeBehaviour = () => {
  let ticks = 0;
  return {
    clockOffMs() {
      return STEPS[Math.floor(ticks++ / TICKS_PER_STEP) % STEPS.length] ?? 0;
    },
  };
};
