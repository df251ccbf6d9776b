/** What each account has on this disk: counted when room is taken and when it is given up. */
import type { AccountId } from '@cloister/encoding';

export interface Usage {
  readonly bytes: number;
  readonly count: number;
}

const NOTHING: Usage = { bytes: 0, count: 0 };

/** Blobs that this node made or fetched itself count for no account. */
export class BlobUsage {
  readonly #usage = new Map<AccountId, Usage>();

  of(account: AccountId | undefined): Usage {
    return (account === undefined ? undefined : this.#usage.get(account)) ?? NOTHING;
  }

  charge(account: AccountId | undefined, bytes: number, count: number): void {
    if (account === undefined) return;
    const usage = this.of(account);
    const sum = { bytes: usage.bytes + bytes, count: usage.count + count };
    if (sum.count > 0) this.#usage.set(account, sum);
    else this.#usage.delete(account);
  }
}
