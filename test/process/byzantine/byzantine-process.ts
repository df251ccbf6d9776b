/** Starts and steers a Byzantine validator from a test. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ByzantineName } from '@cloister/network-sim';
import { eventually } from '../wait.ts';
import type { ByzantineOrder, ByzantineReport } from './byzantine-node.ts';

export class ByzantineProcess {
  readonly #child: ChildProcess;
  /** Rejects when the process ends. */
  readonly #ended: Promise<never>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the Byzantine validator ended with ${signal ?? code}`);
    });
    this.#ended.catch(() => undefined);
  }

  /** Takes the keys and the genesis of a home whose own node does not run, and dials `seeds`. */
  static async start(home: string, seeds: readonly string[]): Promise<ByzantineProcess> {
    const child = fork(join(import.meta.dirname, 'byzantine-main.ts'), [home, seeds.join(',')], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const started = new ByzantineProcess(child);
    await started.#answer();
    return started;
  }

  /** Null makes it honest. */
  async behave(name: ByzantineName | null): Promise<ByzantineReport> {
    return this.#order({ behave: name });
  }

  report(): Promise<ByzantineReport> {
    return this.#order({});
  }

  async connected(validators: number): Promise<void> {
    await eventually(`the Byzantine validator to reach ${validators} others`, async () =>
      (await this.report()).connectedValidators >= validators ? true : undefined,
    );
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended.catch(() => undefined);
  }

  #order(order: ByzantineOrder): Promise<ByzantineReport> {
    const answer = this.#answer();
    this.#child.send(order);
    return answer;
  }

  async #answer(): Promise<ByzantineReport> {
    const [report] = await Promise.race([once(this.#child, 'message'), this.#ended]);
    return report as ByzantineReport;
  }
}
