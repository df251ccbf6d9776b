/**
 * A cache of authenticated endorsements, passed in by callers who appraise often.
 *
 * Keys are digests of everything the answer depends on, entries never depend on time, and only successes are kept, so
 * that an appraisal gives the same answer with any cache or none.
 */
import { BoundedMap, type Digest, ok, type Result } from '@cloister/encoding';
import type { PckChain } from '../formats/intel/paths.ts';
import type { QeIdentity } from '../formats/intel/qe-identity.ts';
import type { TcbInfo } from '../formats/intel/tcb-info.ts';
import type { SnpChain } from '../formats/sev-snp/endorsement-chain.ts';
import type { CertificatePath } from '../x509/certificate-path.ts';
import type { Crl } from '../x509/crl.ts';

/** The part of a Map that the cache needs. */
export interface CacheEntries<T> {
  get(key: Digest): T | undefined;
  set(key: Digest, value: T): unknown;
}

/** Authenticated endorsements by digest. */
export interface EndorsementCache {
  readonly snpChains: CacheEntries<SnpChain>;
  readonly crls: CacheEntries<Crl>;
  /** Certificates of ECDSA paths under the key that signed them. */
  readonly certificates: CacheEntries<true>;
  readonly nitroPaths: CacheEntries<CertificatePath>;
  readonly intelPaths: CacheEntries<CertificatePath>;
  /** By the certification data of quotes. */
  readonly pckChains: CacheEntries<PckChain>;
  /** Attestation keys that a quoting enclave under a PCK vouches for. */
  readonly quotingEnclaves: CacheEntries<true>;
  readonly tcbInfos: CacheEntries<TcbInfo>;
  readonly qeIdentities: CacheEntries<QeIdentity>;
}

/** The entry of `key`, else what `compute` answers, kept when it is a success. */
export function throughCache<T, C extends string>(
  entries: CacheEntries<T> | undefined,
  key: () => Digest,
  compute: () => Result<T, C>,
): Result<T, C> {
  if (entries === undefined) return compute();
  const digest = key();
  const known = entries.get(digest);
  if (known !== undefined) return ok(known);
  const computed = compute();
  if (computed.ok) entries.set(digest, computed.value);
  return computed;
}

/** An empty cache that drops its oldest entries beyond `capacity` of each kind. */
export function createEndorsementCache(capacity = 256): EndorsementCache {
  return {
    snpChains: new BoundedMap(capacity),
    crls: new BoundedMap(capacity),
    certificates: new BoundedMap(capacity),
    nitroPaths: new BoundedMap(capacity),
    intelPaths: new BoundedMap(capacity),
    pckChains: new BoundedMap(capacity),
    quotingEnclaves: new BoundedMap(capacity),
    tcbInfos: new BoundedMap(capacity),
    qeIdentities: new BoundedMap(capacity),
  };
}
