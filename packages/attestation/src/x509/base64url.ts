/**
 * base64url without padding (RFC 4648 section 5).
 */
import { toBase64 } from '@cloister/encoding';

export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
