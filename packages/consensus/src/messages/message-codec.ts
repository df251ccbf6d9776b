/**
 * Wire form of consensus messages: a type byte, then the fields. Strict, bounded, one encoding for each message.
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
import { readFaultEvidence, writeFaultEvidence } from '../evidence/evidence-codec.ts';
import {
  readBody,
  readCertificate,
  readFinalization,
  readHeader,
  readJustification,
  readOptional,
  writeBody,
  writeCertificate,
  writeHeader,
  writeJustification,
  writeOptional,
} from './block-codec.ts';
import { MAX_JUSTIFICATION_BYTES, MAX_PROPOSAL_BYTES, MAX_RECALLED_VOTES, MAX_VOTE_FRAME_BYTES } from './limits.ts';
import { kindOfByte, readProposition, writeProposition } from './signed-bytes.ts';
import { readSignedStatement, writeSignedStatement } from './statement-codec.ts';
import type {
  ConsensusMessage,
  NullifyStatement,
  Proposition,
  PropositionKind,
  PropositionStatement,
  Recall,
  Vote,
} from './types.ts';

export interface MessageLimits {
  /** For proposals and blocks. */
  readonly proposalBytes: number;
  readonly justificationBytes: number;
  /** For everything else. */
  readonly frameBytes: number;
}
export const MESSAGE_LIMITS: MessageLimits = {
  proposalBytes: MAX_PROPOSAL_BYTES,
  justificationBytes: MAX_JUSTIFICATION_BYTES,
  frameBytes: MAX_VOTE_FRAME_BYTES,
};

const TYPE_BYTES: Readonly<Record<ConsensusMessage['type'], number>> = {
  proposal: 1,
  vote: 2,
  certificate: 3,
  status: 4,
  'cert-request': 5,
  'block-request': 6,
  block: 7,
  'recall-request': 8,
  recall: 9,
  evidence: 10,
};

export function encodeMessage(message: ConsensusMessage): Uint8Array {
  const writer = new ByteWriter(512);
  writer.u8(TYPE_BYTES[message.type]);
  switch (message.type) {
    case 'proposal':
      writer.u64(message.proposition.epoch).u64(message.proposition.view);
      writeProposition(writer, message.proposition);
      writeHeader(writer, message.header);
      writeBody(writer, message.body);
      writeJustification(writer, message.justification);
      writer.fixed(message.signature);
      break;
    case 'vote':
      writeSignedStatement(writer, message);
      break;
    case 'certificate':
      writeCertificate(writer, message);
      break;
    case 'status':
      writer.u64(message.epoch).u64(message.view);
      writeOptional(writer, message.finalization, (certificate) => writeCertificate(writer, certificate));
      break;
    case 'cert-request':
      writer.u64(message.epoch).u64(message.fromView).u64(message.toView);
      break;
    case 'block-request':
      writer.digest(message.hash);
      break;
    case 'block':
      writeHeader(writer, message.header);
      writeBody(writer, message.body);
      break;
    case 'recall-request':
      writer.u64(message.nonce);
      break;
    case 'recall':
      writer.u64(message.nonce).u64(message.epoch).u64(message.view);
      writeOptional(writer, message.certificate, (certificate) => writeCertificate(writer, certificate));
      writer.u8(message.votes.length);
      for (const vote of message.votes) writeSignedStatement(writer, vote);
      break;
    case 'evidence':
      writeFaultEvidence(writer, message.evidence);
      break;
  }
  return writer.finish();
}

/** Bytes that a justification takes on the wire. */
export function justificationLength(justification: Parameters<typeof writeJustification>[1]): number {
  const writer = new ByteWriter(1024);
  writeJustification(writer, justification);
  return writer.length;
}

function readMessage(reader: ByteReader, limits: MessageLimits): ConsensusMessage {
  switch (reader.u8()) {
    case TYPE_BYTES.proposal: {
      const proposition = readProposition(reader, ...readRound(reader));
      const header = readHeader(reader);
      const body = readBody(reader);
      const before = reader.remaining;
      const justification = readJustification(reader);
      if (before - reader.remaining > limits.justificationBytes) throw new DecodeError('justification too large');
      return { type: 'proposal', proposition, header, body, justification, signature: reader.fixed(64) };
    }
    case TYPE_BYTES.vote:
      return readVote(reader);
    case TYPE_BYTES.certificate:
      return readCertificate(reader);
    case TYPE_BYTES.status: {
      const [epoch, view] = readRound(reader);
      return { type: 'status', epoch, view, finalization: readOptional(reader, readFinalization) };
    }
    case TYPE_BYTES['cert-request']: {
      const [epoch, fromView] = readRound(reader);
      return { type: 'cert-request', epoch, fromView, toView: reader.u64() as View };
    }
    case TYPE_BYTES['block-request']:
      return { type: 'block-request', hash: reader.digest() };
    case TYPE_BYTES.block:
      return { type: 'block', header: readHeader(reader), body: readBody(reader) };
    case TYPE_BYTES['recall-request']:
      return { type: 'recall-request', nonce: reader.u64() };
    case TYPE_BYTES.recall:
      return readRecall(reader);
    case TYPE_BYTES.evidence:
      return { type: 'evidence', evidence: readFaultEvidence(reader) };
    default:
      throw new DecodeError('unknown message type');
  }
}

function readVote(reader: ByteReader): Vote {
  const signed = readSignedStatement(reader);
  if (signed.kind === 'propose') throw new DecodeError('a proposal is no vote');
  if (signed.kind === 'nullify') return { type: 'vote', ...signed };
  const { kind, epoch, view, proposition, signer, signature } = signed;
  return { type: 'vote', kind, epoch, view, proposition, signer, signature };
}

function readRecall(reader: ByteReader): Recall {
  const nonce = reader.u64();
  const [epoch, view] = readRound(reader);
  const certificate = readOptional(reader, readCertificate);
  const count = reader.u8();
  if (count > MAX_RECALLED_VOTES) throw new DecodeError('too many votes');
  const votes = Array.from({ length: count }, () => readVote(reader));
  return { type: 'recall', nonce, epoch, view, certificate, votes };
}

function readRound(reader: ByteReader): [Epoch, View] {
  return [reader.u64() as Epoch, reader.u64() as View];
}

/** What the first bytes of a frame say. A vote is told apart by its type alone: it is small and decoded at once. */
export type Glimpse =
  | { readonly type: 'proposal'; readonly proposition: Proposition }
  | { readonly type: 'certificate'; readonly statement: PropositionStatement<PropositionKind> | NullifyStatement }
  | { readonly type: Exclude<ConsensusMessage['type'], 'proposal' | 'certificate'> };

/** Reads as much of a frame as tells what it is about, at a cost that does not depend on its size. Never throws. */
export function glimpseMessage(bytes: Uint8Array): Result<Glimpse, 'MALFORMED'> {
  const head = bytes.subarray(0, GLIMPSE_BYTES);
  return decodeWith(head, (reader) => {
    const glimpse = readGlimpse(reader);
    reader.fixed(reader.remaining);
    return glimpse;
  });
}

/** Types of which a glimpse tells nothing more. */
const OPAQUE_TYPES = [
  'vote',
  'status',
  'cert-request',
  'block-request',
  'block',
  'recall-request',
  'recall',
  'evidence',
] as const;
/** Longer than the part of any frame that a glimpse reads. */
const GLIMPSE_BYTES = 128;

function readGlimpse(reader: ByteReader): Glimpse {
  const byte = reader.u8();
  if (byte === TYPE_BYTES.proposal) {
    return { type: 'proposal', proposition: readProposition(reader, ...readRound(reader)) };
  }
  if (byte === TYPE_BYTES.certificate) {
    const kind = kindOfByte(reader.u8());
    const [epoch, view] = readRound(reader);
    if (kind === 'nullify') return { type: 'certificate', statement: { kind, epoch, view } };
    if (kind === 'propose') throw new DecodeError('no such certificate');
    const proposition = readProposition(reader, epoch, view);
    return { type: 'certificate', statement: { kind, epoch, view, proposition } };
  }
  for (const type of OPAQUE_TYPES) if (TYPE_BYTES[type] === byte) return { type };
  throw new DecodeError('unknown message type');
}

/** Never throws. 'TOO_LARGE' is found from the length and the type byte alone. */
export function decodeMessage(
  bytes: Uint8Array,
  limits: MessageLimits = MESSAGE_LIMITS,
): Result<ConsensusMessage, 'MALFORMED' | 'TOO_LARGE'> {
  const large = bytes[0] === TYPE_BYTES.proposal || bytes[0] === TYPE_BYTES.block;
  const allowed = large ? limits.proposalBytes : limits.frameBytes;
  if (bytes.length > allowed) return fail('TOO_LARGE', `${bytes.length} bytes, at most ${allowed} allowed`);
  return decodeWith(bytes, (reader) => readMessage(reader, limits));
}
