/**
 * The publisher's signature over an image: a DSSE envelope around the manifest, outside of what is measured.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DsseEnvelope, dssePae, encodeDsse, IMAGE_LIMITS, parseDsse, verifyDsse } from '@cloister/confidential';
import { type Ed25519KeyPair, sha256 } from '@cloister/crypto';
import {
  concatBytes,
  type Digest,
  digestFromBytes,
  equalBytes,
  fail,
  fromHex,
  ok,
  type Result,
} from '@cloister/encoding';
import { ImageError } from './image-error.ts';
import { IMAGE_SIGNATURE_FILE, readImageManifest } from './inspect.ts';

export const IMAGE_PAYLOAD_TYPE = 'application/vnd.cloister.enclave-image+json';
const ENVELOPE_BYTES_MAX: number = 2 * IMAGE_LIMITS.manifestBytes;
/** DER of SubjectPublicKeyInfo up to the key, for Ed25519 (RFC 8410 section 4). */
const ED25519_SPKI_PREFIX: Uint8Array = fromHex('302a300506032b6570032100');

/** Names a publisher: SHA-256 of its key's SubjectPublicKeyInfo. `publicKey` has 32 bytes. */
export function imageSigner(publicKey: Uint8Array): Digest {
  return digestFromBytes(sha256(concatBytes(ED25519_SPKI_PREFIX, publicKey)));
}

/** Writes the signature beside the manifest and returns the publisher's name. Throws `ImageError`. */
export async function signImage(
  directory: string,
  publisher: Pick<Ed25519KeyPair, 'publicKey' | 'sign'>,
): Promise<Digest> {
  const { bytes } = await readImageManifest(directory);
  const signature = publisher.sign(dssePae(IMAGE_PAYLOAD_TYPE, bytes));
  const signer = imageSigner(publisher.publicKey);
  const envelope = encodeDsse({ payloadType: IMAGE_PAYLOAD_TYPE, payload: bytes, keyId: signer, signature });
  try {
    await writeFile(join(directory, IMAGE_SIGNATURE_FILE), envelope);
  } catch (cause) {
    throw new ImageError('IMAGE_IO', `cannot write the signature into ${directory}`, { cause });
  }
  return signer;
}

export type ImageSignatureCode =
  | 'SIGNATURE_MISSING'
  | 'SIGNATURE_MALFORMED'
  | 'SIGNATURE_OF_OTHER_IMAGE'
  | 'SIGNATURE_INVALID';

/** Whether the image in a directory is signed by a publisher's key of 32 bytes. Throws `ImageError` without a manifest. */
export async function verifyImageSignature(
  directory: string,
  publicKey: Uint8Array,
): Promise<Result<{ readonly signer: Digest }, ImageSignatureCode>> {
  const { bytes } = await readImageManifest(directory);
  let envelope: Uint8Array;
  try {
    envelope = new Uint8Array(await readFile(join(directory, IMAGE_SIGNATURE_FILE)));
  } catch {
    return fail('SIGNATURE_MISSING');
  }
  const parsed = parseDsse(envelope, ENVELOPE_BYTES_MAX);
  if (!parsed.ok || parsed.value.payloadType !== IMAGE_PAYLOAD_TYPE) return fail('SIGNATURE_MALFORMED');
  const dsse: DsseEnvelope = parsed.value;
  if (!equalBytes(dsse.payload, bytes)) return fail('SIGNATURE_OF_OTHER_IMAGE');
  const verified = verifyDsse(dsse, publicKey);
  return verified.ok ? ok({ signer: imageSigner(publicKey) }) : verified;
}
