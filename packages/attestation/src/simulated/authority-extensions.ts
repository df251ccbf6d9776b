/**
 * The two extensions on which verification depends, as vendors write them.
 */
import { derBitString, derBoolean, derInteger, derSequence } from '../x509/der-writer.ts';
import type { ExtensionToWrite } from './certificate-writer.ts';

/** Basic constraints of an authority above so many others (undefined: any number), or of none. */
export function basicConstraints(authority: { readonly pathLength: number | undefined } | undefined): ExtensionToWrite {
  const value =
    authority === undefined
      ? derSequence()
      : derSequence(
          derBoolean(true),
          ...(authority.pathLength === undefined ? [] : [derInteger(BigInt(authority.pathLength))]),
        );
  return { oid: '2.5.29.19', critical: true, value };
}

/** Key usage: certificate and CRL signing (bits 5 and 6), or digital signature and non-repudiation (bits 0 and 1). */
export function keyUsage(usage: 'authority' | 'signature'): ExtensionToWrite {
  const bits = usage === 'authority' ? derBitString(Uint8Array.of(0x06), 1) : derBitString(Uint8Array.of(0xc0), 6);
  return { oid: '2.5.29.15', critical: true, value: bits };
}
