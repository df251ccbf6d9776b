/**
 * What a Byzantine validator does in place of what its replica asked for.
 *
 * The replica beneath is the real one, so that a Byzantine validator keeps up with the others and strikes at the right
 * moment. A hook that a behaviour leaves out does what an honest node does. The same behaviours run in the simulator
 * (wires.ts) and on real processes.
 */
import { type Statement, statementBytes } from '@cloister/consensus';
import type { Ed25519KeyPair, SeededRandom } from '@cloister/crypto';
import type { Digest, ValidatorId } from '@cloister/encoding';

/** What every behaviour is made from. */
export interface ByzantineContext {
  readonly chainId: Digest;
  readonly keyPair: Ed25519KeyPair;
  readonly random: SeededRandom;
  /** Every validator, this one included, in the order of the nodes. */
  readonly validators: readonly ValidatorId[];
  /** Position of this node in `validators`. */
  readonly self: number;
}

/** One frame of consensus for node `to`; it leaves `afterMs` later when that is given. */
export interface Outgoing {
  readonly to: number;
  readonly bytes: Uint8Array;
  readonly afterMs?: number;
}

/** Traffic that no input asked for. `gossip` reaches every node. */
export interface Burst {
  readonly frames: readonly Outgoing[];
  readonly gossip: readonly Uint8Array[];
}

export interface Behaviour {
  /** A frame (`vote`) or a gossiped batch (`batch`) of node `from` reached this node. */
  hear?(from: number, channel: 'consensus' | 'batch', bytes: Uint8Array): void;
  /** What leaves instead of the frame `bytes` to `targets`. */
  send?(targets: readonly number[], bytes: Uint8Array): readonly Outgoing[];
  /** What is gossiped instead of the batch `bytes`. */
  gossip?(bytes: Uint8Array): readonly Uint8Array[];
  /** What answers a sync request instead of `honest`; undefined is silence. */
  serve?(request: Uint8Array, honest: Uint8Array): Uint8Array | undefined;
  /** Asked every `TICK_MS`. */
  tick?(): Burst;
  /** By how many milliseconds the wall clock of the node is wrong; asked every `TICK_MS`. */
  clockOffMs?(): number;
}

export type MakeBehaviour = (context: ByzantineContext) => Behaviour;

/** Milliseconds between two ticks. */
export const TICK_MS = 100;

/** A signature by the Byzantine validator's own key, past any sign guard. */
export function signAs({ keyPair, chainId }: ByzantineContext, statement: Statement): Uint8Array {
  return keyPair.sign(statementBytes(chainId, statement));
}

/** The same bytes to every target. */
export function toAll(targets: readonly number[], bytes: Uint8Array): Outgoing[] {
  return targets.map((to) => ({ to, bytes }));
}

/** Half of the targets see the first, half the second, and the first target sees both. */
export function split(targets: readonly number[], first: Uint8Array, second: Uint8Array): Outgoing[] {
  return targets.flatMap((to, index) => {
    if (index > 0) return [{ to, bytes: index % 2 === 0 ? first : second }];
    return [
      { to, bytes: first },
      { to, bytes: second },
    ];
  });
}

/** A copy with one to four bits flipped. */
export function garble(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let flips = 1 + random.below(4); flips > 0 && copy.length > 0; flips--) {
    const at = random.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
  }
  return copy;
}
