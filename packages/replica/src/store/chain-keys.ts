/**
 * Where a replica keeps blocks, batches and certificates in the chain database, and its sign guard in the other.
 *
 * The first byte of a key is its family; 0 belongs to the event log in both databases. Blocks and batches lie under
 * their hash, which is their checksum; records carry one.
 */

import { type GuardRecord, guardRecordKey, type Round } from '@cloister/consensus';
import { asDigest, asEpoch, asView, ByteWriter, type Digest, type Height, toHex } from '@cloister/encoding';
import type { StoreRange } from '@cloister/event-log';

const FAMILIES = {
  /** Block hash → header and body, finalized or not. */
  block: 0x62,
  /** Batch id → wire form. */
  batch: 0x74,
  /** Height → record of the executed block. */
  executed: 0x68,
  /** Height → finalization of the block at that height, where it was the last of a commit. */
  finalization: 0x66,
  /** Block hash → height, of blocks stored and not final: what a restart hands to consensus. */
  open: 0x6f,
  /** In the guard's database: round and kind → signed record. */
  guard: 0x67,
  /** In the guard's database: whose it is, see guard-memory.ts. */
  mark: 0x6d,
  /** In the chain database: the newest synced record of the guard. */
  witness: 0x77,
} as const;
type Family = keyof typeof FAMILIES;

function keyOfDigest(family: Family, digest: Digest): Uint8Array {
  return new ByteWriter(33).u8(FAMILIES[family]).digest(digest).finish();
}
function keyOfNumber(family: Family, number: number): Uint8Array {
  return new ByteWriter(9).u8(FAMILIES[family]).u64(number).finish();
}
function rangeOf(family: Family): StoreRange {
  return { gte: Uint8Array.of(FAMILIES[family]), lt: Uint8Array.of(FAMILIES[family] + 1) };
}

export function blockKey(hash: Digest): Uint8Array {
  return keyOfDigest('block', hash);
}
export function batchKey(id: Digest): Uint8Array {
  return keyOfDigest('batch', id);
}
export function executedKey(height: number): Uint8Array {
  return keyOfNumber('executed', height);
}
export function finalizationKey(height: number): Uint8Array {
  return keyOfNumber('finalization', height);
}
export function openKey(hash: Digest): Uint8Array {
  return keyOfDigest('open', hash);
}

/** A certificate at `height` or above, the lowest first. */
export function finalizationsFrom(height: number): StoreRange {
  return { gte: finalizationKey(height), lt: rangeOf('finalization').lt };
}
/** A certificate at `height` or below. */
export function finalizationsUpTo(height: number): StoreRange {
  return { gte: rangeOf('finalization').gte, lt: finalizationKey(height + 1) };
}
export const EXECUTED_RANGE: StoreRange = rangeOf('executed');
export const FINALIZATION_RANGE: StoreRange = rangeOf('finalization');
export const OPEN_RANGE: StoreRange = rangeOf('open');
export const GUARD_RANGE: StoreRange = rangeOf('guard');
export const GUARD_MARK_KEY: Uint8Array = Uint8Array.of(FAMILIES.mark);
export const GUARD_WITNESS_KEY: Uint8Array = Uint8Array.of(FAMILIES.witness);

/** The block hash in an `openKey`. */
export function hashOfOpenKey(key: Uint8Array): Digest {
  return asDigest(toHex(key.subarray(1)));
}
/** The height in a `finalizationKey` or `executedKey`. */
export function heightOfKey(key: Uint8Array): Height {
  return numberAt(key, 1) as Height;
}
function numberAt(key: Uint8Array, at: number): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}

/** The round in a `guardKey`. */
export function roundOfGuardKey(key: Uint8Array): Round {
  return { epoch: asEpoch(numberAt(key, 1)), view: asView(numberAt(key, 9)) };
}

/** `guardRecordKey` within the guard's family; sorts by round. */
export function guardKey(record: GuardRecord): Uint8Array {
  return guardKeyOf(guardRecordKey(record));
}
/** A key of consensus' sign guard within its family. */
export function guardKeyOf(key: Uint8Array): Uint8Array {
  return new ByteWriter(1 + key.length).u8(FAMILIES.guard).fixed(key).finish();
}
