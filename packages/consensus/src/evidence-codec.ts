/**
 * Encoding of evidence: a type byte, then both signed statements, or the vote with the header and the justification.
 */
import { type ByteReader, ByteWriter, DecodeError, decodeWith, fail, type Result } from '@cloister/crypto';
import { readHeader, readJustification, writeHeader, writeJustification } from './block-codec.ts';
import { MAX_EVIDENCE_BYTES } from './limits.ts';
import { readSignedStatement, writeSignedStatement } from './message-codec.ts';
import type { Evidence, EvidenceType } from './types.ts';

const TYPES: readonly EvidenceType[] = [
  'double-propose',
  'double-notarize',
  'double-finalize',
  'notarize-finalize',
  'nullify-finalize',
  'bad-justification',
];

export function encodeEvidence(evidence: Evidence): Uint8Array {
  const writer = new ByteWriter(512);
  writer.u8(TYPES.indexOf(evidence.type));
  if (evidence.type === 'bad-justification') {
    writeSignedStatement(writer, evidence.vote);
    writeHeader(writer, evidence.header);
    writeJustification(writer, evidence.justification);
  } else {
    writeSignedStatement(writer, evidence.first);
    writeSignedStatement(writer, evidence.second);
  }
  return writer.finish();
}

function readEvidence(reader: ByteReader): Evidence {
  const type = TYPES[reader.u8()];
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
    justification: readJustification(reader),
  };
}

/** Form only; `verifyEvidence` says whether it holds. */
export function decodeEvidence(bytes: Uint8Array): Result<Evidence, 'MALFORMED' | 'TOO_LARGE'> {
  if (bytes.length > MAX_EVIDENCE_BYTES) return fail('TOO_LARGE');
  return decodeWith(bytes, readEvidence);
}
