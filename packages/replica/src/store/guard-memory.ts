/**
 * Finds out whether the sign guard's database still knows all that its key signed.
 *
 * Two small records say so. The *mark* in the guard's database names the key that was made together with it, so that an
 * empty guard of a new key is told from a guard that was lost. The *witness* in the chain database names the newest
 * guard record that was synced. LevelDB drops the end of a damaged log file in silence, so without a witness a flipped
 * byte in the last record would look like a write that never happened.
 */
import { compareRounds, type GuardState, type Round } from '@cloister/consensus';
import { hash } from '@cloister/crypto';
import { ByteWriter, type Digest, decodeWith, type Epoch, type ValidatorId, type View } from '@cloister/encoding';
import { type OrderedStore, type StoreOp, withChecksum, withoutChecksum } from '@cloister/event-log';
import { GUARD_MARK_KEY, GUARD_RANGE, GUARD_WITNESS_KEY, roundOfGuardKey } from './chain-keys.ts';

const KEY_BYTES_MAX = 64;

/** `whole`: made with this key, or holding records of it. `none`: nothing of this key; its earlier signatures are unknown. */
export type GuardMemory = 'whole' | 'none';

export interface GuardMark {
  readonly validator: ValidatorId;
  /** Nothing is signed in this round or below. */
  readonly floor: Round;
}

/** For the guard of a key that is made now, or of one whose operator vouches that it signed nothing above `floor`. */
export function guardMarkOp({ validator, floor }: GuardMark): StoreOp {
  const value = new ByteWriter(64).account(validator).u64(floor.epoch).u64(floor.view).finish();
  return { type: 'put', key: GUARD_MARK_KEY, value: withChecksum(value) };
}

export async function readGuardMark(guard: OrderedStore): Promise<GuardMark | 'damaged' | undefined> {
  const stored = await guard.get(GUARD_MARK_KEY);
  if (stored === undefined) return undefined;
  const content = withoutChecksum(stored);
  if (content === undefined) return 'damaged';
  const mark = decodeWith(content, (reader) => ({
    validator: reader.account() as ValidatorId,
    floor: { epoch: reader.u64() as Epoch, view: reader.u64() as View },
  }));
  return mark.ok ? mark.value : 'damaged';
}

/** The write that makes the chain database remember the last of these synced guard writes; undefined when none is a record. */
export function guardWitnessOp(guard: readonly StoreOp[]): StoreOp | undefined {
  const [family] = GUARD_RANGE.gte ?? [];
  const last = guard.findLast((op) => op.type === 'put' && op.key[0] === family);
  if (last?.type !== 'put') return undefined;
  const value = new ByteWriter(64).var(last.key).digest(digestOf(last.value)).finish();
  return { type: 'put', key: GUARD_WITNESS_KEY, value: withChecksum(value) };
}

function digestOf(record: Uint8Array): Digest {
  return hash('cloister/guard-witness/v1', record);
}

/**
 * What is wrong when a guard that holds something lacks the record that the chain database saw synced; undefined when
 * nothing is. A record at or below the floor was pruned lawfully.
 */
export async function guardFault(chain: OrderedStore, guard: OrderedStore, floor: Round): Promise<string | undefined> {
  const stored = await chain.get(GUARD_WITNESS_KEY);
  const content = stored === undefined ? undefined : withoutChecksum(stored);
  if (content === undefined) return undefined;
  const witness = decodeWith(content, (reader) => ({ key: reader.var(KEY_BYTES_MAX), digest: reader.digest() }));
  if (!witness.ok) return undefined;
  const { key, digest } = witness.value;
  const round = roundOfGuardKey(key);
  if (compareRounds(round, floor) <= 0) return undefined;
  const record = await guard.get(key);
  if (record !== undefined && digestOf(record) === digest) return undefined;
  const what = record === undefined ? 'is missing' : 'is not the one that was written';
  return `a record of epoch ${round.epoch}, view ${round.view} was synced and ${what}`;
}

/** The newest round that the guard has a record or a floor of. */
export function rememberedRound({ records, floor }: GuardState): Round {
  return records.reduce<Round>((newest, { signed }) => (compareRounds(signed, newest) > 0 ? signed : newest), floor);
}
