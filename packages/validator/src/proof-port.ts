import type { FactSubject } from '@cloister/ledger';

/** Proofs for the enclave, in the wire form of @cloister/proof, which this package does not import. */
export interface ProofPort {
  /**
   * An encoded AuthorityProof, under the newest finalized header, of the event at `sequence` and of those subjects that
   * there are; undefined while the event is not provable.
   */
  authority(sequence: number, subjects: readonly FactSubject[]): Promise<Uint8Array | undefined>;
  /** An encoded FinalityProof of the newest finalized header, or undefined before the first. */
  latestFinality(): Promise<Uint8Array | undefined>;
  /** An encoded FactsProof under the newest finalized header of those subjects that there are; undefined while there is none. */
  facts(subjects: readonly FactSubject[]): Promise<Uint8Array | undefined>;
}
