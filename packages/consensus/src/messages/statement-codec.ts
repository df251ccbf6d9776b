/**
 * Wire form of one signed statement, as votes and evidence carry it.
 */
import type { ByteReader, ByteWriter, Epoch, ValidatorId, View } from '@cloister/encoding';
import { kindByte, kindOfByte, readProposition, writeProposition } from './signed-bytes.ts';
import type { SignedStatement } from './types.ts';

export function writeSignedStatement(writer: ByteWriter, signed: SignedStatement): void {
  writer.u8(kindByte(signed.kind)).u64(signed.epoch).u64(signed.view);
  if (signed.kind !== 'nullify') writeProposition(writer, signed.proposition);
  writer.account(signed.signer).fixed(signed.signature);
}

export function readSignedStatement(reader: ByteReader): SignedStatement {
  const kind = kindOfByte(reader.u8());
  const epoch = reader.u64() as Epoch;
  const view = reader.u64() as View;
  const proposition = kind === 'nullify' ? undefined : readProposition(reader, epoch, view);
  const signer = reader.account() as ValidatorId;
  const signature = reader.fixed(64);
  if (kind === 'nullify' || proposition === undefined) return { kind: 'nullify', epoch, view, signer, signature };
  return { kind, epoch, view, proposition, signer, signature };
}
