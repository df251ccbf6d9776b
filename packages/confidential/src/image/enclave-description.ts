import type { AccountId, Digest, Height, Measurement } from '@cloister/encoding';

/** What an enclave says of itself. Nothing here is trusted: `verifyLocalEnclave` appraises evidence instead. */
export interface EnclaveDescription {
  readonly nodeId: AccountId;
  readonly platform: string;
  readonly simulated: boolean;
  /** False when the enclave process is only separated by the runtime's permission model: status says UNISOLATED. */
  readonly isolated: boolean;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly imageName: string;
  readonly imageVersion: string;
  readonly keyset: Digest;
  /** 64 hex characters each. */
  readonly hpkeKey: string;
  readonly signKey: string;
  readonly phase: 'launched' | 'attested' | 'serving';
  /** Height of the newest header that the enclave's own light client accepted; 0 at launch. */
  readonly trustedHeight: Height;
  /** Models whose weights are loaded. */
  readonly models: readonly Digest[];
}
