/**
 * A cache of authenticated endorsements, passed in by callers who appraise often.
 *
 * Keys are digests of everything the answer depends on, entries never depend on time, and only successes are kept, so
 * that an appraisal gives the same answer with any cache or none.
 */

import { BoundedMap } from '@cloister/encoding';
import type { PckChain } from '../formats/intel/pck-chain.ts';
import type { QeIdentity } from '../formats/intel/qe-identity.ts';
import type { TcbInfo } from '../formats/intel/tcb-info.ts';
import type { SnpChain } from '../formats/sev-snp/endorsement-chain.ts';
import type { CacheEntries } from '../x509/cache-entries.ts';
import type { CertificatePath } from '../x509/certificate-path.ts';
import type { Crl } from '../x509/crl.ts';

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
