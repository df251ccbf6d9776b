/**
 * Refresh: a signed sign of life of an attested enclave between two full appraisals.
 *
 * It names a recent block, so it cannot be made ahead of time; it keeps a result alive and never extends its validity.
 * Whether the height increases and the block is an ancestor is the ledger's question.
 */

import { verifyEd25519 } from '@cloister/crypto';
import {
  type AccountId,
  ByteWriter,
  type Digest,
  decodeWith,
  fail,
  type Height,
  ok,
  parseHeight,
  type Result,
  utf8,
} from '@cloister/encoding';

/** What is signed. */
export interface RefreshStatement {
  readonly chainId: Digest;
  /** `evidenceDigest` of the accepted bundle. */
  readonly evidenceDigest: Digest;
  readonly nodeId: AccountId;
  readonly height: Height;
  /** Hash of the block at `height`. */
  readonly blockHash: Digest;
}

/** A statement with the 64-byte signature of the attested sign key. */
export interface Refresh {
  readonly statement: RefreshStatement;
  readonly signature: Uint8Array;
}

/** The bytes that the sign key signs: "CLOISTER/REFRESH/1\0" ‖ chain id ‖ evidence digest ‖ node id ‖ height u64 ‖ block hash. */
export function refreshSigningBytes(statement: RefreshStatement): Uint8Array {
  return writeStatement(new ByteWriter().fixed(utf8('CLOISTER/REFRESH/1\0')), statement).finish();
}

function writeStatement(writer: ByteWriter, statement: RefreshStatement): ByteWriter {
  return writer
    .digest(statement.chainId)
    .digest(statement.evidenceDigest)
    .account(statement.nodeId)
    .u64(statement.height)
    .digest(statement.blockHash);
}

/** Signs with the enclave's sign key. */
export function signRefresh(statement: RefreshStatement, sign: (message: Uint8Array) => Uint8Array): Refresh {
  return { statement, signature: sign(refreshSigningBytes(statement)) };
}

/** Wire form: the statement's fields, then the signature. 200 bytes. */
export function encodeRefresh(refresh: Refresh): Uint8Array {
  return writeStatement(new ByteWriter(200), refresh.statement).fixed(refresh.signature).finish();
}

/** Inverse of `encodeRefresh`. Never throws. */
export function decodeRefresh(bytes: Uint8Array): Result<Refresh, 'REFRESH_MALFORMED'> {
  const decoded = decodeWith(bytes, (reader) => ({
    statement: {
      chainId: reader.digest(),
      evidenceDigest: reader.digest(),
      nodeId: reader.account(),
      height: reader.u64(),
      blockHash: reader.digest(),
    },
    signature: reader.fixed(64),
  }));
  if (!decoded.ok) return fail('REFRESH_MALFORMED', decoded.detail);
  const { statement, signature } = decoded.value;
  const height = parseHeight(statement.height);
  return height === undefined ? fail('REFRESH_MALFORMED') : ok({ statement: { ...statement, height }, signature });
}

/** Why a refresh does not keep a result alive. */
export type RefreshCode =
  | 'REFRESH_CHAIN_MISMATCH'
  | 'REFRESH_EVIDENCE_MISMATCH'
  | 'REFRESH_NODE_MISMATCH'
  | 'REFRESH_SIGNATURE_INVALID';

/** Checks a refresh against the accepted result that it claims to keep alive. `signKey` has 32 bytes. */
export function verifyRefresh(
  refresh: Refresh,
  accepted: {
    readonly chainId: Digest;
    readonly evidenceDigest: Digest;
    readonly nodeId: AccountId;
    readonly signKey: Uint8Array;
  },
): Result<RefreshStatement, RefreshCode> {
  const { statement, signature } = refresh;
  if (statement.chainId !== accepted.chainId) return fail('REFRESH_CHAIN_MISMATCH');
  if (statement.evidenceDigest !== accepted.evidenceDigest) return fail('REFRESH_EVIDENCE_MISMATCH');
  if (statement.nodeId !== accepted.nodeId) return fail('REFRESH_NODE_MISMATCH');
  if (!verifyEd25519(accepted.signKey, refreshSigningBytes(statement), signature)) {
    return fail('REFRESH_SIGNATURE_INVALID');
  }
  return ok(statement);
}
