/**
 * Keeps tasks in order, so that a search costs only what it finds: tasks whose deadline has passed, tasks that may be
 * dropped, how many are open for whom.
 *
 * All of it follows from the tasks themselves (`TaskIndex.of`), so no snapshot holds it. Order never depends on the
 * order of insertion: a state that was decoded goes on exactly as the one that was encoded.
 */
import type { AccountId, Digest } from '@cloister/encoding';
import type { Task } from '../state/task.ts';

interface Entry {
  readonly at: number;
  readonly sequence: number;
  readonly task: Digest;
}

/** Tasks in ascending order of (`at`, sequence of the request). */
class TaskQueue {
  readonly #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** Where an entry stands or would stand. */
  #place(at: number, sequence: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      const before = entry !== undefined && (entry.at < at || (entry.at === at && entry.sequence < sequence));
      if (before) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  insert(entry: Entry): void {
    this.#entries.splice(this.#place(entry.at, entry.sequence), 0, entry);
  }

  delete({ at, sequence }: Pick<Entry, 'at' | 'sequence'>): void {
    const place = this.#place(at, sequence);
    const found = this.#entries[place];
    if (found?.at === at && found.sequence === sequence) this.#entries.splice(place, 1);
  }

  first(): Digest | undefined {
    return this.#entries[0]?.task;
  }

  /** Those below `at`, in order. */
  below(at: number): Digest[] {
    return this.#entries.slice(0, this.#place(at, 0)).map(({ task }) => task);
  }
}

/** Counts that forget whoever is down to nothing. */
class Counts {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string, amount: 1 | -1): void {
    const sum = this.of(key) + amount;
    if (sum > 0) this.#counts.set(key, sum);
    else this.#counts.delete(key);
  }
}

export class TaskIndex {
  readonly #deadlines = new TaskQueue();
  readonly #removals = new TaskQueue();
  readonly #closedOf = new Map<AccountId, TaskQueue>();
  readonly #openOfSender = new Counts();
  readonly #openOfOwner = new Counts();
  readonly #openOfExecutor = new Counts();

  /** The index of these tasks. */
  static of(tasks: Iterable<Task>): TaskIndex {
    const index = new TaskIndex();
    for (const task of tasks) index.add(task);
    return index;
  }

  /** A task that was opened, or that was closed and taken out by `remove` before. */
  add(task: Task): void {
    const { id, sender, requestSequence: sequence } = task;
    if (task.status === 'open') {
      this.#deadlines.insert({ at: task.deadlineMs, sequence, task: id });
      this.#count(task, 1);
      return;
    }
    this.#removals.insert({ at: task.keptUntilMs, sequence, task: id });
    let closed = this.#closedOf.get(sender);
    if (closed === undefined) {
      closed = new TaskQueue();
      this.#closedOf.set(sender, closed);
    }
    closed.insert({ at: task.closedHeight ?? 0, sequence, task: id });
  }

  remove(task: Task): void {
    const { sender, requestSequence: sequence } = task;
    if (task.status === 'open') {
      this.#deadlines.delete({ at: task.deadlineMs, sequence });
      this.#count(task, -1);
      return;
    }
    this.#removals.delete({ at: task.keptUntilMs, sequence });
    const closed = this.#closedOf.get(sender);
    closed?.delete({ at: task.closedHeight ?? 0, sequence });
    if (closed?.size === 0) this.#closedOf.delete(sender);
  }

  #count({ sender, owner, executors }: Task, amount: 1 | -1): void {
    this.#openOfSender.add(sender, amount);
    this.#openOfOwner.add(owner, amount);
    for (const { node } of executors) this.#openOfExecutor.add(node, amount);
  }

  openOfSender(sender: AccountId): number {
    return this.#openOfSender.of(sender);
  }

  /** Open tasks of all models of an owner. */
  openOfOwner(owner: AccountId): number {
    return this.#openOfOwner.of(owner);
  }

  openOfExecutor(node: AccountId): number {
    return this.#openOfExecutor.of(node);
  }

  /** All open tasks, by deadline. */
  open(): readonly Digest[] {
    return this.#deadlines.below(Number.MAX_SAFE_INTEGER);
  }

  /** Open tasks whose deadline lies before this block time, earliest first. */
  overdue(timeMs: number): readonly Digest[] {
    return this.#deadlines.below(timeMs);
  }

  /** Closed tasks that are kept no longer at this block time. */
  removable(timeMs: number): readonly Digest[] {
    return this.#removals.below(timeMs);
  }

  closedOfSender(sender: AccountId): number {
    return this.#closedOf.get(sender)?.size ?? 0;
  }

  /** The closed task of a sender that was closed first. */
  oldestClosedOf(sender: AccountId): Digest | undefined {
    return this.#closedOf.get(sender)?.first();
  }
}
