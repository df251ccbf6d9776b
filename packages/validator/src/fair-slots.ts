/**
 * Shares a few slots for work by the time that each asker has used: first among model owners, then among the senders of
 * one owner's models.
 *
 * An owner's account grows with the time that its work held slots, and the owner with the lowest account goes next. So
 * a tenant that asks for a thousand runs, or a model whose runs never end, delays only its own next run. An owner that
 * was away starts at the account of the owner that went last, so that being idle gains nothing and clears no debt.
 */
import type { AccountId, Digest } from '@cloister/encoding';

export interface FairSlotsOptions {
  readonly slots: number;
  /** Slots that one owner's work may hold at one time. Fewer than `slots`, so that some are left for the others. */
  readonly slotsPerOwner: number;
  /** The same for one model. Fewer than `slotsPerOwner`, so that some are left for the owner's other models. */
  readonly slotsPerModel: number;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
}

export interface Asker {
  readonly owner: AccountId;
  readonly sender: AccountId;
  readonly model: Digest;
}

/** A slot that is held; given back once. */
export interface Slot {
  release(): void;
}

interface Waiting {
  readonly asker: Asker;
  readonly grant: (slot: Slot | undefined) => void;
}

/** Time used by one party. */
interface Account {
  usedMs: number;
  held: number;
}

interface SenderQueue extends Account {
  readonly waiting: Waiting[];
}

interface OwnerQueue extends Account {
  readonly senders: Map<AccountId, SenderQueue>;
  /** Account of the sender that went last. */
  lastMs: number;
}

/**
 * The number of accounts that are remembered of askers that are away. Beyond it those who owe least are forgotten. At
 * worst a party with that many accounts goes sooner than it should, once for each account.
 */
export const ACCOUNTS_MAX = 1_024;
/** The least that a run counts, so that runs that are too short to measure take turns too. */
const RUN_MS_LEAST = 1;

export class FairSlots {
  readonly #options: FairSlotsOptions;
  readonly #owners = new Map<AccountId, OwnerQueue>();
  readonly #heldByModel = new Map<Digest, number>();
  #held = 0;
  #waiting = 0;
  #lastMs = 0;
  #stopped = false;

  constructor(options: FairSlotsOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Accounts that are remembered of those who neither wait nor hold a slot. */
  get remembered(): number {
    return [...this.#owners.values()].reduce(
      (sum, owner) => sum + [...owner.senders.values()].filter(isAway).length,
      0,
    );
  }

  /** Resolves with a slot when it is this asker's turn, or with undefined when all stops. */
  acquire(asker: Asker): Promise<Slot | undefined> {
    if (this.#stopped) return Promise.resolve(undefined);
    return new Promise((grant) => {
      this.#waiting++;
      this.#senderOf(asker).waiting.push({ asker, grant });
      this.#fill();
    });
  }

  /** Tells all that wait that there is no slot. */
  stop(): void {
    this.#stopped = true;
    for (const { senders } of this.#owners.values()) {
      for (const { waiting } of senders.values()) for (const { grant } of waiting.splice(0)) grant(undefined);
    }
    this.#waiting = 0;
  }

  #senderOf({ owner, sender }: Asker): SenderQueue {
    let queue = this.#owners.get(owner);
    if (queue === undefined) {
      queue = { usedMs: this.#lastMs, held: 0, senders: new Map(), lastMs: 0 };
      this.#owners.set(owner, queue);
    }
    let own = queue.senders.get(sender);
    if (own === undefined) {
      own = { usedMs: queue.lastMs, held: 0, waiting: [] };
      queue.senders.set(sender, own);
    }
    return own;
  }

  #fill(): void {
    while (this.#held < this.#options.slots) {
      const next = this.#next();
      if (next === undefined) return;
      this.#grant(next);
    }
  }

  /** The first request that may have a slot, of the sender with the lowest account, of the owner with the lowest. */
  #next(): Waiting | undefined {
    for (const [, owner] of byUse(this.#owners)) {
      if (owner.held >= this.#options.slotsPerOwner) continue;
      for (const [, { waiting }] of byUse(owner.senders)) {
        const at = waiting.findIndex(({ asker }) => this.#heldOf(asker.model) < this.#options.slotsPerModel);
        const [next] = at < 0 ? [] : waiting.splice(at, 1);
        if (next !== undefined) return next;
      }
    }
    return undefined;
  }

  #heldOf(model: Digest): number {
    return this.#heldByModel.get(model) ?? 0;
  }

  #grant({ asker, grant }: Waiting): void {
    const owner = this.#owners.get(asker.owner);
    const sender = owner?.senders.get(asker.sender);
    if (owner === undefined || sender === undefined) return;
    this.#waiting--;
    this.#held++;
    owner.held++;
    sender.held++;
    this.#heldByModel.set(asker.model, this.#heldOf(asker.model) + 1);
    this.#lastMs = Math.max(this.#lastMs, owner.usedMs);
    owner.lastMs = Math.max(owner.lastMs, sender.usedMs);
    const startedMs = this.#options.nowMs();
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      const costMs = Math.max(RUN_MS_LEAST, this.#options.nowMs() - startedMs);
      this.#held--;
      for (const account of [owner, sender]) {
        account.held--;
        account.usedMs += costMs;
      }
      const left = this.#heldOf(asker.model) - 1;
      if (left > 0) this.#heldByModel.set(asker.model, left);
      else this.#heldByModel.delete(asker.model);
      this.#forgetSettled();
      this.#fill();
    };
    grant({ release });
  }

  /** Accounts of those who are away are kept only as long as they still owe something, and only so many. */
  #forgetSettled(): void {
    const owing: { readonly debtMs: number; readonly forget: () => void }[] = [];
    for (const [id, owner] of this.#owners) {
      for (const [sender, own] of owner.senders) {
        if (!isAway(own)) continue;
        const debtMs = own.usedMs - owner.lastMs;
        const forget = (): void => void owner.senders.delete(sender);
        if (debtMs <= 0) forget();
        else owing.push({ debtMs, forget });
      }
      if (owner.held > 0 || owner.senders.size > 0) continue;
      const debtMs = owner.usedMs - this.#lastMs;
      const forget = (): void => void this.#owners.delete(id);
      if (debtMs <= 0) forget();
      else owing.push({ debtMs, forget });
    }
    if (owing.length <= ACCOUNTS_MAX) return;
    owing.sort((a, b) => a.debtMs - b.debtMs);
    for (const { forget } of owing.slice(0, owing.length - ACCOUNTS_MAX)) forget();
  }
}

function isAway({ held, waiting }: SenderQueue): boolean {
  return held === 0 && waiting.length === 0;
}

function byUse<K, A extends Account>(accounts: ReadonlyMap<K, A>): readonly (readonly [K, A])[] {
  return [...accounts].sort(([, a], [, b]) => a.usedMs - b.usedMs || a.held - b.held);
}
