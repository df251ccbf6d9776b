/**
 * Vitest runner of the mutation run: each test runs as it is, then once for every check that it reached and that no test
 * has caught yet, with that check switched off. A failure then means that the test catches it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { TestRunner } from 'vitest';

type Test = Parameters<typeof TestRunner.getTestFn>[0];

/** What a run leaves for the script, by the id of the mutant. */
export interface MutantResults {
  readonly killed: { readonly [id: string]: string };
  readonly reached: { readonly [id: string]: number };
  /** Tests that fail by themselves or when they are run twice; nothing they say counts. */
  readonly unusable: readonly string[];
}

/** A test that takes longer by itself, in milliseconds of the processor's time, is not asked about mutants. */
const SLOW_MS = 400;
/** The same for mutants that are listed as equivalent: that quick tests cannot catch them is enough. */
const QUICK_MS = 20;
const listed = new Set((process.env.MUTANTS_LISTED ?? '').split(',').map(Number));
/** A mutant that runs longer is caught: the check kept a loop from going on. */
const HANG_MS = 20_000;
const [shard = 0, shards = 1] = (process.env.MUTANTS_SHARD ?? '0/1').split('/').map(Number);
const file = process.env.MUTANTS_RESULTS ?? '';

const reached = new Map<number, number>();
const killed = new Map<number, string>();
const unusable: string[] = [];
let recorded: Set<number> | undefined;
let active = -1;
let deadline = 0;
let calls = 0;

Object.assign(globalThis, {
  __mutant(id: number): boolean {
    if (recorded !== undefined) {
      recorded.add(id);
      return false;
    }
    if (active === -1) return false;
    if ((++calls & 0x3ff) === 0 && performance.now() > deadline) throw new Error('mutant runs without end');
    return id === active;
  },
});

export default class MutantRunner extends TestRunner {
  async runTask(test: Test): Promise<void> {
    const run = TestRunner.getTestFn(test);
    const name = `${(test as { file: { name: string } }).file.name}: ${(test as { name: string }).name}`;
    recorded = new Set();
    const before = process.cpuUsage();
    let hits: Set<number>;
    try {
      await run();
    } finally {
      hits = recorded;
      recorded = undefined;
    }
    const { user, system } = process.cpuUsage(before);
    const tookMs = (user + system) / 1000;
    if (tookMs > SLOW_MS) return;
    for (const id of hits) {
      if (id % shards !== shard) continue;
      reached.set(id, (reached.get(id) ?? 0) + 1);
      if (killed.has(id) || (tookMs > QUICK_MS && listed.has(id))) continue;
      if (!(await fails(run, id))) continue;
      // Whatever the mutant left behind must not be what fails.
      if (await fails(run, -1)) {
        unusable.push(name);
        return;
      }
      killed.set(id, name);
    }
  }

  override onAfterRunFiles(files: Parameters<TestRunner['onAfterRunFiles']>[0]): void {
    super.onAfterRunFiles(files);
    const before = read();
    const results: MutantResults = {
      killed: { ...before.killed, ...Object.fromEntries(killed) },
      reached: { ...before.reached, ...Object.fromEntries(reached) },
      unusable: [...before.unusable, ...unusable],
    };
    writeFileSync(file, JSON.stringify(results));
  }

  override onCollectStart(task: Parameters<TestRunner['onCollectStart']>[0]): void {
    super.onCollectStart(task);
    for (const [id, by] of Object.entries(read().killed)) killed.set(Number(id), by);
  }
}

function read(): MutantResults {
  return JSON.parse(readFileSync(file, 'utf8')) as MutantResults;
}

async function fails(run: () => unknown, id: number): Promise<boolean> {
  [active, deadline, calls] = [id, performance.now() + HANG_MS, 0];
  try {
    await run();
    return false;
  } catch {
    return true;
  } finally {
    active = -1;
  }
}
