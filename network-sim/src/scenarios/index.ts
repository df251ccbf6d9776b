/** Every scenario by name. */
import type { Scenario } from '../scenario.ts';
import { BYZANTINE_SCENARIOS } from './byzantine.ts';
import { CRASH_SCENARIOS } from './crashes.ts';
import { NETWORK_SCENARIOS } from './network.ts';

export const SCENARIOS: readonly Scenario[] = [...NETWORK_SCENARIOS, ...CRASH_SCENARIOS, ...BYZANTINE_SCENARIOS];

export function scenarioNamed(name: string): Scenario | undefined {
  return SCENARIOS.find((scenario) => scenario.name === name);
}
