/**
 * The attestation result: what relying parties act on, and all they act on.
 */

import type { Digest, JsonValue, Measurement } from '@cloister/encoding';
import type { CrlSeen, StatementSeen } from '../endorsements/endorsement-floors.ts';
import type { Platform } from '../evidence/evidence.ts';
import type { RuntimeData } from '../evidence/runtime-data.ts';
import type { TcbStatus } from './requirements.ts';

/** Evidence that passed every check of the policy. Times are milliseconds of the Unix epoch. */
export interface AttestationResult {
  readonly platform: Platform;
  /** True: made under simulated anchors; no guarantee. */
  readonly simulated: boolean;
  /** sev-snp: product line; sgx and tdx: FMSPC in lower-case hex; nitro: 'nitro'. */
  readonly product: string;
  /** Hex of the platform's own id; one platform, one validator. */
  readonly hardwareId: string;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly runtime: RuntimeData;
  readonly keyset: Digest;
  /** Names evidence and runtime data (`evidenceDigest`). */
  readonly evidenceDigest: Digest;
  /**
   * SVNs by which the platform was judged. sev-snp: reported, committed, current and launch TCB; sgx and tdx: components,
   * pceSvn, qeIsvSvn, tcbEvaluationDataNumber, and for a TD teeTcbSvn and, from TD 1.5 on, teeTcbSvn2; nitro: nothing.
   */
  readonly tcb: { readonly [member: string]: JsonValue };
  readonly status: TcbStatus;
  readonly advisories: readonly string[];
  /** Min of every nextUpdate and notAfter: the last instant at which every endorsement is valid. */
  readonly validUntilMs: number;
  readonly crls: readonly CrlSeen[];
  readonly statements: readonly StatementSeen[];
  /** The same in EAT claim names (RFC 9711), for export. */
  readonly claims: { readonly [claim: string]: JsonValue };
}
