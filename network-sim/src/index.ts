/** The real replica under a seeded scheduler with a virtual clock, faulty network and store, and independent checkers. */
export type { Behaviour, Burst, ByzantineContext, MakeBehaviour, Outgoing } from './byzantine/behaviour.ts';
export { TICK_MS, toAll } from './byzantine/behaviour.ts';
export { BYZANTINE, BYZANTINE_NAMES, type ByzantineName } from './byzantine/index.ts';
export { Checkers, type InvariantId, type Violation } from './checkers.ts';
export { FaultyNetwork, LOCAL_NETWORK, LOSSY_NETWORK, type NetworkProfile, WIDE_NETWORK } from './faulty-network.ts';
export {
  type Floor,
  type FloorReport,
  LEAST_PACE,
  measureFloors,
  measureTenantFloor,
  promisedFloor,
  TENANT_FLOOR,
} from './floors.ts';
export type { RunOptions, RunReport } from './report.ts';
export type { Incident, Scenario, ScenarioPlan } from './scenario.ts';
export { SCENARIOS, scenarioNamed } from './scenarios/index.ts';
export { Simulation } from './simulation.ts';
