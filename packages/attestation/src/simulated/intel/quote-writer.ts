/**
 * Simulated quotes: header, body and signature section in the wire form of versions 3, 4 and 5.
 */

import { ecdsaPublicKey, sha256, signEcdsa } from '@cloister/crypto';
import { concatBytes } from '@cloister/encoding';
import {
  BODY_TYPES,
  CERTIFICATION_TYPES,
  INTEL_KEY_TYPE,
  INTEL_QE_VENDOR,
  QUOTE_HEADER_BYTES,
  TEE_TYPES,
} from '../../formats/intel/quote.ts';
import { TD15_REPORT_BYTES } from '../../formats/intel/td-report.ts';
import type { EcKey } from '../certificate-writer.ts';

export interface QuoteParts {
  readonly version: 3 | 4 | 5;
  readonly tee: 'sgx' | 'tdx';
  /** Report body of the version's size. */
  readonly body: Uint8Array;
  readonly attestationKey: EcKey;
  readonly pckKey: EcKey;
  readonly authData: Uint8Array;
  /** The quoting enclave's report around its report data. */
  readonly qeReport: (reportData: Uint8Array) => Uint8Array;
  readonly certificationType?: number;
  readonly certificationData: Uint8Array;
}

function littleEndian(value: number, width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, index) => Math.floor(value / 256 ** index) % 256);
}

/** Header and, in version 5, the body descriptor. */
function writeHeader({ version, tee, body }: QuoteParts): Uint8Array {
  const header = new Uint8Array(QUOTE_HEADER_BYTES);
  header.set(littleEndian(version, 2), 0);
  header.set(littleEndian(INTEL_KEY_TYPE, 2), 2);
  header.set(littleEndian(TEE_TYPES[tee], 4), 4);
  header.set(INTEL_QE_VENDOR, 12);
  if (version !== 5) return header;
  const td = body.length === TD15_REPORT_BYTES ? BODY_TYPES.td15 : BODY_TYPES.td10;
  const type = tee === 'sgx' ? BODY_TYPES.sgx : td;
  return concatBytes(header, littleEndian(type, 2), littleEndian(body.length, 4));
}

function rawPublicKey(key: EcKey): Uint8Array {
  return ecdsaPublicKey(key.curve, key.secretKey).subarray(1);
}

function signed(key: EcKey, message: Uint8Array): Uint8Array {
  return signEcdsa({ curve: key.curve, hash: key.hash, secretKey: key.secretKey, message });
}

/** A signed quote. Deterministic. */
export function writeQuote(parts: QuoteParts): Uint8Array {
  const { version, attestationKey, pckKey, authData, certificationData } = parts;
  const message = concatBytes(writeHeader(parts), parts.body);
  const publicKey = rawPublicKey(attestationKey);
  const reportData = new Uint8Array(64);
  reportData.set(sha256(concatBytes(publicKey, authData)));
  const qeReport = parts.qeReport(reportData);
  const inner = concatBytes(
    qeReport,
    signed(pckKey, qeReport),
    littleEndian(authData.length, 2),
    authData,
    littleEndian(parts.certificationType ?? CERTIFICATION_TYPES.pckChain, 2),
    littleEndian(certificationData.length, 4),
    certificationData,
  );
  const wrapped =
    version === 3
      ? inner
      : concatBytes(littleEndian(CERTIFICATION_TYPES.qeReport, 2), littleEndian(inner.length, 4), inner);
  const section = concatBytes(signed(attestationKey, message), publicKey, wrapped);
  return concatBytes(message, littleEndian(section.length, 4), section);
}
