/**
 * The bytes that are signed: fixed width, big-endian, injective.
 *
 *     "CLOISTER/SIMPLEX/1\0" ‖ kind u8 ‖ chainId 32 ‖ epoch u64 ‖ view u64 ‖ body
 *
 * Kinds: 1 propose, 2 notarize, 4 finalize, whose body is parentView u64 ‖ blockHash 32 ‖ justificationHash 32; 3 nullify,
 * whose body is empty.
 */
import {
  type ByteReader,
  ByteWriter,
  DecodeError,
  type Digest,
  decodeWith,
  type Epoch,
  equalBytes,
  type Result,
  utf8,
  type View,
} from '@cloister/encoding';
import type { Proposition, Statement, StatementKind } from './types.ts';

const PREFIX = utf8('CLOISTER/SIMPLEX/1\0');
const KIND_BYTES: Readonly<Record<StatementKind, number>> = { propose: 1, notarize: 2, nullify: 3, finalize: 4 };

export function kindByte(kind: StatementKind): number {
  return KIND_BYTES[kind];
}

/** Throws `DecodeError` for an unknown byte. */
export function kindOfByte(byte: number): StatementKind {
  for (const kind of ['propose', 'notarize', 'nullify', 'finalize'] as const) {
    if (KIND_BYTES[kind] === byte) return kind;
  }
  throw new DecodeError(`statement kind ${byte}`);
}

/** The body of a statement; of nullify, nothing. */
export function writeProposition(writer: ByteWriter, proposition: Proposition): void {
  writer.u64(proposition.parentView).digest(proposition.blockHash).digest(proposition.justificationHash);
}

export function readProposition(reader: ByteReader, epoch: Epoch, view: View): Proposition {
  return {
    epoch,
    view,
    parentView: reader.u64() as View,
    blockHash: reader.digest(),
    justificationHash: reader.digest(),
  };
}

/** The bytes under a signature. */
export function statementBytes(chainId: Digest, statement: Statement): Uint8Array {
  const writer = new ByteWriter(PREFIX.length + 1 + 32 + 16 + 72);
  writer.fixed(PREFIX).u8(kindByte(statement.kind)).digest(chainId).u64(statement.epoch).u64(statement.view);
  if (statement.kind !== 'nullify') writeProposition(writer, statement.proposition);
  return writer.finish();
}

/** The inverse of `statementBytes`. */
export function parseStatementBytes(
  bytes: Uint8Array,
): Result<{ readonly chainId: Digest; readonly statement: Statement }, 'MALFORMED'> {
  return decodeWith(bytes, (reader) => {
    if (!equalBytes(reader.fixed(PREFIX.length), PREFIX)) throw new DecodeError('not a statement of this protocol');
    const kind = kindOfByte(reader.u8());
    const chainId = reader.digest();
    const epoch = reader.u64() as Epoch;
    const view = reader.u64() as View;
    if (kind === 'nullify') return { chainId, statement: { kind, epoch, view } };
    return { chainId, statement: { kind, epoch, view, proposition: readProposition(reader, epoch, view) } };
  });
}

/** Whether two propositions are the same in every field. */
export function sameProposition(a: Proposition, b: Proposition): boolean {
  return (
    a.blockHash === b.blockHash &&
    a.justificationHash === b.justificationHash &&
    a.parentView === b.parentView &&
    a.view === b.view &&
    a.epoch === b.epoch
  );
}

/** Whether two statements say the same. */
export function sameStatement(a: Statement, b: Statement): boolean {
  if (a.kind === 'nullify' || b.kind === 'nullify')
    return a.kind === b.kind && a.epoch === b.epoch && a.view === b.view;
  return a.kind === b.kind && sameProposition(a.proposition, b.proposition);
}

/** A statement without whatever else the object carries. */
export function statementOf(carrier: Statement): Statement {
  if (carrier.kind === 'nullify') return { kind: 'nullify', epoch: carrier.epoch, view: carrier.view };
  return { kind: carrier.kind, epoch: carrier.epoch, view: carrier.view, proposition: carrier.proposition };
}
