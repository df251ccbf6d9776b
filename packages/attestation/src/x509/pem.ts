/**
 * PEM (RFC 7468, strict form): text blocks around base64, as vendors publish certificates and CRLs.
 */
import { parseBase64 } from '@cloister/encoding';

const MAX_BLOCKS = 16;
const MAX_CHARACTERS = 256 * 1024;
/** Lines of 64 characters, as RFC 7468 has them, or of up to 76, as MIME encoders write them. */
const LINE = /^[A-Za-z0-9+/]{1,76}={0,2}$/;

/** Contents of every block labelled `label`, in order; undefined when the text holds anything else or nothing. */
export function parsePem(text: string, label: 'CERTIFICATE' | 'X509 CRL'): readonly Uint8Array[] | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const lines = text.split('\n').map((line) => line.trimEnd());
  const blocks: Uint8Array[] = [];
  let body: string[] | undefined;
  for (const line of lines) {
    if (body === undefined) {
      if (line === '') continue;
      if (line !== `-----BEGIN ${label}-----` || blocks.length === MAX_BLOCKS) return undefined;
      body = [];
    } else if (line === `-----END ${label}-----`) {
      const bytes = parseBase64(body.join(''));
      if (bytes === undefined || bytes.length === 0) return undefined;
      blocks.push(bytes);
      body = undefined;
    } else {
      if (!LINE.test(line)) return undefined;
      body.push(line);
    }
  }
  return body === undefined && blocks.length > 0 ? blocks : undefined;
}
