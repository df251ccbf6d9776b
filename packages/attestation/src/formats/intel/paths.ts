/**
 * Intel's certificate paths: to a platform's PCK certificate, to the signer of TCB info and QE identity, and to the
 * issuer of PCK certificates.
 */

import { hash } from '@cloister/crypto';
import { equalBytes, fail, ok, parseUtf8, type Result, utf8 } from '@cloister/encoding';
import type { EndorsementCache } from '../../endorsements/endorsement-cache.ts';
import { anchorBytes, type TrustAnchors } from '../../policy/trust-anchors.ts';
import { type CacheEntries, throughCache } from '../../x509/cache-entries.ts';
import { authenticatePath, type PathCode, type PathProfile, pathValidity } from '../../x509/certificate-path.ts';
import { parsePem } from '../../x509/pem.ts';
import { extensionValue, type ParsedCertificate } from '../../x509/x509.ts';
import type { PckChain, ValidPath } from './pck-chain.ts';
import { parsePckExtension, SGX_EXTENSION_OID } from './pck-extension.ts';
import { type Prefixed, prefixed } from './prefixed.ts';
import { CERTIFICATION_TYPES, type IntelQuote } from './quote.ts';

const ROOT_NAMES = ['Intel SGX Root CA'];
const PCK_CA_NAMES = ['Intel SGX PCK Platform CA', 'Intel SGX PCK Processor CA'];
const COMMON: Pick<PathProfile, 'platform' | 'curve' | 'hash'> = {
  platform: 'sgx-tdx',
  curve: 'P-256',
  hash: 'sha256',
};

const PCK_PROFILE: PathProfile = {
  ...COMMON,
  minimumLength: 3,
  maximumLength: 3,
  commonNames: [ROOT_NAMES, PCK_CA_NAMES, ['Intel SGX PCK Certificate']],
};

const TCB_SIGNER_PROFILE: PathProfile = {
  ...COMMON,
  minimumLength: 2,
  maximumLength: 2,
  commonNames: [ROOT_NAMES, ['Intel SGX TCB Signing']],
};

const PCK_CA_PROFILE: PathProfile = {
  ...COMMON,
  minimumLength: 2,
  maximumLength: 2,
  commonNames: [ROOT_NAMES, PCK_CA_NAMES],
  endsInAuthority: true,
};

/** What every check of Intel endorsements needs. */
export interface PathContext {
  readonly trustAnchors: TrustAnchors;
  /** Milliseconds of the Unix epoch. */
  readonly atMs: number;
  readonly cache?: EndorsementCache | undefined;
  /** In place of the cache's: signatures that paths of one verification have in common. */
  readonly certificates?: CacheEntries<true> | undefined;
}

function verifyPath<P extends string>(
  prefix: P,
  leafFirst: readonly Uint8Array[],
  profile: PathProfile,
  { trustAnchors, atMs, cache, certificates = cache?.certificates }: PathContext,
): Result<ValidPath, Prefixed<P, PathCode>> {
  const rootFirst = [...leafFirst].reverse();
  const authenticated = throughCache(
    cache?.intelPaths,
    () => hash('cloister/cache/intel-path', utf8(JSON.stringify(profile)), anchorBytes(trustAnchors), ...rootFirst),
    () => {
      // Copied, because an entry outlives the bytes of the caller.
      const copies = cache === undefined ? rootFirst : rootFirst.map((der) => der.slice());
      return authenticatePath(copies, profile, trustAnchors, certificates);
    },
  );
  if (!authenticated.ok) return prefixed(prefix, authenticated);
  const path = authenticated.value;
  const validity = pathValidity(path, atMs);
  if (!validity.ok) return prefixed(prefix, validity);
  return ok({ root: path[0], end: path[path.length - 1] ?? path[0], path, validUntilMs: validity.value });
}

export type PckChainCode =
  | 'PCK_CHAIN_ABSENT'
  | 'PCK_CHAIN_PEM_MALFORMED'
  | Prefixed<'PCK_CHAIN', PathCode>
  | 'PCK_EXTENSION_MISSING'
  | 'PCK_EXTENSION_MALFORMED';

/** The chain in a quote's certification data, valid at the instant. */
export function verifyPckChain(quote: IntelQuote, context: PathContext): Result<PckChain, PckChainCode> {
  const { certificationType, certificationData } = quote;
  if (certificationType !== CERTIFICATION_TYPES.pckChain) {
    return fail('PCK_CHAIN_ABSENT', `certification data of type ${certificationType}`);
  }
  const { cache, trustAnchors, atMs } = context;
  if (cache === undefined) return readPckChain(certificationData, context);
  const key = hash('cloister/cache/pck-chain', anchorBytes(trustAnchors), certificationData);
  const known = cache.pckChains.get(key);
  if (known !== undefined) {
    const validity = pathValidity(known.path, atMs);
    return validity.ok ? ok(known) : prefixed('PCK_CHAIN', validity);
  }
  const chain = readPckChain(certificationData, context);
  if (chain.ok) cache.pckChains.set(key, chain.value);
  return chain;
}

function readPckChain(certificationData: Uint8Array, context: PathContext): Result<PckChain, PckChainCode> {
  const leafFirst = parseChainText(certificationData);
  if (leafFirst === undefined) return fail('PCK_CHAIN_PEM_MALFORMED');
  const verified = verifyPath('PCK_CHAIN', leafFirst, PCK_PROFILE, context);
  if (!verified.ok) return verified;
  const [, issuer, leaf] = verified.value.path;
  if (issuer === undefined || leaf?.publicKey?.type !== 'ec') return fail('PCK_CHAIN_CERTIFICATE_KEY', 'leaf');
  const value = extensionValue(leaf, SGX_EXTENSION_OID);
  if (value === undefined) return fail('PCK_EXTENSION_MISSING');
  const extension = parsePckExtension(value);
  if (extension === undefined) return fail('PCK_EXTENSION_MALFORMED');
  return ok({ ...verified.value, issuer, extension, point: leaf.publicKey.point });
}

/** The DER certificates of certification data, leaf first: PEM, which Intel's library ends with a zero byte. */
export function parseChainText(data: Uint8Array): readonly Uint8Array[] | undefined {
  let end = data.length;
  while (end > 0 && data[end - 1] === 0) end--;
  const text = parseUtf8(data.subarray(0, end));
  return text === undefined ? undefined : parsePem(text, 'CERTIFICATE');
}

/** The chain of whoever signed TCB info or QE identity. */
export function verifySignerChain<P extends string>(
  prefix: P,
  leafFirst: readonly Uint8Array[],
  context: PathContext,
): Result<ValidPath, Prefixed<P, PathCode>> {
  return verifyPath(prefix, leafFirst, TCB_SIGNER_PROFILE, context);
}

export type PckCrlChainCode = Prefixed<'PCK_CRL_CHAIN', PathCode> | 'PCK_CRL_CHAIN_MISMATCH';

/** The chain of an authority that issues PCK certificates, as it comes with that authority's CRL. */
export function verifyPckIssuerChain(
  leafFirst: readonly Uint8Array[],
  context: PathContext,
): Result<ValidPath, Prefixed<'PCK_CRL_CHAIN', PathCode>> {
  return verifyPath('PCK_CRL_CHAIN', leafFirst, PCK_CA_PROFILE, context);
}

/** The chain that came with the PCK CRL must lead to the very authority that issued the PCK certificate. */
export function verifyPckCrlChain(
  leafFirst: readonly Uint8Array[],
  issuer: ParsedCertificate,
  context: PathContext,
): Result<ValidPath, PckCrlChainCode> {
  const verified = verifyPckIssuerChain(leafFirst, context);
  if (!verified.ok) return verified;
  const { subject, spki } = verified.value.end;
  return equalBytes(subject, issuer.subject) && equalBytes(spki, issuer.spki)
    ? verified
    : fail('PCK_CRL_CHAIN_MISMATCH');
}
