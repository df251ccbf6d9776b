/**
 * Vitest runner of the mutation run: each test runs as it is, then once for every check that it reached and that no test
 * has caught yet, with that check switched off. A failure then means that the test catches it.
 */
import { TestRunner } from 'vitest';
import { append, findingsIn } from './journal.ts';

type Test = Parameters<typeof TestRunner.getTestFn>[0];
type Suite = Parameters<typeof TestRunner.getSuiteHooks>[0];
/** The members of a test that vitest's own types keep to itself. */
interface RunningTest {
  readonly name: string;
  readonly file: { readonly name: string };
  readonly suite?: Suite;
  readonly context: never;
  onFinished?: readonly ((context: never) => unknown)[] | undefined;
}

/**
 * How much of the processor's time, in milliseconds, the tests may take that try one mutant. Quick tests come first and are
 * always asked; of the slow ones, as many as fit.
 */
const MUTANT_MS = Number(process.env.MUTANTS_MUTANT_MS ?? '2500');
/** A test that takes no longer by itself is quick. Mutants that are listed as equivalent are tried by quick tests alone. */
const QUICK_MS = 20;
/** A mutant that runs this many times as long as the test by itself is caught: the check kept a loop from going on. */
const HANG_FACTOR = 20;
const HANG_MIN_MS = 3000;

const journal = process.env.MUTANTS_JOURNAL ?? '';
const listed = new Set((process.env.MUTANTS_LISTED ?? '').split(',').map(Number));
const chosen = new Set((process.env.MUTANTS_CHOSEN ?? '').split(',').map(Number));
const stopMs = Number(process.env.MUTANTS_CPU_MS ?? 'Infinity');

const killed = new Set<number>();
let tried = new Map<number, number>();
let reached = new Set<number>();
let cpuMs = 0;
/** What earlier test files have spent, and where this process stood when the present one began. */
let [spentMs, startedMs] = [0, 0];
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
  async runTask(task: Test): Promise<void> {
    const test = task as unknown as RunningTest;
    const run = TestRunner.getTestFn(task);
    const name = `${test.file.name}: ${test.name}`;
    const left = [...chosen].filter((id) => !killed.has(id));
    if (left.length === 0 || isOutOfTime()) return;

    recorded = new Set();
    const before = cpuNow();
    const startedAt = performance.now();
    let hits: Set<number>;
    try {
      await run();
    } catch (error) {
      append(journal, { kind: 'broken', test: name });
      throw error;
    } finally {
      hits = recorded;
      recorded = undefined;
    }
    const tookMs = cpuNow() - before;
    const hangMs = Math.max(HANG_MIN_MS, HANG_FACTOR * (performance.now() - startedAt));
    cpuMs += tookMs;
    for (const id of hits) if (chosen.has(id)) reached.add(id);
    for (const id of hits) {
      if (!chosen.has(id) || killed.has(id)) continue;
      if (!isWorth(id, tookMs)) {
        append(journal, { kind: 'skipped', id });
        continue;
      }
      if (isOutOfTime()) return;
      append(journal, { kind: 'trying', id, test: name });
      const isCaught = await fails(test, run, id, hangMs);
      append(journal, { kind: 'tried', id, tookMs });
      tried.set(id, (tried.get(id) ?? 0) + tookMs);
      if (!isCaught) continue;
      // Whatever the mutant left behind must not be what fails.
      if (await fails(test, run, -1, hangMs)) {
        append(journal, { kind: 'unusable', test: name });
        return;
      }
      killed.add(id);
      append(journal, { kind: 'killed', id, test: name });
    }
  }

  override onCollectStart(task: Parameters<TestRunner['onCollectStart']>[0]): void {
    super.onCollectStart(task);
    spentMs = 0;
    tried = new Map();
    for (const finding of findingsIn(journal)) {
      if (finding.kind === 'killed') killed.add(finding.id);
      if (finding.kind === 'tried') tried.set(finding.id, (tried.get(finding.id) ?? 0) + finding.tookMs);
      if (finding.kind === 'done') spentMs += finding.spentMs;
    }
    [reached, cpuMs] = [new Set(), 0];
  }

  override onAfterRunFiles(files: Parameters<TestRunner['onAfterRunFiles']>[0]): void {
    super.onAfterRunFiles(files);
    if (isOutOfTime()) {
      append(journal, { kind: 'stopped' });
      return;
    }
    const [tookMs, spent] = [Math.round(cpuMs), Math.round(cpuNow() - startedMs)];
    startedMs = cpuNow();
    for (const { filepath } of files) {
      append(journal, { kind: 'done', path: filepath, reached: [...reached], tookMs, spentMs: spent });
    }
  }
}

/** Whether a test of this length is asked about the mutant. */
function isWorth(id: number, tookMs: number): boolean {
  return tookMs <= QUICK_MS || (!listed.has(id) && (tried.get(id) ?? 0) + tookMs <= MUTANT_MS);
}

function cpuNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function isOutOfTime(): boolean {
  return spentMs + cpuNow() - startedMs > stopMs;
}

async function fails(test: RunningTest, run: () => unknown, id: number, hangMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(reject, hangMs, new Error('mutant does not end'));
  });
  try {
    await onceMore(test, async () => {
      [active, deadline, calls] = [id, performance.now() + hangMs, 0];
      await Promise.race([run(), hang]);
    });
    return false;
  } catch {
    return true;
  } finally {
    active = -1;
    clearTimeout(timer);
  }
}

/** Runs the test again between the hooks that stand around each test. */
async function onceMore(test: RunningTest, run: () => Promise<void>): Promise<void> {
  const suites = suitesAround(test);
  const hooks = suites.map((suite) => ({ suite, ...TestRunner.getSuiteHooks(suite) }));
  const around = hooks.some(({ beforeEach, afterEach }) => beforeEach.length + afterEach.length > 0);
  if (!around) {
    await run();
    return;
  }
  for (const { suite, afterEach } of hooks.toReversed())
    for (const hook of afterEach) await hook(test.context, suite as never);
  await finish(test);
  for (const { suite, beforeEach } of hooks) for (const hook of beforeEach) await hook(test.context, suite as never);
  await run();
}

async function finish(test: RunningTest): Promise<void> {
  const hooks = test.onFinished ?? [];
  test.onFinished = undefined;
  for (const hook of hooks.toReversed()) await hook(test.context);
}

function suitesAround(test: RunningTest): readonly Suite[] {
  const suites: Suite[] = [];
  for (let suite = test.suite ?? (test.file as unknown as Suite); ; ) {
    suites.unshift(suite);
    const above = (suite as { suite?: Suite; file?: Suite }).suite ?? (suite as { file?: Suite }).file;
    if (above === undefined || above === suite) return suites;
    suite = above;
  }
}
