/**
 * Canonical bytes of statements' carriers and blocks: propositions, certificates, justifications, headers, bodies.
 *
 * Readers are strict and bounded and throw `DecodeError` only. The number of signatures is the number of set bits, and
 * an empty bitmap is a bare certificate, so each value has one encoding.
 */

import { hash } from '@cloister/crypto';
import {
  type ByteReader,
  ByteWriter,
  DecodeError,
  type Digest,
  decodeWith,
  type Epoch,
  type Height,
  type Result,
  type ValidatorId,
  type View,
} from '@cloister/encoding';
import { bitmapLength } from '../certificates/certificate.ts';
import { MAX_BATCHES_PER_BLOCK, MAX_EVIDENCE_BYTES, MAX_EVIDENCE_PER_BLOCK, MAX_VALIDATORS } from './limits.ts';
import { kindByte, kindOfByte, readProposition, writeProposition } from './signed-bytes.ts';
import type { Block, Body, Certificate, Finalization, Header, Justification, Nullification } from './types.ts';

const SIGNATURE_BYTES = 64;
/** The only header version so far. */
export const HEADER_VERSION = 1;

function popCount(bytes: Uint8Array): number {
  let count = 0;
  for (let byte of bytes) for (; byte !== 0; byte &= byte - 1) count += 1;
  return count;
}

function writeSignatures(writer: ByteWriter, certificate: Certificate): void {
  writer.u8(certificate.bitmap.length).fixed(certificate.bitmap);
  for (const signature of certificate.signatures) writer.fixed(signature);
}

function readSignatures(reader: ByteReader): { bitmap: Uint8Array; signatures: Uint8Array[] } {
  const length = reader.u8();
  if (length > bitmapLength(MAX_VALIDATORS)) throw new DecodeError('bitmap too long');
  const bitmap = reader.fixed(length);
  const count = popCount(bitmap);
  if (length > 0 && count === 0) throw new DecodeError('certificate without signers');
  const signatures: Uint8Array[] = [];
  for (let index = 0; index < count; index++) signatures.push(reader.fixed(SIGNATURE_BYTES));
  return { bitmap, signatures };
}

/** The certificate must hold as many signatures, of 64 bytes each, as its bitmap has bits: ours always do. */
export function writeCertificate(writer: ByteWriter, certificate: Certificate): void {
  writer.u8(kindByte(certificate.kind)).u64(certificate.epoch).u64(certificate.view);
  if (certificate.kind !== 'nullify') writeProposition(writer, certificate.proposition);
  writeSignatures(writer, certificate);
}

export function readCertificate(reader: ByteReader): Certificate {
  const kind = kindOfByte(reader.u8());
  const epoch = reader.u64() as Epoch;
  const view = reader.u64() as View;
  if (kind === 'propose') throw new DecodeError('no such certificate');
  if (kind === 'nullify') return { type: 'certificate', kind, epoch, view, ...readSignatures(reader) };
  const proposition = readProposition(reader, epoch, view);
  if (kind === 'notarize') return { type: 'certificate', kind, epoch, view, proposition, ...readSignatures(reader) };
  return { type: 'certificate', kind, epoch, view, proposition, ...readSignatures(reader) };
}

export function readFinalization(reader: ByteReader): Finalization {
  const certificate = readCertificate(reader);
  if (certificate.kind !== 'finalize') throw new DecodeError('not a finalization');
  return certificate;
}

/** A certificate alone, for stores and for headers' proofs. */
export function encodeCertificate(certificate: Certificate): Uint8Array {
  const writer = new ByteWriter(512);
  writeCertificate(writer, certificate);
  return writer.finish();
}

export function decodeCertificate(bytes: Uint8Array): Result<Certificate, 'MALFORMED'> {
  return decodeWith(bytes, readCertificate);
}

export function writeOptional<T>(writer: ByteWriter, value: T | undefined, write: (value: T) => void): void {
  writer.u8(value === undefined ? 0 : 1);
  if (value !== undefined) write(value);
}

export function readOptional<T>(reader: ByteReader, read: (reader: ByteReader) => T): T | undefined {
  const present = reader.u8();
  if (present > 1) throw new DecodeError('flag is neither 0 nor 1');
  return present === 1 ? read(reader) : undefined;
}

export function writeJustification(writer: ByteWriter, justification: Justification): void {
  writeOptional(writer, justification.parentCert, (certificate) => writeCertificate(writer, certificate));
  writer.u32(justification.nullifications.length);
  for (const nullification of justification.nullifications) {
    writer.u64(nullification.epoch).u64(nullification.view);
    writeSignatures(writer, nullification);
  }
}

export function readJustification(reader: ByteReader): Justification {
  const parentCert = readOptional(reader, readCertificate);
  if (parentCert?.kind === 'nullify') throw new DecodeError('a nullification is no parent');
  const count = reader.u32();
  const nullifications: Nullification[] = [];
  // Each takes bytes of the frame, so `count` needs no bound of its own.
  for (let index = 0; index < count; index++) {
    const epoch = reader.u64() as Epoch;
    const view = reader.u64() as View;
    nullifications.push({ type: 'certificate', kind: 'nullify', epoch, view, ...readSignatures(reader) });
  }
  return { parentCert, nullifications };
}

export function writeHeader(writer: ByteWriter, header: Header): void {
  writer
    .u16(header.version)
    .digest(header.chainId)
    .u64(header.epoch)
    .u64(header.view)
    .u64(header.height)
    .digest(header.parentHash)
    .account(header.proposer)
    .u64(header.timestampMs)
    .digest(header.bodyHash)
    .digest(header.validatorsHash)
    .digest(header.nextValidatorsHash)
    .digest(header.paramsHash)
    .u64(header.lastFinal.height)
    .digest(header.lastFinal.hash)
    .digest(header.lastFinal.eventRoot)
    .u64(header.lastFinal.eventCount)
    .digest(header.lastFinal.factsRoot);
}

export function readHeader(reader: ByteReader): Header {
  const version = reader.u16();
  if (version !== HEADER_VERSION) throw new DecodeError(`header version ${version}`);
  return {
    version,
    chainId: reader.digest(),
    epoch: reader.u64() as Epoch,
    view: reader.u64() as View,
    height: reader.u64() as Height,
    parentHash: reader.digest(),
    proposer: reader.account() as ValidatorId,
    timestampMs: reader.u64(),
    bodyHash: reader.digest(),
    validatorsHash: reader.digest(),
    nextValidatorsHash: reader.digest(),
    paramsHash: reader.digest(),
    lastFinal: {
      height: reader.u64() as Height,
      hash: reader.digest(),
      eventRoot: reader.digest(),
      eventCount: reader.u64(),
      factsRoot: reader.digest(),
    },
  };
}

export function encodeHeader(header: Header): Uint8Array {
  const writer = new ByteWriter(512);
  writeHeader(writer, header);
  return writer.finish();
}

export function decodeHeader(bytes: Uint8Array): Result<Header, 'MALFORMED'> {
  return decodeWith(bytes, readHeader);
}

const HEADER_DOMAIN = 'cloister/header/v1';
const BODY_DOMAIN = 'cloister/body/v1';

/** Hash of a block is the hash of its header; the header commits to the body. */
export function blockHashOf(header: Header): Digest {
  return hash(HEADER_DOMAIN, encodeHeader(header));
}

export function writeBody(writer: ByteWriter, body: Body): void {
  writer.u32(body.batches.length);
  for (const batch of body.batches) writer.digest(batch);
  writer.u32(body.evidence.length);
  for (const evidence of body.evidence) writer.var(evidence);
  writeOptional(writer, body.lastFinalCert, (certificate) => writeCertificate(writer, certificate));
}

function readBatchIds(reader: ByteReader): Digest[] {
  const count = reader.u32();
  if (count > MAX_BATCHES_PER_BLOCK) throw new DecodeError('too many batches');
  const batches: Digest[] = [];
  for (let index = 0; index < count; index++) batches.push(reader.digest());
  return batches;
}

export function readBody(reader: ByteReader): Body {
  const batches = readBatchIds(reader);
  const evidenceCount = reader.u32();
  if (evidenceCount > MAX_EVIDENCE_PER_BLOCK) throw new DecodeError('too many evidence records');
  const evidence: Uint8Array[] = [];
  for (let index = 0; index < evidenceCount; index++) evidence.push(reader.var(MAX_EVIDENCE_BYTES));
  return { batches, evidence, lastFinalCert: readOptional(reader, readFinalization) };
}

export function encodeBody(body: Body): Uint8Array {
  const writer = new ByteWriter(512 + 32 * body.batches.length);
  writeBody(writer, body);
  return writer.finish();
}

export function decodeBody(bytes: Uint8Array): Result<Body, 'MALFORMED'> {
  return decodeWith(bytes, readBody);
}

/** A block whose header and body stay encoded, with what leads on from it. */
export interface EncodedBlock {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  readonly batches: readonly Digest[];
}

/**
 * The block of this hash in its encoded parts. Undefined when they are not of this hash: a value has one encoding, so the
 * hash of the bytes is the hash of the block. Of the body no more than the batches is read, of evidence and certificate nothing.
 */
export function encodedBlockOf(blockHash: Digest, header: Uint8Array, body: Uint8Array): EncodedBlock | undefined {
  if (hash(HEADER_DOMAIN, header) !== blockHash) return undefined;
  const decoded = decodeHeader(header);
  if (!decoded.ok || hash(BODY_DOMAIN, body) !== decoded.value.bodyHash) return undefined;
  const batches = decodeWith(body, (reader) => {
    const ids = readBatchIds(reader);
    reader.fixed(reader.remaining);
    return ids;
  });
  return batches.ok ? { header, body, batches: batches.value } : undefined;
}

/** What a header's bodyHash is. */
export function bodyHashOf(body: Body): Digest {
  return hash(BODY_DOMAIN, encodeBody(body));
}

/** A block of a header and its body, or undefined when the header does not commit to the body. */
export function blockOf(header: Header, body: Body): Block | undefined {
  return bodyHashOf(body) === header.bodyHash ? { hash: blockHashOf(header), header, body } : undefined;
}
