/** The real replica under a seeded scheduler with a virtual clock, faulty network and store, and independent checkers. */
export { type ByzantineContext, ByzantineMock, type ByzantineName, type Outgoing } from './byzantine.ts';
export { Checkers, type InvariantId, type Violation } from './checkers.ts';
export { FaultyNetwork, LOCAL_NETWORK, LOSSY_NETWORK, type NetworkProfile, WIDE_NETWORK } from './faulty-network.ts';
export type { RunOptions, RunReport } from './report.ts';
export type { Incident, Scenario, ScenarioPlan } from './scenario.ts';
export { SCENARIOS, scenarioNamed } from './scenarios/index.ts';
export { Simulation } from './simulation.ts';
