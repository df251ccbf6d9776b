/**
 * An account's signed claim that it uploads a blob. Without it anybody could fill a node's disk. It is good for these
 * bytes on this chain until a height, on any node; each node counts the blob against the account's room there.
 *
 * Signed bytes: "CLOISTER/UPLOAD/1\0" ‖ chainId 32 ‖ account 32 ‖ digest 32 ‖ size u64 ‖ expiryHeight u64. Text form:
 * account ‖ '.' ‖ expiryHeight in decimal ‖ '.' ‖ signature in hex.
 */

import type { Ed25519KeyPair } from '@cloister/crypto';
import {
  type AccountId,
  asHeight,
  assert,
  ByteWriter,
  type Digest,
  type Height,
  parseAccountId,
  parseHex,
  toHex,
  utf8,
} from '@cloister/encoding';

const PREFIX: Uint8Array = utf8('CLOISTER/UPLOAD/1\0');
const SIGNATURE_BYTES = 64;
const FORM = /^([0-9a-f]{64})\.(0|[1-9][0-9]{0,14})\.([0-9a-f]{128})$/;

/** Blocks for which a claim is good at most: one that leaks is worth little. */
export const UPLOAD_CLAIM_HEIGHTS_MAX = 1_000;

export interface UploadClaim {
  readonly chainId: Digest;
  readonly account: AccountId;
  /** SHA-256 of the bytes. */
  readonly digest: Digest;
  readonly size: number;
  /** Last height at which it counts. */
  readonly expiryHeight: Height;
}

/** The bytes that the account signs. */
export function uploadClaimBytes({ chainId, account, digest, size, expiryHeight }: UploadClaim): Uint8Array {
  const writer = new ByteWriter(160).fixed(PREFIX).digest(chainId).account(account).digest(digest);
  return writer.u64(size).u64(expiryHeight).finish();
}

/** The claim's text form, signed by its account. */
export function signUploadClaim(keyPair: Ed25519KeyPair, claim: UploadClaim): string {
  assert(keyPair.id === claim.account, 'an upload is claimed by the account that signs');
  return `${claim.account}.${claim.expiryHeight}.${toHex(keyPair.sign(uploadClaimBytes(claim)))}`;
}

/** What the text form says beside the blob itself; undefined for any other text. The signature is not checked. */
export function parseUploadClaim(
  text: string,
): { readonly account: AccountId; readonly expiryHeight: Height; readonly signature: Uint8Array } | undefined {
  const [, id = '', height = '', hex = ''] = FORM.exec(text) ?? [];
  const account = parseAccountId(id);
  const signature = parseHex(hex, SIGNATURE_BYTES);
  return account === undefined || signature === undefined
    ? undefined
    : { account, expiryHeight: asHeight(Number(height)), signature };
}
