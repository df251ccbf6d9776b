/**
 * The `Attester` port: how an enclave obtains evidence from the machine it runs on.
 *
 * Adapters live with the platforms (simulated process, configfs-tsm and others); all of them give the same wire formats.
 */
import type { Endorsements, Evidence, Platform } from './evidence.ts';

/** What an attester can do, for operators. */
export interface AttesterDescription {
  readonly platform: Platform;
  /** Product line, such as "Genoa". */
  readonly product: string;
  readonly simulated: boolean;
}

/** Evidence with the endorsements that the attester holds for it. */
export interface CollectedEvidence {
  readonly evidence: Evidence;
  readonly endorsements: Endorsements;
}

export interface Attester {
  describe(): Promise<AttesterDescription>;
  /** Evidence over exactly these 64 bytes (`reportDataFor`). Rejects when the platform fails. */
  collect(reportData: Uint8Array): Promise<CollectedEvidence>;
}
