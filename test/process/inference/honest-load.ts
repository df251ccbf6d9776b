/** Honest inferences by the SDK, one after another on each lane, and how long they take over a stretch. */
import type { CloisterClient } from '@cloister/client';
import type { AccountId, Digest } from '@cloister/encoding';
import { metric } from '../node-api.ts';
import { digitInput } from '../transactions.ts';
import { eventually } from '../wait.ts';

export type Lane = {
  /** Lanes that are judged together. */
  readonly group: string;
  readonly client: CloisterClient;
  readonly model: Digest;
  readonly executor: AccountId;
};

export type Stretch = {
  /** Milliseconds within which 19 of 20 inferences of the lanes of each group were answered. */
  readonly p95: ReadonlyMap<string, number>;
};

function p95(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * 0.95) - 1)] ?? Number.POSITIVE_INFINITY;
}

/** Runs until stopped. An inference that fails fails the stretch in which it does. */
export class HonestLoad {
  readonly #lanes: readonly Lane[];
  readonly #running: Promise<void>;
  readonly #tookMs: number[][];
  #ended: () => void = () => undefined;
  #stretchMs = 0;
  #failure: unknown;
  #goesOn = true;

  constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes;
    this.#tookMs = lanes.map(() => []);
    this.#running = Promise.all(lanes.map((lane, at) => this.#run(lane, at))).then(() => undefined);
  }

  async #run({ client, model, executor }: Lane, at: number): Promise<void> {
    for (let i = 0; this.#goesOn; i++) {
      const sinceMs = performance.now();
      try {
        await client.infer({ model, inputs: [digitInput(i % 100).tensor], executors: [executor] });
      } catch (error) {
        this.#failure ??= error;
        return this.#ended();
      }
      if (sinceMs >= this.#stretchMs) this.#tookMs[at]?.push(performance.now() - sinceMs);
      this.#ended();
    }
  }

  /** The next inferences, so many on each lane of these groups; what is under way when it begins does not count. */
  async stretch(each: number, judged: readonly string[]): Promise<Stretch> {
    const isJudged = (at: number): boolean => judged.includes(this.#lanes[at]?.group ?? '');
    for (const took of this.#tookMs) took.splice(0);
    this.#stretchMs = performance.now();
    await new Promise<void>((resolve, reject) => {
      this.#ended = () => {
        if (this.#failure !== undefined) reject(this.#failure);
        else if (this.#tookMs.every((took, at) => took.length >= each || !isJudged(at))) resolve();
      };
      this.#ended();
    });
    const groups = Map.groupBy([...this.#lanes.keys()].filter(isJudged), (at) => this.#lanes[at]?.group ?? '');
    return {
      p95: new Map([...groups].map(([group, lanes]) => [group, p95(lanes.flatMap((at) => this.#tookMs[at] ?? []))])),
    };
  }

  async stop(): Promise<void> {
    this.#goesOn = false;
    await this.#running;
  }
}

/** Receipts of an executor that the ledger takes, a second, over so many of them once it is at work. */
export async function runsPerSecond(api: string, runs: number): Promise<number> {
  const accepted = (count: number): Promise<number> =>
    eventually(`${count} receipts`, async () => {
      const found = await metric(api, 'cloister_executions_total', '{outcome="accepted"}');
      return found >= count ? found : undefined;
    });
  const before = await accepted(0);
  const from = await accepted(before + 5);
  const sinceMs = performance.now();
  const until = await accepted(from + runs);
  return (until - from) / ((performance.now() - sinceMs) / 1_000);
}
