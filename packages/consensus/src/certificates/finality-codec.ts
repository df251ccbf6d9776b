/**
 * Encoding of finality proofs: version u8 ‖ header ‖ finalization ‖ u16 count ‖ path headers.
 */
import { type ByteReader, ByteWriter, DecodeError, decodeWith, type Result } from '@cloister/encoding';
import { readFinalization, readHeader, writeCertificate, writeHeader } from '../messages/block-codec.ts';
import { MAX_PROOF_PATH } from '../messages/limits.ts';
import type { FinalityProof, Header } from '../messages/types.ts';

const PROOF_VERSION = 1;

export function encodeFinalityProof(proof: FinalityProof): Uint8Array {
  const writer = new ByteWriter(1024);
  writeFinalityProof(writer, proof);
  return writer.finish();
}

/** For proofs that contain one. */
export function writeFinalityProof(writer: ByteWriter, proof: FinalityProof): void {
  writer.u8(PROOF_VERSION);
  writeHeader(writer, proof.header);
  writeCertificate(writer, proof.certificate);
  writer.u16(proof.path.length);
  for (const header of proof.path) writeHeader(writer, header);
}

export function readFinalityProof(reader: ByteReader): FinalityProof {
  if (reader.u8() !== PROOF_VERSION) throw new DecodeError('unknown proof version');
  const header = readHeader(reader);
  const certificate = readFinalization(reader);
  const count = reader.u16();
  if (count > MAX_PROOF_PATH) throw new DecodeError('path too long');
  const path: Header[] = [];
  for (let index = 0; index < count; index++) path.push(readHeader(reader));
  return { header, certificate, path };
}

/** Form only; `verifyFinality` says whether it proves anything. */
export function decodeFinalityProof(bytes: Uint8Array): Result<FinalityProof, 'MALFORMED'> {
  return decodeWith(bytes, readFinalityProof);
}
