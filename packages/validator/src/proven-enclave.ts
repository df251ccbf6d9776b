/**
 * The last full proof of the local enclave, and for how long it need not be made again.
 *
 * A proof stands for one keyset under one policy with one set of endorsements, and no longer than its bound of age. While it
 * stands, a fresh challenge signed by the attested key shows that the same enclave still answers: its key was made in the
 * measured process and dies with it.
 */
import type { AttestationResult } from '@cloister/attestation';
import type { AccountId } from '@cloister/encoding';
import { type Attestation, eligible, type LedgerState } from '@cloister/ledger';
import type { ClockPort } from './ports.ts';

/** Oldest evidence on which an execution rests, in milliseconds. */
export const QUOTE_AGE_MS_MAX = 60_000;

interface Proof {
  readonly result: AttestationResult;
  readonly policyDigest: LedgerState['policyDigest'];
  readonly bundle: Attestation['bundle'];
  readonly atMs: number;
}

export class ProvenEnclave {
  readonly #clock: Pick<ClockPort, 'monotonicMs'>;
  #proof: Proof | undefined;

  constructor(clock: Pick<ClockPort, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** The enclave was proven in full against this state. */
  proven(state: LedgerState, node: AccountId, result: AttestationResult): void {
    const bundle = state.attestations.get(node)?.bundle;
    if (bundle === undefined) return;
    this.#proof = { result, policyDigest: state.policyDigest, bundle, atMs: this.#clock.monotonicMs() };
  }

  /** What was proven, with the ledger's attestation, if both stand at this height: nothing that the proof rests on has changed. */
  provenAttestation(
    state: LedgerState,
    node: AccountId,
  ): { result: AttestationResult; attestation: Attestation } | undefined {
    const proof = this.#proof;
    if (proof === undefined || this.#clock.monotonicMs() - proof.atMs > QUOTE_AGE_MS_MAX) return undefined;
    const { keyset } = proof.result;
    const answer = eligible({ state, validator: node, keyset, height: state.height, timeMs: state.timeMs });
    if (!answer.eligible || proof.policyDigest !== state.policyDigest) return undefined;
    const { attestation } = answer;
    return attestation.bundle === proof.bundle ? { result: proof.result, attestation } : undefined;
  }
}
