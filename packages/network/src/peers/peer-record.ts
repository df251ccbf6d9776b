/**
 * Peer records: fixed signed bytes, strict and bounded. Both keys sign, the member's and the libp2p node's: a member cannot
 * claim another's node, nor a node another's member id. Each signature covers
 * "CLOISTER/PEER/2\0" ‖ chainId ‖ member ‖ str peerId ‖ u64 sequence ‖ run 16 ‖ outbids 16 ‖ bool signs ‖ u8 count ‖ str address …
 */

import { verifyEd25519 } from '@cloister/crypto';
import {
  accountBytes,
  type ByteReader,
  ByteWriter,
  concatBytes,
  type Digest,
  decodeWith,
  fail,
  ok,
  type Result,
  utf8,
} from '@cloister/encoding';
import { peerIdFromString } from '@libp2p/peer-id';
import { PEER_RECORD_BYTES_MAX, PEER_RECORDS_MAX } from '../limits.ts';
import type { PeerRecord } from '../types.ts';

const DOMAIN = utf8('CLOISTER/PEER/2\0');
const ADDRESSES_MAX = 8;
const ADDRESS_BYTES_MAX = 160;
const PEER_ID_BYTES_MAX = 80;
const SIGNATURE_BYTES = 64;
export const RUN_BYTES = 16;
/** No run: what a record outbids that replaces none. */
export const NO_RUN: Uint8Array = new Uint8Array(RUN_BYTES);

export type PeerRecordCode = 'MALFORMED' | 'SIGNATURE_INVALID' | 'NODE_SIGNATURE_INVALID';
/** Without a life, the record speaks of addresses alone. */
export type PeerRecordFields = Pick<PeerRecord, 'member' | 'peerId' | 'addresses' | 'sequence'> & Partial<Life>;
type Life = Pick<PeerRecord, 'run' | 'outbids' | 'signs'>;
type Statement = Omit<PeerRecord, 'signature' | 'nodeSignature'>;
type Sign = (message: Uint8Array) => Uint8Array;

function statement(record: Statement): Uint8Array {
  const writer = new ByteWriter();
  writer.account(record.member);
  writer.str(record.peerId);
  writer.u64(record.sequence);
  writer.fixed(record.run);
  writer.fixed(record.outbids);
  writer.u8(record.signs ? 1 : 0);
  writer.u8(record.addresses.length);
  for (const address of record.addresses) writer.str(address);
  return writer.finish();
}

function signedBytes(chainId: Digest, body: Uint8Array): Uint8Array {
  return concatBytes(DOMAIN, new ByteWriter().digest(chainId).finish(), body);
}

/** Signs a record for `chainId` with the member's and the node's key; addresses beyond the bound are left out. */
export function signPeerRecord(chainId: Digest, fields: PeerRecordFields, sign: Sign, signAsNode: Sign): PeerRecord {
  const addresses = fields.addresses.filter((a) => utf8(a).length <= ADDRESS_BYTES_MAX).slice(0, ADDRESSES_MAX);
  const bounded = { run: NO_RUN, outbids: NO_RUN, signs: false, ...fields, addresses };
  const message = signedBytes(chainId, statement(bounded));
  return { ...bounded, signature: sign(message), nodeSignature: signAsNode(message) };
}

export function encodePeerRecord(record: PeerRecord): Uint8Array {
  return concatBytes(statement(record), record.signature, record.nodeSignature);
}

function readRecord(reader: ByteReader): PeerRecord {
  const member = reader.account();
  const peerId = reader.str(PEER_ID_BYTES_MAX);
  const sequence = reader.u64();
  const run = reader.fixed(RUN_BYTES);
  const outbids = reader.fixed(RUN_BYTES);
  const signs = reader.u8() === 1;
  const count = reader.u8();
  const addresses: string[] = [];
  for (let i = 0; i < Math.min(count, ADDRESSES_MAX + 1); i++) addresses.push(reader.str(ADDRESS_BYTES_MAX));
  const signature = reader.fixed(SIGNATURE_BYTES);
  const nodeSignature = reader.fixed(SIGNATURE_BYTES);
  return { member, peerId, sequence, run, outbids, signs, addresses, signature, nodeSignature };
}

/** The shape alone: what comes back claims, and proves nothing until `verifyPeerRecord`. */
export function parsePeerRecord(bytes: Uint8Array): Result<PeerRecord, 'MALFORMED'> {
  if (bytes.length > PEER_RECORD_BYTES_MAX) return fail('MALFORMED', 'peer record too large');
  const decoded = decodeWith(bytes, readRecord);
  if (decoded.ok && decoded.value.addresses.length > ADDRESSES_MAX) return fail('MALFORMED', 'too many addresses');
  return decoded;
}

/** The Ed25519 key inside a libp2p name, or undefined when the name is none, not in its one spelling, or of another kind. */
function nodeKeyOf(peerId: string): Uint8Array | undefined {
  try {
    const parsed = peerIdFromString(peerId);
    return parsed.type === 'Ed25519' && parsed.toString() === peerId ? parsed.publicKey.raw : undefined;
  } catch {
    return undefined;
  }
}

export function verifyPeerRecord(chainId: Digest, record: PeerRecord): Result<PeerRecord, PeerRecordCode> {
  const message = signedBytes(chainId, statement(record));
  const nodeKey = nodeKeyOf(record.peerId);
  if (nodeKey === undefined) return fail('MALFORMED', 'peer id');
  if (!verifyEd25519(accountBytes(record.member), message, record.signature)) {
    return fail('SIGNATURE_INVALID', `peer record of ${record.member}`);
  }
  if (!verifyEd25519(nodeKey, message, record.nodeSignature)) {
    return fail('NODE_SIGNATURE_INVALID', `peer record of ${record.member} for ${record.peerId}`);
  }
  return ok(record);
}

/** Decodes and verifies: a record that comes back is signed by its member and its node for this chain. */
export function decodePeerRecord(chainId: Digest, bytes: Uint8Array): Result<PeerRecord, PeerRecordCode> {
  const parsed = parsePeerRecord(bytes);
  return parsed.ok ? verifyPeerRecord(chainId, parsed.value) : parsed;
}

/** A list of encoded records, as the `peers` protocol carries it both ways. */
export function encodePeerRecords(records: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter();
  const bounded = records.slice(0, PEER_RECORDS_MAX);
  writer.u16(bounded.length);
  for (const record of bounded) writer.var(record);
  return writer.finish();
}

export function decodePeerRecords(bytes: Uint8Array): Result<readonly Uint8Array[], 'MALFORMED'> {
  return decodeWith(bytes, (reader) => {
    const records: Uint8Array[] = [];
    const count = reader.u16();
    for (let i = 0; i < Math.min(count, PEER_RECORDS_MAX); i++) records.push(reader.var(PEER_RECORD_BYTES_MAX));
    return records;
  });
}
