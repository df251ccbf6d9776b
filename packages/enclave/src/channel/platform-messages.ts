/**
 * What an enclave and its platform say to each other, over a channel that the validator process does not hold.
 *
 * Node's own channel between a process and the child it starts: besides values it passes descriptors, so that an engine's
 * channel reaches the vault without the platform in between.
 */
import type { CollectedEvidence, Platform } from '@cloister/attestation';
import type { Measurement } from '@cloister/encoding';

/** First message of the platform: what this enclave is. */
export interface LaunchMessage {
  readonly type: 'launch';
  /** Manifest of the image that the platform measured, as it stands. */
  readonly manifest: Uint8Array;
  readonly genesis: Uint8Array;
  /** Account of the node that hosts the enclave. */
  readonly nodeId: string;
  readonly platform: Platform;
  /** Product line of the machine, as attestation results name it. */
  readonly product: string;
  /** Whether it is SIMULATED. */
  readonly simulated: boolean;
  /** What evidence of this platform shows for the image. */
  readonly measurement: Measurement;
  readonly isolated: boolean;
}

/** Evidence over the report data of the `collect` message of the same id. */
interface EvidenceMessage extends CollectedEvidence {
  readonly type: 'evidence';
  readonly id: number;
}

/** A new engine, with the vault's end of its channel. */
interface EngineStartedMessage {
  readonly type: 'engine-started';
  readonly id: number;
  readonly engine: number;
}

/** A `collect` or `start-engine` failed. */
interface FailureMessage {
  readonly type: 'failed';
  readonly id: number;
}

export type PlatformMessage = LaunchMessage | EvidenceMessage | EngineStartedMessage | FailureMessage;

export type EnclaveMessage =
  /** The keys are made and the channel to the validator is open. */
  | { readonly type: 'launched' }
  /** The launch message cannot be used; `code` says why. */
  | { readonly type: 'refused'; readonly code: string }
  /** Asks for evidence over 64 bytes. */
  | { readonly type: 'collect'; readonly id: number; readonly reportData: Uint8Array }
  | { readonly type: 'start-engine'; readonly id: number }
  | { readonly type: 'stop-engine'; readonly engine: number };
