/**
 * A simulated AWS Nitro hypervisor: attestation documents in the true form under a simulated root.
 *
 * The path has AWS' shape: root, region, zone, instance, and a leaf for the enclave. The keys of the root and of the
 * authorities are PUBLIC BY NATURE; nothing signed under them is worth anything as evidence.
 */

import { ecdsaPublicKey, hash, hkdfSha256, sha256, signEcdsa } from '@cloister/crypto';
import { asDigest, concatBytes, toHex, utf8 } from '@cloister/encoding';
import { cborArray, cborBytes, cborHead, cborText } from '../../evidence/cbor.ts';
import { NITRO_PROTECTED_HEADERS, nitroSignedBytes } from '../../formats/nitro/document.ts';
import type { TrustAnchors } from '../../policy/trust-anchors.ts';
import { basicConstraints, keyUsage } from '../authority-extensions.ts';
import {
  type CertificateToWrite,
  type EcKey,
  ecSpki,
  type Validity,
  writeName,
  writeX509,
} from '../certificate-writer.ts';

/** Registers that are locked at launch; of the others documents state those that the guest locked. */
const LAUNCH_PCRS = 16;
const ROOT_NAME = 'aws.nitro-enclaves';
const AUTHORITIES = ['region', 'zone', 'instance'] as const;

/** The leading zero byte keeps the scalar below the order. */
function deriveP384Key(secret: Uint8Array, label: string): EcKey {
  const secretKey = new Uint8Array(48);
  secretKey.set(hkdfSha256(secret, utf8('cloister/simulated-nitro/v1'), utf8(label), 47), 1);
  return { curve: 'P-384', hash: 'sha384', secretKey };
}

function authorityKey(name: string): EcKey {
  return deriveP384Key(utf8('SIMULATED AWS, public'), name);
}

function nameOf(common: string): Uint8Array {
  return writeName([
    ['2.5.4.10', 'SIMULATED - not AWS - public keys, no guarantee'],
    ['2.5.4.3', common],
  ]);
}

function spkiOf(key: EcKey): Uint8Array {
  return ecSpki(key.curve, ecdsaPublicKey(key.curve, key.secretKey));
}

/** Trust in the simulated root means trust in nobody. */
export function simulatedNitroAnchors(): TrustAnchors {
  const spkiSha256 = asDigest(toHex(sha256(spkiOf(authorityKey(ROOT_NAME)))));
  return { simulated: true, roots: [{ platform: 'nitro', spkiSha256 }] };
}

/** Contents of a document; members that are left out are null, PCRs that are left out zero. */
export interface SimulatedNitroFields {
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly timestampMs: number;
  readonly publicKey?: Uint8Array;
  readonly userData?: Uint8Array;
  readonly nonce?: Uint8Array;
}

/** How a document may differ from a true one, for tests of the verifier. */
export interface NitroVariation {
  /** Write the payload as a map of indefinite length, as newer hypervisors do. */
  readonly indefinite?: boolean;
  /** Changes what a certificate is written from; the index counts from the root. */
  readonly certificate?: (fields: CertificateToWrite, index: number) => CertificateToWrite;
  /** Replaces members of the payload, each an encoded item; undefined leaves one out. */
  readonly members?: { readonly [name: string]: Uint8Array | undefined };
}

export interface SimulatedNitroEnclave {
  readonly moduleId: string;
  /** The id in verification results. */
  readonly hardwareId: string;
  /** DER, root first, the leaf last. */
  certificates(variation?: NitroVariation): readonly Uint8Array[];
  /** A signed COSE_Sign1, untagged. */
  document(fields: SimulatedNitroFields, variation?: NitroVariation): Uint8Array;
  /** A signed COSE_Sign1 around any payload. */
  sign(payload: Uint8Array): Uint8Array;
}

/** Makes an enclave; `validity` is that of every certificate but the root. */
export function simulatedNitroEnclave(seed: Uint8Array, validity: Validity): SimulatedNitroEnclave {
  const leafKey = deriveP384Key(seed, 'leaf');
  const instance = `i-${toHex(sha256(seed).subarray(0, 8))}`;
  const moduleId = `${instance}-enc0123456789abcdef`;
  const certificates = (variation: NitroVariation = {}): readonly Uint8Array[] => {
    const names = [ROOT_NAME, ...AUTHORITIES.map((name) => `${name}.aws.nitro-enclaves`), moduleId];
    const keys = [ROOT_NAME, ...AUTHORITIES].map(authorityKey);
    return names.map((name, index) => {
      const isLeaf = index === names.length - 1;
      const key = keys[index] ?? leafKey;
      const issuer = Math.max(index - 1, 0);
      const fields: CertificateToWrite = {
        serial: BigInt(index + 1),
        issuer: nameOf(names[issuer] ?? ROOT_NAME),
        subject: nameOf(name),
        validity: index === 0 ? { notBeforeMs: 1_572_269_285_000, notAfterMs: 2_519_044_085_000 } : validity,
        spki: spkiOf(key),
        extensions: isLeaf
          ? [basicConstraints(undefined), keyUsage('signature')]
          : [
              basicConstraints({ pathLength: index === 0 ? undefined : names.length - 2 - index }),
              keyUsage('authority'),
            ],
      };
      return writeX509(variation.certificate?.(fields, index) ?? fields, keys[issuer] ?? leafKey);
    });
  };
  const sign = (payload: Uint8Array): Uint8Array => {
    const signature = signEcdsa({ ...leafKey, message: nitroSignedBytes(payload) });
    return cborArray([cborBytes(NITRO_PROTECTED_HEADERS), cborHead(5, 0), cborBytes(payload), cborBytes(signature)]);
  };
  return {
    moduleId,
    hardwareId: hash('cloister/hardware-id/nitro-instance', utf8(instance)),
    certificates,
    sign,
    document: (fields, variation = {}) => sign(writePayload(moduleId, fields, certificates(variation), variation)),
  };
}

function writePayload(
  moduleId: string,
  fields: SimulatedNitroFields,
  certificates: readonly Uint8Array[],
  { indefinite = false, members = {} }: NitroVariation,
): Uint8Array {
  const optional = (bytes: Uint8Array | undefined): Uint8Array =>
    bytes === undefined ? Uint8Array.of(0xf6) : cborBytes(bytes);
  const locked = [...fields.pcrs.keys()].filter((index) => index >= LAUNCH_PCRS).sort((a, b) => a - b);
  const pcrs = [...Array(LAUNCH_PCRS).keys(), ...locked].map((index) => [
    cborHead(0, index),
    cborBytes(fields.pcrs.get(index) ?? new Uint8Array(48)),
  ]);
  const all: { readonly [name: string]: Uint8Array | undefined } = {
    module_id: cborText(moduleId),
    digest: cborText('SHA384'),
    timestamp: cborHead(0, fields.timestampMs),
    pcrs: concatBytes(cborHead(5, pcrs.length), ...pcrs.flat()),
    certificate: cborBytes(certificates[certificates.length - 1] ?? new Uint8Array()),
    cabundle: cborArray(certificates.slice(0, -1).map(cborBytes)),
    public_key: optional(fields.publicKey),
    user_data: optional(fields.userData),
    nonce: optional(fields.nonce),
    ...members,
  };
  const entries = Object.entries(all).flatMap(([name, item]) => (item === undefined ? [] : [cborText(name), item]));
  return indefinite
    ? concatBytes(Uint8Array.of(0xbf), ...entries, Uint8Array.of(0xff))
    : concatBytes(cborHead(5, entries.length / 2), ...entries);
}
