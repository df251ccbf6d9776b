/**
 * The `Attester` port over a machine's evidence and its vendor's endorsements.
 */
import type { Attester, AttesterDescription, CollectedEvidence } from '@cloister/attestation';
import type { EndorsementSource, HeldEndorsements } from '../endorsements/endorsement-source.ts';
import { type EvidenceSource, productOf, REPORT_DATA_BYTES } from './evidence-source.ts';

export interface EndorsingAttesterOptions {
  readonly source: EvidenceSource;
  readonly endorsements: EndorsementSource;
  /** Milliseconds of the Unix epoch. */
  readonly now?: () => number;
}

export class EndorsingAttester implements Attester {
  readonly #source: EvidenceSource;
  readonly #endorsements: EndorsementSource;
  readonly #now: () => number;

  constructor({ source, endorsements, now = Date.now }: EndorsingAttesterOptions) {
    this.#source = source;
    this.#endorsements = endorsements;
    this.#now = now;
  }

  /** Looks at evidence over zeros, which leaves this function in no other way. `simulated` follows the trust anchors. */
  async describe(): Promise<AttesterDescription> {
    const raw = await this.#source.evidence(new Uint8Array(REPORT_DATA_BYTES));
    const { simulated } = this.#endorsements.trustAnchors;
    return { platform: raw.evidence.platform, product: productOf(raw), simulated };
  }

  /** Rejects with `AttesterError` when the machine gives no evidence, with `EndorsementError` when nobody endorses it. */
  async collect(reportData: Uint8Array): Promise<CollectedEvidence> {
    const { evidence, certificates } = await this.#source.evidence(reportData);
    const { endorsements } = await this.#endorsements.endorsementsFor(evidence, this.#now(), certificates);
    return { evidence, endorsements };
  }

  /** Endorsements of now for evidence that was collected before, and when to ask again. Rejects with `EndorsementError`. */
  async renewed({ evidence, endorsements }: CollectedEvidence): Promise<HeldEndorsements> {
    const offered = evidence.platform === 'sev-snp' ? endorsements.certificates : [];
    return this.#endorsements.endorsementsFor(evidence, this.#now(), offered);
  }
}
