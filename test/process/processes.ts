/** Processes of this machine as /proc shows them: who descends from whom, and whether one is still the one that was seen. */
import { readdirSync, readFileSync } from 'node:fs';
import { eventually } from './wait.ts';

/** A process, told apart from a later one of the same id by its start. */
export type Seen = {
  readonly pid: number;
  readonly parent: number;
  readonly started: string;
  /** Arguments, joined by spaces. */
  readonly command: string;
};

function look(pid: number): Seen | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; the fields follow its last parenthesis. See proc_pid_stat(5).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent = ''] = fields;
    if (state === 'Z' || state === 'X') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(parent), started: fields[19] ?? '', command };
  } catch {
    return undefined;
  }
}

function everyProcess(): Seen[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => look(Number(name)) ?? []);
}

/** Every live process with this text in its arguments, whoever its parent is by now. */
export function processesNaming(text: string): Seen[] {
  return everyProcess().filter(({ command }) => command.includes(text));
}

/** Every live descendant of a process, itself left out. */
export function descendantsOf(root: number): Seen[] {
  const all = everyProcess();
  const found: Seen[] = [];
  const parents = new Set([root]);
  for (let before = -1; before !== found.length; ) {
    before = found.length;
    for (const one of all) {
      if (!parents.has(one.parent) || parents.has(one.pid)) continue;
      parents.add(one.pid);
      found.push(one);
    }
  }
  return found;
}

export function isRunning({ pid, started }: Seen): boolean {
  return look(pid)?.started === started;
}

/** Remembers processes as they come and go. */
export class Sightings {
  readonly #seen = new Map<string, Seen>();

  /** Notes the descendants of a process that live now, and the process itself. */
  note(root: number): void {
    const self = look(root);
    for (const one of [...descendantsOf(root), ...(self === undefined ? [] : [self])]) {
      const key = `${one.pid}/${one.started}`;
      // One that is about to end has no arguments any more.
      if (one.command !== '' || !this.#seen.has(key)) this.#seen.set(key, one);
    }
  }

  get all(): readonly Seen[] {
    return [...this.#seen.values()];
  }

  running(): readonly Seen[] {
    return this.all.filter(isRunning);
  }

  /** Resolves once none of them runs any more. */
  async gone(timeoutMs = 30_000): Promise<void> {
    await eventually(
      'every process to be gone',
      () => (this.running().length === 0 ? true : undefined),
      timeoutMs,
      () => JSON.stringify(this.running()),
    );
  }

  /** Ends whatever of it still runs. */
  kill(): void {
    for (const { pid } of this.running()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
  }
}
