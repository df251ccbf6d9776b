/**
 * Remembers the last full proof of the local enclave, and for how long it need not be made again.
 *
 * A proof holds for one keyset under one policy with one set of endorsements, and not beyond its age limit. While it
 * holds, a fresh challenge signed by the attested key shows that the same enclave still answers: its key was made in
 * the measured process and dies with it.
 */
import type { AttestationResult } from '@cloister/attestation';
import type { AccountId } from '@cloister/encoding';
import { type Attestation, eligible, type LedgerState } from '@cloister/ledger';
import type { ClockPort } from './ports.ts';

/** The largest age of evidence on which an execution may rest, in milliseconds. */
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

  /** The proof and the ledger's attestation, if nothing that the proof rests on has changed at this height. */
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
