/**
 * DSSE v1 envelopes with one Ed25519 signature, in canonical JSON, so that one statement and key give one byte string.
 * Source: secure-systems-lab/dsse, protocol.md and envelope.md.
 */

import { verifyEd25519 } from '@cloister/crypto';
import { assert, canonicalJson, concatBytes, fail, ok, type Result, toBase64, utf8 } from '@cloister/encoding';
import { base64Bytes, mapped, object, single, text } from '@cloister/encoding/shape';
import { type DocumentErrorCode, readDocument } from '../document.ts';

export const IN_TOTO_PAYLOAD_TYPE = 'application/vnd.in-toto+json';

export interface DsseEnvelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  /** Names the key; not signed, so a hint alone. */
  readonly keyId: string;
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}

/** Pre-authentication encoding: the bytes that are signed. */
export function dssePae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType);
  return concatBytes(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload);
}

/** Canonical JSON of an envelope. */
export function encodeDsse(envelope: DsseEnvelope): Uint8Array {
  assert(envelope.signature.length === 64, 'encodeDsse: an Ed25519 signature has 64 bytes');
  return utf8(
    canonicalJson({
      payload: toBase64(envelope.payload),
      payloadType: envelope.payloadType,
      signatures: [{ keyid: envelope.keyId, sig: toBase64(envelope.signature) }],
    }),
  );
}

/** The envelope in at most `maxBytes` of canonical JSON. Its signature is not checked here. */
export function parseDsse(bytes: Uint8Array, maxBytes: number): Result<DsseEnvelope, DocumentErrorCode> {
  const envelope = mapped(
    object({
      payload: base64Bytes(maxBytes),
      payloadType: text(128),
      signatures: single(object({ keyid: text(128), sig: base64Bytes(64, 64) })),
    }),
    ({ payload, payloadType, signatures: { keyid, sig } }) => ({ payloadType, payload, keyId: keyid, signature: sig }),
  );
  return readDocument(bytes, { maxBytes, maxDepth: 3 }, envelope, 'envelope');
}

/** Whether the envelope is signed by an Ed25519 public key of 32 bytes. */
export function verifyDsse(envelope: DsseEnvelope, publicKey: Uint8Array): Result<void, 'SIGNATURE_INVALID'> {
  const signed = dssePae(envelope.payloadType, envelope.payload);
  return verifyEd25519(publicKey, signed, envelope.signature) ? ok(undefined) : fail('SIGNATURE_INVALID');
}
