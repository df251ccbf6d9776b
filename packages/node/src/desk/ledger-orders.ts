/**
 * The orders in which the API lists what the state holds, kept up with each block: a question for a page then costs the
 * page, and not a sort of everything that anybody ever put there.
 */
import { type AccountId, asValidatorId, type Digest } from '@cloister/encoding';
import type { LedgerEvent, LedgerState } from '@cloister/ledger';

/** First place of an ascending list at which `reached` holds. */
function placeWhere<T>(list: readonly T[], reached: (item: T) => boolean): number {
  let low = 0;
  for (let high = list.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (reached(list[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function insert<T>(list: T[], item: T, compare: (a: T, b: T) => number): void {
  const place = placeWhere(list, (other) => compare(other, item) >= 0);
  if (list[place] !== item) list.splice(place, 0, item);
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

interface TaskPlace {
  readonly id: Digest;
  readonly sequence: number;
}

/** Places of dropped tasks that are kept beside as many as there are tasks, before they are swept out. */
const STALE_TASKS = 1024;

/** Members and nodes with an attestation are never dropped from the state, nor are models. */
export class LedgerOrders {
  readonly #state: () => LedgerState;
  readonly #members: AccountId[];
  readonly #attestations: AccountId[];
  readonly #models: Digest[];
  readonly #modelPlaces = new Map<Digest, number>();
  #tasks: TaskPlace[];

  constructor(state: () => LedgerState) {
    this.#state = state;
    const { members, attestations, models, tasks } = state();
    this.#members = [...members.keys()].sort(this.#byWeight);
    this.#attestations = [...attestations.keys()].sort(byText);
    this.#models = [...models.values()]
      .sort((a, b) => a.height - b.height || byText(a.id, b.id))
      .map(({ id }, place) => {
        this.#modelPlaces.set(id, place);
        return id;
      });
    this.#tasks = [...tasks.values()]
      .map(({ id, requestSequence }) => ({ id, sequence: requestSequence }))
      .sort((a, b) => a.sequence - b.sequence);
  }

  readonly #byWeight = (a: AccountId, b: AccountId): number => {
    const { members } = this.#state();
    const weightOf = (id: AccountId): number => members.get(asValidatorId(id))?.weight ?? 0;
    return weightOf(b) - weightOf(a) || byText(a, b);
  };

  /** Takes in a block's events. */
  committed(firstSequence: number, events: readonly LedgerEvent[]): void {
    for (const [i, event] of events.entries()) {
      if (event.type === 'AttestationAccepted') {
        insert(this.#members, event.node, this.#byWeight);
        insert(this.#attestations, event.node, byText);
      } else if (event.type === 'ModelPublished') {
        this.#modelPlaces.set(event.model, this.#models.length);
        this.#models.push(event.model);
      } else if (event.type === 'InferenceRequested') {
        this.#tasks.push({ id: event.task, sequence: firstSequence + i });
      }
    }
    const { tasks } = this.#state();
    if (this.#tasks.length > 2 * tasks.size + STALE_TASKS) this.#tasks = this.#tasks.filter(({ id }) => tasks.has(id));
  }

  /** Members by falling weight, then by id. */
  members(after: AccountId | undefined, limit: number): readonly AccountId[] {
    return sliceAfter(this.#members, after, limit, this.#byWeight);
  }

  /** Nodes with an attestation, by id. */
  attestations(after: AccountId | undefined, limit: number): readonly AccountId[] {
    return sliceAfter(this.#attestations, after, limit, byText);
  }

  /** Models in the order of their publication. An unknown `after` has nothing behind it. */
  models(after: Digest | undefined, limit: number): readonly Digest[] {
    const from = after === undefined ? 0 : (this.#modelPlaces.get(after) ?? this.#models.length) + 1;
    return this.#models.slice(from, from + limit);
  }

  /** Places of tasks, newest first, requested before the event of sequence `below`. The state may have dropped some. */
  tasks(below: number, limit: number): readonly TaskPlace[] {
    const end = placeWhere(this.#tasks, ({ sequence }) => sequence >= below);
    return this.#tasks.slice(Math.max(0, end - limit), end).reverse();
  }
}

function sliceAfter<T>(list: readonly T[], after: T | undefined, limit: number, compare: (a: T, b: T) => number): T[] {
  const from = after === undefined ? 0 : placeWhere(list, (other) => compare(other, after) > 0);
  return list.slice(from, from + limit);
}
