/**
 * The stored form of the sign guard's records, and how a `GuardState` is read from a database.
 *
 * A record holds the signed bytes themselves and ends in a checksum. A damaged or contradictory record stops the node,
 * since a validator that does not know what it signed must not sign.
 */

import { hashBytes } from '@cloister/crypto';
import {
  type ByteReader,
  ByteWriter,
  DecodeError,
  type Digest,
  decodeWith,
  type Epoch,
  equalBytes,
  fail,
  ok,
  type Result,
  type ValidatorId,
  type View,
} from '@cloister/encoding';
import {
  readCertificate,
  readJustification,
  readOptional,
  writeCertificate,
  writeJustification,
  writeOptional,
} from '../messages/block-codec.ts';
import { kindByte, parseStatementBytes, statementBytes } from '../messages/signed-bytes.ts';
import type { Certificate, Round, SignedStatement } from '../messages/types.ts';
import {
  compareRounds,
  emptyGuard,
  type GuardHead,
  type GuardRecord,
  type GuardState,
  illegalSignature,
  type OwnVotes,
} from './sign-guard.ts';

const RECORD_VERSION = 1;
const CHECKSUM_BYTES = 8;
const MAX_STATEMENT_BYTES = 256;
const MAX_CERTIFICATES = 8;

function checksum(bytes: Uint8Array): Uint8Array {
  return hashBytes('cloister/guard-record/v1', bytes).subarray(0, CHECKSUM_BYTES);
}

function keyOf(epoch: number, view: number, kind: number): Uint8Array {
  return new ByteWriter(17).u64(epoch).u64(view).u8(kind).finish();
}

/** epoch u64 ‖ view u64 ‖ kind u8: sorts by round. */
export function guardRecordKey(record: GuardRecord): Uint8Array {
  return keyOf(record.signed.epoch, record.signed.view, kindByte(record.signed.kind));
}

/** The first key above a floor; keys below it may be deleted in the batch that stores a record with that floor. */
export function guardFloorKey(floor: Round): Uint8Array {
  return keyOf(floor.epoch, floor.view + 1, 0);
}

export function encodeGuardRecord(chainId: Digest, record: GuardRecord): Uint8Array {
  const writer = new ByteWriter(1024);
  writer.u8(RECORD_VERSION).var(statementBytes(chainId, record.signed)).account(record.signed.signer);
  writer.fixed(record.signed.signature);
  writer.u8(record.certificates.length);
  for (const certificate of record.certificates) writeCertificate(writer, certificate);
  writeOptional(writer, record.justification, (justification) => writeJustification(writer, justification));
  writer.u64(record.head.count).digest(record.head.hash).u64(record.floor.epoch).u64(record.floor.view);
  const bytes = writer.finish();
  return new ByteWriter(bytes.length + CHECKSUM_BYTES).fixed(bytes).fixed(checksum(bytes)).finish();
}

interface ReadRecord {
  readonly chainId: Digest;
  readonly record: GuardRecord;
}

function readRecord(reader: ByteReader): ReadRecord {
  if (reader.u8() !== RECORD_VERSION) throw new DecodeError('unknown record version');
  const parsed = parseStatementBytes(reader.var(MAX_STATEMENT_BYTES));
  if (!parsed.ok) throw new DecodeError(parsed.detail ?? parsed.code);
  const signer = reader.account() as ValidatorId;
  const signed: SignedStatement = { ...parsed.value.statement, signer, signature: reader.fixed(64) };
  const count = reader.u8();
  if (count > MAX_CERTIFICATES) throw new DecodeError('too many certificates');
  const certificates: Certificate[] = [];
  for (let index = 0; index < count; index++) certificates.push(readCertificate(reader));
  const justification = readOptional(reader, readJustification);
  const head: GuardHead = { count: reader.u64(), hash: reader.digest() };
  const floor: Round = { epoch: reader.u64() as Epoch, view: reader.u64() as View };
  return { chainId: parsed.value.chainId, record: { signed, certificates, justification, head, floor } };
}

export type GuardRecordCode = 'GUARD_CHECKSUM' | 'GUARD_MALFORMED' | 'GUARD_FOREIGN_CHAIN';

export function decodeGuardRecord(chainId: Digest, bytes: Uint8Array): Result<GuardRecord, GuardRecordCode> {
  if (bytes.length < CHECKSUM_BYTES) return fail('GUARD_CHECKSUM', 'record too short');
  const content = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
  if (!equalBytes(checksum(content), bytes.subarray(content.length))) return fail('GUARD_CHECKSUM');
  const read = decodeWith(content, readRecord);
  if (!read.ok) return fail('GUARD_MALFORMED', read.detail);
  if (read.value.chainId !== chainId) return fail('GUARD_FOREIGN_CHAIN', `record of chain ${read.value.chainId}`);
  return ok(read.value.record);
}

/**
 * The guard's state from all stored values, in any order. 'GUARD_CONFLICT': the records contradict each other, which
 * this guard never writes.
 */
export function recoverGuard(
  chainId: Digest,
  stored: Iterable<Uint8Array>,
): Result<GuardState, GuardRecordCode | 'GUARD_CONFLICT'> {
  const records: GuardRecord[] = [];
  let { floor, head } = emptyGuard(chainId);
  for (const bytes of stored) {
    const decoded = decodeGuardRecord(chainId, bytes);
    if (!decoded.ok) return decoded;
    const record = decoded.value;
    records.push(record);
    if (compareRounds(record.floor, floor) > 0) floor = record.floor;
    if (record.head.count > head.count) head = record.head;
  }
  // In the order in which a round's statements may be signed, so that a legal history replays without refusal.
  records.sort((a, b) => compareRounds(a.signed, b.signed) || order(a) - order(b));
  const kept = records.filter((record) => compareRounds(record.signed, floor) > 0);
  let own: OwnVotes = {};
  let round: Round = floor;
  for (const { signed } of kept) {
    if (compareRounds(signed, round) !== 0) own = {};
    round = signed;
    const refusal = illegalSignature(own, signed);
    if (refusal !== undefined) return fail('GUARD_CONFLICT', `${refusal} in ${signed.epoch}/${signed.view}`);
    own = { ...own, [signed.kind]: signed };
  }
  return ok({ records: kept, floor, head });
}

function order(record: GuardRecord): number {
  return ['propose', 'notarize', 'finalize', 'nullify'].indexOf(record.signed.kind);
}
