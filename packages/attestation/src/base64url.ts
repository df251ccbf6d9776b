/**
 * Unpadded base64url (RFC 4648 section 5), the binary form of CMW and EAT in JSON.
 */
import { parseBase64, toBase64 } from '@cloister/crypto';

/** Unpadded base64url of bytes. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Bytes of canonical unpadded base64url; undefined for anything else. */
export function parseBase64Url(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string' || /[+/=]/.test(text)) return undefined;
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return parseBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, '='));
}
