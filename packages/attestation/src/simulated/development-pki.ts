/**
 * The simulated AMD key infrastructure: ARK, ASK and ASVK of each product line, CRLs, and device certificates.
 *
 * Object identifiers, algorithms and common names are AMD's, so that the one verifier needs no exception; organisation and
 * unit say SIMULATED. The keys are public (`development-keys.ts`). Certificates of authorities are made once per process and
 * kept: they depend on nothing but constants.
 */

import type { SnpProduct } from '../formats/sev-snp/product.ts';
import type { SnpSigningKey } from '../formats/sev-snp/report.ts';
import { encodeTcb, type SnpTcb, SPL_ARCS } from '../formats/sev-snp/tcb.ts';
import { splOid, VEK_OIDS } from '../formats/sev-snp/vek-certificate.ts';
import { derBitString, derBoolean, derIa5String, derInteger, derSequence } from '../x509/der-writer.ts';
import {
  type ExtensionToWrite,
  p384Spki,
  rsaSpki,
  type Validity,
  writeCrl,
  writeName,
  writeX509,
} from './certificate-writer.ts';
import { type DevelopmentAuthority, developmentKey, type RsaKey } from './development-keys.ts';

/** 2020-01-01 to 2049-12-31 23:59:59. */
const AUTHORITY_VALIDITY: Validity = { notBeforeMs: 1_577_836_800_000, notAfterMs: 2_524_607_999_000 };

/** Serial numbers of the authorities' certificates. */
export const AUTHORITY_SERIALS: Readonly<Record<DevelopmentAuthority, bigint>> = { ark: 1n, ask: 2n, asvk: 3n };

/** Common names as AMD gives them. */
function commonName(product: SnpProduct, authority: DevelopmentAuthority): string {
  switch (authority) {
    case 'ark':
      return `ARK-${product}`;
    case 'ask':
      return `SEV-${product}`;
    case 'asvk':
      return `SEV-VLEK-${product}`;
  }
}

/** The DER name of a simulated subject. */
export function simulatedName(common: string): Uint8Array {
  return writeName([
    ['2.5.4.11', 'SIMULATED'],
    ['2.5.4.10', 'SIMULATED - not AMD - public keys, no guarantee'],
    ['2.5.4.3', common],
  ]);
}

/** The DER name of an authority. */
export function authorityName(product: SnpProduct, authority: DevelopmentAuthority): Uint8Array {
  return simulatedName(commonName(product, authority));
}

const keys = new Map<string, RsaKey>();
const certificates = new Map<string, Uint8Array>();

/** The key of an authority, kept. */
export function authorityKey(product: SnpProduct, authority: DevelopmentAuthority): RsaKey {
  const id = `${product} ${authority}`;
  const key = keys.get(id) ?? developmentKey(product, authority);
  keys.set(id, key);
  return key;
}

/** The certificate of an authority, kept. */
export function authorityCertificate(product: SnpProduct, authority: DevelopmentAuthority): Uint8Array {
  const id = `${product} ${authority}`;
  const certificate = certificates.get(id) ?? makeAuthorityCertificate(product, authority);
  certificates.set(id, certificate);
  return certificate;
}

function makeAuthorityCertificate(product: SnpProduct, authority: DevelopmentAuthority): Uint8Array {
  return writeX509(
    {
      serial: AUTHORITY_SERIALS[authority],
      issuer: authorityName(product, 'ark'),
      subject: authorityName(product, authority),
      validity: AUTHORITY_VALIDITY,
      spki: rsaSpki(authorityKey(product, authority)),
      extensions: authorityExtensions(authority),
    },
    authorityKey(product, 'ark'),
  );
}

/** Extensions of an authority: basic constraints, and key usage as AMD sets it. */
export function authorityExtensions(authority: DevelopmentAuthority): readonly ExtensionToWrite[] {
  const isRoot = authority === 'ark';
  const constraints = isRoot ? derSequence(derBoolean(true)) : derSequence(derBoolean(true), derInteger(0n));
  // Bit 5 keyCertSign, bit 6 cRLSign.
  const usage = isRoot ? derBitString(Uint8Array.of(0x06), 1) : derBitString(Uint8Array.of(0x04), 2);
  return [
    { oid: '2.5.29.19', critical: true, value: constraints },
    { oid: '2.5.29.15', critical: true, value: usage },
  ];
}

export interface SimulatedCrl {
  readonly product: SnpProduct;
  readonly number: bigint;
  /** Milliseconds of the Unix epoch. */
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly revokedAuthorities?: readonly DevelopmentAuthority[];
  /** Serial numbers of revoked chip keys (`SimulatedSnpDevice.serial`). */
  readonly revokedDevices?: readonly bigint[];
}

/** A CRL signed by the product line's simulated ARK. Costs one RSA signature. */
export function simulatedCrl(crl: SimulatedCrl): Uint8Array {
  const { product, revokedAuthorities = [], revokedDevices = [] } = crl;
  return writeCrl(
    {
      issuer: authorityName(product, 'ark'),
      number: crl.number,
      thisUpdateMs: crl.thisUpdateMs,
      nextUpdateMs: crl.nextUpdateMs,
      revoked: [
        ...revokedAuthorities.map((name) => ({
          serial: AUTHORITY_SERIALS[name],
          issuer: authorityName(product, 'ark'),
        })),
        ...revokedDevices.map((serial) => ({ serial, issuer: authorityName(product, 'ask') })),
      ],
    },
    authorityKey(product, 'ark'),
  );
}

export interface DeviceCertificate {
  readonly product: SnpProduct;
  readonly signingKey: SnpSigningKey;
  readonly serial: bigint;
  readonly validity: Validity;
  /** Uncompressed P-384 point. */
  readonly point: Uint8Array;
  readonly tcb: SnpTcb;
  /** Raw hardware id, for a VCEK. */
  readonly hardwareId: Uint8Array | undefined;
  /** For a VLEK. */
  readonly cspId: string | undefined;
}

/** A VCEK or VLEK certificate under the simulated ASK or ASVK. Costs one RSA signature. */
export function deviceCertificate(device: DeviceCertificate): Uint8Array {
  const { product, signingKey } = device;
  const authority = signingKey === 'VCEK' ? 'ask' : 'asvk';
  return writeX509(
    {
      serial: device.serial,
      issuer: authorityName(product, authority),
      subject: simulatedName(`SEV-${signingKey}`),
      validity: device.validity,
      spki: p384Spki(device.point),
      extensions: deviceExtensions(device),
    },
    authorityKey(product, authority),
  );
}

/** AMD's extensions of a leaf, in AMD's forms. */
export function deviceExtensions(device: DeviceCertificate): readonly ExtensionToWrite[] {
  const { product, tcb, hardwareId, cspId } = device;
  const bytes = encodeTcb(tcb, product);
  const plain = (oid: string, value: Uint8Array): ExtensionToWrite => ({ oid, critical: false, value });
  return [
    plain(VEK_OIDS.structVersion, derInteger(product === 'Turin' ? 1n : 0n)),
    plain(VEK_OIDS.productName, derIa5String(product === 'Milan' ? 'Milan-B0' : product)),
    ...SPL_ARCS[product].map((arc, index) => plain(splOid(arc), derInteger(BigInt(bytes[index] ?? 0)))),
    ...(hardwareId === undefined ? [] : [plain(VEK_OIDS.hardwareId, hardwareId)]),
    ...(cspId === undefined ? [] : [plain(VEK_OIDS.cspId, derIa5String(cspId))]),
  ];
}
