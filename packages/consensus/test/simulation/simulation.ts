/**
 * A seeded run: virtual time, a network that delays, loses and partitions, nodes that crash and recover, then a quiet
 * phase in which every node must get on (L1). The same seed gives the same run.
 */

import { hash, SeededRandom } from '@cloister/crypto';
import { asValidatorId, type Digest, type ValidatorId } from '@cloister/encoding';
import {
  type ConsensusMessage,
  type Effect,
  encodeMessage,
  makeValidatorSet,
  type Timing,
  type ValidatorSet,
} from '../../src/index.ts';
import { PROTOCOL_RULES, type Rules } from '../../src/rules.ts';
import { Checker, type Sighting, type Violation } from './sim-checks.ts';
import { committedBlocks } from './sim-ledger.ts';
import { mockSignature, SimNode, type World } from './sim-node.ts';

export interface Scenario {
  readonly seed: string;
  readonly weights: readonly number[];
  /** Chance in 1000 that a message is lost before the network heals. */
  readonly lossPermille: number;
  readonly maxDelayMs: number;
  readonly partitions: number;
  readonly crashes: number;
  /** All nodes lose power at once, once. */
  readonly blackout: boolean;
  /** Virtual milliseconds of trouble; then the network heals. */
  readonly troubleMs: number;
  readonly rules?: Rules;
  readonly dropsGuard?: boolean;
  /** The last so many validators never start. */
  readonly downForGood?: number;
  /** The last validator is away from an early moment for so long. */
  readonly awayMs?: number;
  /** Nodes beside the validators that follow without a vote. */
  readonly observers?: number;
  /** A Byzantine behaviour for the first `count` validators. */
  readonly byzantine?: { readonly count: number; readonly twist: (node: SimNode, effect: Effect) => readonly Effect[] };
}

export interface RunResult {
  readonly violations: readonly Violation[];
  readonly heights: readonly number[];
  readonly views: readonly number[];
  readonly trace: Digest;
  readonly maxRounds: number;
  /** Blocks that arrived in bulk. */
  readonly caughtUp: number;
  readonly accusations: readonly Sighting[];
  readonly refusals: readonly Sighting[];
  readonly byzantine: ReadonlySet<ValidatorId>;
  readonly honest: ReadonlySet<ValidatorId>;
  /** Who proposed the committed blocks. */
  readonly proposers: ReadonlySet<ValidatorId>;
}

const TIMING: Timing = {
  viewTimeoutMs: 300,
  growth: 1.25,
  capMs: 3000,
  idleIntervalMs: 100,
  retryMs: 250,
  retryBytes: 256 * 1024,
};
/** After healing every node commits so many blocks more, within the time. */
const HEALED_BLOCKS = 5;
const HEALED_MS = 60_000;

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

class Clock {
  now = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  later(delayMs: number, run: () => void): void {
    const event = { at: this.now + delayMs, order: this.#order++, run };
    let at = this.#heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#heap[parent];
      if (above === undefined || !before(event, above)) break;
      this.#heap[at] = above;
      at = parent;
    }
    this.#heap[at] = event;
  }

  /** Runs the next event no later than `until`. */
  advance(until: number): boolean {
    const first = this.#heap[0];
    if (first === undefined || first.at > until) return false;
    const last = this.#heap.pop();
    if (last !== undefined && last !== first) this.#sink(last);
    this.now = first.at;
    first.run();
    return true;
  }

  #sink(event: Event): void {
    let at = 0;
    for (;;) {
      const left = this.#heap[2 * at + 1];
      const right = this.#heap[2 * at + 2];
      if (left === undefined) break;
      const [child, index] = right !== undefined && before(right, left) ? [right, 2 * at + 2] : [left, 2 * at + 1];
      if (!before(child, event)) break;
      this.#heap[at] = child;
      at = index;
    }
    this.#heap[at] = event;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

export function runScenario(scenario: Scenario): RunResult {
  const random = new SeededRandom(scenario.seed);
  const clock = new Clock();
  const chainId = hash('simulated chain');
  const ids = scenario.weights.map((_, index) => asValidatorId(hash(`simulated validator ${index}`))).sort();
  const set: ValidatorSet = makeValidatorSet(
    ids.map((id, index) => ({ id, weight: BigInt(scenario.weights[index] ?? 1) })),
  );
  const byzantine = new Set(ids.slice(0, scenario.byzantine?.count ?? 0));
  const checker = new Checker(set, chainId, byzantine);
  let healed = false;
  let trace = hash('trace');
  let maxRounds = 0;
  let caughtUp = 0;
  let groups = new Map<ValidatorId, number>();
  const nodes = new Map<ValidatorId, SimNode>();
  const between = (from: number, to: number): number => from + random.below(to - from + 1);

  const deliver = (from: ValidatorId, to: ValidatorId, message: ConsensusMessage): void => {
    const cut = !healed && (groups.get(from) ?? 0) !== (groups.get(to) ?? 0);
    const lost = !healed && random.below(1000) < scenario.lossPermille;
    const delayMs = between(1, healed ? 20 : scenario.maxDelayMs);
    if (cut || lost) return;
    clock.later(delayMs, () => nodes.get(to)?.input({ type: 'message', from, message }));
  };
  const world: World = {
    now: () => clock.now,
    delay: between,
    later: (delayMs, run) => clock.later(delayMs, run),
    transmit: (from, to, message) => {
      trace = hash('trace', new TextEncoder().encode(`${trace}${clock.now}${from}`), encodeMessage(message));
      for (const id of to === 'all' ? ids : [to]) if (id !== from) deliver(from, id, message);
    },
    fetchChain: (from, to, height) => {
      clock.later(between(5, 50), () => {
        if (!healed && (groups.get(from) ?? 0) !== (groups.get(to) ?? 0)) return;
        const commits = nodes.get(from)?.disk.commits ?? [];
        for (const { blocks, finalization } of commits.filter(
          (each) => (each.blocks.at(-1)?.header.height ?? 0) >= height,
        )) {
          caughtUp += blocks.length;
          nodes.get(to)?.input({ type: 'chain-arrived', from, blocks, finalization });
        }
      });
    },
    guardRefused: (code) => checker.violations.push({ id: 'S6', detail: code }),
    observe: (node, effect) => {
      checker.observe(node, effect);
      if (effect.type === 'commit' && node.machine !== undefined) {
        maxRounds = Math.max(maxRounds, node.machine.current.rounds.size);
      }
    },
  };
  for (const id of ids) {
    const twist = byzantine.has(id) ? scenario.byzantine?.twist : undefined;
    const sign = (bytes: Uint8Array): Uint8Array => mockSignature(id, bytes);
    const config = { chainId, self: id, sign, genesisSet: set, genesisTimestampMs: 0, timing: TIMING };
    // A Byzantine node signs behind its machine's back.
    const honestRules = scenario.rules ?? PROTOCOL_RULES;
    const rules = byzantine.has(id) ? { ...honestRules, signedElsewhere: () => false } : honestRules;
    const options = { id, config, rules, dropsGuard: scenario.dropsGuard ?? false };
    nodes.set(id, new SimNode(world, twist === undefined ? options : { ...options, twist }));
  }
  for (let index = 0; index < (scenario.observers ?? 0); index++) {
    const id = asValidatorId(hash(`simulated observer ${index}`));
    const config = { chainId, self: id, sign: undefined, genesisSet: set, genesisTimestampMs: 0, timing: TIMING };
    nodes.set(id, new SimNode(world, { id, config, rules: PROTOCOL_RULES, dropsGuard: false }));
  }
  const all = [...nodes.values()].filter(
    (node) => !ids.slice(ids.length - (scenario.downForGood ?? 0)).includes(node.id),
  );
  for (const node of all) clock.later(between(0, 50), () => node.start());
  const reboot = (node: SimNode, downMs: number): void => {
    if (!node.up) return;
    node.crash();
    clock.later(downMs, () => {
      if (node.up) return;
      node.start();
      if (scenario.dropsGuard !== true) checker.restarted(node);
    });
  };
  for (let crash = 0; crash < scenario.crashes; crash++) {
    const node = all[random.below(all.length)];
    if (node !== undefined) clock.later(between(60, scenario.troubleMs), () => reboot(node, between(1, 1500)));
  }
  if (scenario.blackout) {
    clock.later(between(60, scenario.troubleMs), () => {
      for (const node of all) reboot(node, between(1, 500));
    });
  }
  const last = nodes.get(ids.at(-1) ?? asValidatorId(''));
  const { awayMs } = scenario;
  if (awayMs !== undefined && last !== undefined) clock.later(500, () => reboot(last, awayMs));
  for (let partition = 0; partition < scenario.partitions; partition++) {
    clock.later(between(0, scenario.troubleMs), () => {
      groups = new Map(ids.map((id) => [id, random.below(2)]));
      clock.later(between(100, 2500), () => {
        groups = new Map();
      });
    });
  }
  const workRandom = random.fork('work');
  const toggleWork = (): void => {
    const pending = workRandom.below(2) === 1;
    for (const node of all) node.input({ type: 'work-pending', pending });
    clock.later(500, toggleWork);
  };
  clock.later(100, toggleWork);

  while (clock.advance(scenario.troubleMs));
  clock.now = scenario.troubleMs;
  healed = true;
  const honest = all.filter((node) => !byzantine.has(node.id));
  const goal = Math.max(...honest.map((node) => node.height)) + HEALED_BLOCKS;
  const live = (): boolean => honest.every((node) => node.height >= goal);
  for (let steps = 0; clock.advance(scenario.troubleMs + HEALED_MS); steps++) if (steps % 64 === 0 && live()) break;
  checker.finish(honest);
  const violations = [...checker.violations];
  if (!live()) violations.push({ id: 'L1', detail: `heights ${honest.map((node) => node.height)}, goal ${goal}` });
  return {
    violations,
    heights: all.map((node) => committedBlocks(node.disk).length),
    views: all.map((node) => node.machine?.current.view ?? 0),
    trace,
    maxRounds,
    caughtUp,
    accusations: checker.accusations,
    refusals: checker.refusals,
    byzantine,
    honest: new Set(honest.map(({ id }) => id)),
    proposers: checker.proposers(),
  };
}
