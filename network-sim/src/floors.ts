/**
 * What Byzantine validators cost the others: a clean run, then a run with them under the same seed, and the
 * ratio of what the honest nodes committed.
 *
 * Virtual time knows no CPU: what a flood costs in CPU is measured on real processes (test/process).
 */
import type { ByzantineName } from './byzantine/index.ts';
import { LOCAL_NETWORK, type NetworkProfile } from './faulty-network.ts';
import type { RunReport } from './report.ts';
import type { Scenario, ScenarioPlan } from './scenario.ts';
import { Simulation } from './simulation.ts';

export interface Floor {
  readonly behaviour: ByzantineName;
  readonly attacked: RunReport;
  /** Executed transactions under attack over those of the clean run. */
  readonly transactionRatio: number;
  /** The same of blocks: what is left of the network's pace. */
  readonly blockRatio: number;
}

export interface FloorReport {
  readonly validators: number;
  /** How many of the validators are Byzantine. */
  readonly byzantine: number;
  /** What the network promises of the transactions. */
  readonly promised: number;
  readonly clean: RunReport;
  readonly floors: readonly Floor[];
}

export interface FloorOptions {
  readonly behaviours: readonly ByzantineName[];
  readonly validators: number;
  /** How many of them are Byzantine, the first to lead; as many as the network bears when left out: floor((n - 1) / 3). */
  readonly byzantine?: number;
  /** Virtual milliseconds of each run. */
  readonly forMs: number;
  readonly loadIntervalMs: number;
  /** `LOCAL_NETWORK` when left out. */
  readonly network?: NetworkProfile;
  readonly seed: string;
}

/**
 * Least share of a clean run's blocks. Blocks carry whatever waits, so that fewer of them cost delay and not transactions:
 * the promise is about transactions. One of four leaders that is not heard takes a quarter of the views, and the first of
 * its turns are waited out; below this, something else stands still.
 */
export const LEAST_PACE = 0.3;

/** Share of a clean run's transactions that is promised: half at n = 4, and 1 − 2f/n beyond. */
export function promisedFloor(validators: number, byzantine: number): number {
  return validators === 4 ? 0.5 : 1 - (2 * byzantine) / validators;
}

/** One run of a good network under load, with these validators Byzantine and this tenant beside the clients. */
function runWith(
  { validators, forMs, seed, loadIntervalMs, network = LOCAL_NETWORK }: Omit<FloorOptions, 'behaviours'>,
  attack: Pick<ScenarioPlan, 'byzantine' | 'hostileTenant'>,
): Promise<RunReport> {
  const scenario: Scenario = {
    name: 'floors',
    description: 'a good network under load',
    validators,
    blocks: 1,
    plan: () => ({ profile: network, loadIntervalMs, ...attack }),
  };
  return new Simulation({ scenario, seed, forMs }).run();
}

/** One clean run, then one run for each behaviour with so many validators of it. */
export async function measureFloors(options: FloorOptions): Promise<FloorReport> {
  const { behaviours, validators, byzantine = Math.floor((validators - 1) / 3) } = options;
  const clean = await runWith(options, {});
  const floors: Floor[] = [];
  for (const behaviour of behaviours) {
    const culprits = new Map(Array.from({ length: byzantine }, (_, index) => [index, behaviour]));
    const attacked = await runWith(options, { byzantine: culprits });
    floors.push({
      behaviour,
      attacked,
      transactionRatio: attacked.transactions.executed / clean.transactions.executed,
      blockRatio: honestHeight(attacked, byzantine) / honestHeight(clean, byzantine),
    });
  }
  return { validators, byzantine, promised: promisedFloor(validators, byzantine), clean, floors };
}

/** Least share of the transactions of honest clients that is executed beside a tenant who floods every node. */
export const TENANT_FLOOR = 0.9;

/** What is left to honest clients beside a tenant who hands in the largest transactions at each node, far more than are taken. */
export async function measureTenantFloor(
  options: Omit<FloorOptions, 'behaviours'>,
): Promise<{ readonly clean: RunReport; readonly attacked: RunReport; readonly transactionRatio: number }> {
  const clean = await runWith(options, {});
  const attacked = await runWith(options, { hostileTenant: { intervalMs: 1_000, each: 160 } });
  return { clean, attacked, transactionRatio: attacked.transactions.executed / clean.transactions.executed };
}

/** The lowest height of the nodes that are honest in every run. */
function honestHeight({ heights }: RunReport, byzantine: number): number {
  return Math.min(...heights.slice(byzantine));
}
