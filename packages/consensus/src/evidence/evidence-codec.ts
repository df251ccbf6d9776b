/**
 * Encoding of evidence: a type byte, then both signed statements, or the vote with the header and the justification's summary.
 */
import {
  type ByteReader,
  ByteWriter,
  DecodeError,
  decodeWith,
  type Epoch,
  fail,
  type Result,
  type View,
} from '@cloister/encoding';
import { readHeader, readOptional, writeHeader, writeOptional } from '../messages/block-codec.ts';
import { MAX_EVIDENCE_BYTES } from '../messages/limits.ts';
import { kindByte, kindOfByte, readProposition, writeProposition } from '../messages/signed-bytes.ts';
import { readSignedStatement, writeSignedStatement } from '../messages/statement-codec.ts';
import type { FaultEvidence, FaultEvidenceType, JustificationSummary } from '../messages/types.ts';

export const EVIDENCE_TYPES: readonly FaultEvidenceType[] = [
  'double-propose',
  'double-notarize',
  'double-finalize',
  'notarize-finalize',
  'nullify-finalize',
  'bad-justification',
];

function writeSummary(writer: ByteWriter, { parent, nullified, nullifiedHash }: JustificationSummary): void {
  writeOptional(writer, parent, ({ kind, epoch, view, proposition }) => {
    writer.u8(kindByte(kind)).u64(epoch).u64(view);
    writeProposition(writer, proposition);
  });
  writer.u32(nullified).digest(nullifiedHash);
}

function readSummary(reader: ByteReader): JustificationSummary {
  const parent = readOptional(reader, (from) => {
    const kind = kindOfByte(from.u8());
    if (kind !== 'notarize' && kind !== 'finalize') throw new DecodeError('not a parent’s statement');
    const [epoch, view] = [from.u64() as Epoch, from.u64() as View];
    return { kind, epoch, view, proposition: readProposition(from, epoch, view) };
  });
  return { parent, nullified: reader.u32(), nullifiedHash: reader.digest() };
}

export function writeFaultEvidence(writer: ByteWriter, evidence: FaultEvidence): void {
  writer.u8(EVIDENCE_TYPES.indexOf(evidence.type));
  if (evidence.type === 'bad-justification') {
    writeSignedStatement(writer, evidence.vote);
    writeHeader(writer, evidence.header);
    writeSummary(writer, evidence.justification);
  } else {
    writeSignedStatement(writer, evidence.first);
    writeSignedStatement(writer, evidence.second);
  }
}

export function encodeFaultEvidence(evidence: FaultEvidence): Uint8Array {
  const writer = new ByteWriter(1024);
  writeFaultEvidence(writer, evidence);
  return writer.finish();
}

export function readFaultEvidence(reader: ByteReader): FaultEvidence {
  const type = EVIDENCE_TYPES[reader.u8()];
  if (type === undefined) throw new DecodeError('unknown evidence type');
  if (type !== 'bad-justification') {
    const first = readSignedStatement(reader);
    return { type, signer: first.signer, first, second: readSignedStatement(reader) };
  }
  const vote = readSignedStatement(reader);
  if (vote.kind !== 'notarize') throw new DecodeError('not a notarize vote');
  const { kind, epoch, view, proposition, signer, signature } = vote;
  return {
    type,
    signer,
    vote: { kind, epoch, view, proposition, signer, signature },
    header: readHeader(reader),
    justification: readSummary(reader),
  };
}

/** Form only; `verifyFaultEvidence` says whether it holds. */
export function decodeFaultEvidence(bytes: Uint8Array): Result<FaultEvidence, 'MALFORMED' | 'TOO_LARGE'> {
  if (bytes.length > MAX_EVIDENCE_BYTES) return fail('TOO_LARGE');
  return decodeWith(bytes, readFaultEvidence);
}
