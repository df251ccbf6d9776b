/**
 * The simulated Intel key infrastructure: root, the two issuers of PCK certificates, the signer of TCB info and QE identity.
 *
 * Object identifiers, algorithms and common names are Intel's; the organisation says SIMULATED. The keys are PUBLIC BY
 * NATURE: they follow from constants in this file, and nothing signed with them is worth anything as evidence.
 */

import { ecdsaPublicKey, hkdfSha256, sha256 } from '@cloister/crypto';
import { asDigest, toHex, utf8 } from '@cloister/encoding';
import { SGX_EXTENSION_OID } from '../../formats/intel/pck-extension.ts';
import type { TrustAnchors } from '../../policy/trust-anchors.ts';
import { derElement, derInteger, derOctetString, derOid, derSequence } from '../../x509/der-writer.ts';
import { basicConstraints, keyUsage } from '../authority-extensions.ts';
import {
  type CertificateToWrite,
  type EcKey,
  type ExtensionToWrite,
  ecSpki,
  type Validity,
  writeCrl,
  writeName,
  writeX509,
} from '../certificate-writer.ts';

export type IntelAuthority = 'root' | 'platform-ca' | 'processor-ca' | 'tcb-signing';

const COMMON_NAMES: Readonly<Record<IntelAuthority, string>> = {
  root: 'Intel SGX Root CA',
  'platform-ca': 'Intel SGX PCK Platform CA',
  'processor-ca': 'Intel SGX PCK Processor CA',
  'tcb-signing': 'Intel SGX TCB Signing',
};

/** Serial numbers of the authorities' certificates. */
export const INTEL_SERIALS: Readonly<Record<IntelAuthority, bigint>> = {
  root: 1n,
  'platform-ca': 2n,
  'processor-ca': 3n,
  'tcb-signing': 4n,
};

/** 2018-05-21 to 2049-12-31 23:59:59. */
const AUTHORITY_VALIDITY: Validity = { notBeforeMs: 1_526_860_800_000, notAfterMs: 2_524_607_999_000 };

/** The DER name of a simulated subject. */
export function simulatedIntelName(common: string): Uint8Array {
  return writeName([
    ['2.5.4.3', common],
    ['2.5.4.10', 'SIMULATED - not Intel - public keys, no guarantee'],
  ]);
}

export function intelAuthorityName(authority: IntelAuthority): Uint8Array {
  return simulatedIntelName(COMMON_NAMES[authority]);
}

/** A P-256 key from a secret and a label. The leading zero byte keeps the scalar below the order. */
export function deriveP256Key(secret: Uint8Array, label: string): EcKey {
  const secretKey = new Uint8Array(32);
  secretKey.set(hkdfSha256(secret, utf8('cloister/simulated-intel/v1'), utf8(label), 31), 1);
  return { curve: 'P-256', hash: 'sha256', secretKey };
}

/** The key of an authority. */
export function intelAuthorityKey(authority: IntelAuthority): EcKey {
  return deriveP256Key(utf8('SIMULATED Intel, public'), authority);
}

/** What an authority's certificate is written from. */
export function intelAuthorityFields(authority: IntelAuthority): CertificateToWrite {
  return {
    serial: INTEL_SERIALS[authority],
    issuer: intelAuthorityName('root'),
    subject: intelAuthorityName(authority),
    validity: AUTHORITY_VALIDITY,
    spki: spkiOf(intelAuthorityKey(authority)),
    extensions:
      authority === 'tcb-signing'
        ? [keyUsage('signature'), basicConstraints(undefined)]
        : [keyUsage('authority'), basicConstraints({ pathLength: authority === 'root' ? 1 : 0 })],
  };
}

export function intelAuthorityCertificate(authority: IntelAuthority): Uint8Array {
  return writeX509(intelAuthorityFields(authority), intelAuthorityKey('root'));
}

export function spkiOf(key: EcKey): Uint8Array {
  return ecSpki(key.curve, ecdsaPublicKey(key.curve, key.secretKey));
}

/** Trust in the simulated root means trust in nobody. */
export function simulatedIntelAnchors(): TrustAnchors {
  const spkiSha256 = asDigest(toHex(sha256(spkiOf(intelAuthorityKey('root')))));
  return { simulated: true, roots: [{ platform: 'sgx-tdx', spkiSha256 }] };
}

export interface SimulatedIntelCrl {
  readonly by: 'root' | 'platform-ca' | 'processor-ca';
  readonly number: bigint;
  /** Milliseconds of the Unix epoch. */
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly revoked?: readonly bigint[];
}

export function simulatedIntelCrl({ by, revoked = [], ...rest }: SimulatedIntelCrl): Uint8Array {
  const issuer = intelAuthorityName(by);
  return writeCrl({ ...rest, issuer, revoked: revoked.map((serial) => ({ serial, issuer })) }, intelAuthorityKey(by));
}

/** What a PCK certificate says about its platform. */
export interface PckStatement {
  /** 16 bytes. */
  readonly ppid: Uint8Array;
  /** 16 SVNs. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** 6 bytes. */
  readonly fmspc: Uint8Array;
  /** 16 bytes, of platforms with several packages. */
  readonly platformInstanceId?: Uint8Array | undefined;
}

/** The SGX extension of a PCK certificate. */
export function pckExtension(statement: PckStatement): ExtensionToWrite {
  const { ppid, components, pceSvn, pceId, fmspc, platformInstanceId } = statement;
  const member = (arcs: string, value: Uint8Array): Uint8Array =>
    derSequence(derOid(`${SGX_EXTENSION_OID}.${arcs}`), value);
  const tcb = derSequence(
    ...components.map((svn, index) => member(`2.${index + 1}`, derInteger(BigInt(svn)))),
    member('2.17', derInteger(BigInt(pceSvn))),
    member('2.18', derOctetString(Uint8Array.from(components))),
  );
  const value = derSequence(
    member('1', derOctetString(ppid)),
    member('2', tcb),
    member('3', derOctetString(pceId)),
    member('4', derOctetString(fmspc)),
    member('5', derElement(0x0a, Uint8Array.of(platformInstanceId === undefined ? 0 : 1))),
    ...(platformInstanceId === undefined ? [] : [member('6', derOctetString(platformInstanceId))]),
  );
  return { oid: SGX_EXTENSION_OID, critical: false, value };
}

/** What a PCK certificate is written from; the issuer is one of the two PCK authorities. */
export function pckFields(
  issuer: 'platform-ca' | 'processor-ca',
  key: EcKey,
  serial: bigint,
  validity: Validity,
  statement: PckStatement,
): CertificateToWrite {
  return {
    serial,
    issuer: intelAuthorityName(issuer),
    subject: simulatedIntelName('Intel SGX PCK Certificate'),
    validity,
    spki: spkiOf(key),
    extensions: [keyUsage('signature'), basicConstraints(undefined), pckExtension(statement)],
  };
}
