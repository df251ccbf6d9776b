/** The messages of the child of a trial, one line of JSON for each step. */
import type { ModelSignature } from '@cloister/confidential';
import type { EngineCode } from '@cloister/enclave';

/** The descriptor on which it says so; what the runtime prints goes elsewhere. */
export const TRIAL_DESCRIPTOR = 3;

/** How a run was fed: the owner's own tensors, or every number 0, or every number 1. */
export type TrialFeed = 'given' | 'zeros' | 'ones';

export type TrialRunCode = EngineCode | 'OUTPUT_NOT_FINITE' | 'OUTPUT_MISMATCH';

export type TrialLine =
  | ({ readonly step: 'loaded' } & ModelSignature)
  | { readonly step: 'ran'; readonly feed: TrialFeed }
  | {
      readonly step: 'not-run';
      readonly feed: TrialFeed;
      readonly code: TrialRunCode;
      readonly detail?: string | undefined;
    }
  | { readonly step: 'refused'; readonly code: EngineCode; readonly detail?: string | undefined }
  | { readonly step: 'done' };

/** What the child is told before the file's bytes: a line of JSON. */
export interface TrialOrder {
  readonly onnxBytes: number;
  /** Encoded tensors of the owner, which come after the file. */
  readonly tensorBytes: number;
  /** Inputs and outputs that the manifest names. */
  readonly signature: ModelSignature;
  readonly memoryBytesMax: number;
}
