/**
 * Proof of what authorises an enclave: an event (a grant of a model's key, a request) and, under the very same header, the
 * facts on which it rests.
 *
 * The event says what was allowed once, the facts that it was not taken back up to the header's lastFinal, which covers the
 * event's own block. One header for both costs one check of signatures, and a host cannot show a new event beside old facts.
 */
import { encodeFinalityProof, type FinalityProof } from '@cloister/consensus';
import { ByteWriter, DecodeError, decodeWith, fail, type Result } from '@cloister/encoding';
import { EVENT_PROOF_BYTES_MAX, type IncludedRecord, readFinality, readRecord, writeRecord } from './event-proof.ts';
import { DOCUMENTS_BYTES_MAX, type ProvenDocument, readDocuments, writeDocuments } from './facts-proof.ts';

/** Bytes of an encoded proof. */
export const AUTHORITY_PROOF_BYTES_MAX: number = EVENT_PROOF_BYTES_MAX + DOCUMENTS_BYTES_MAX;

export interface AuthorityProof extends IncludedRecord {
  readonly finality: FinalityProof;
  readonly documents: readonly ProvenDocument[];
}

/** Version u8 = 1 ‖ var finality ‖ the event's record and path ‖ the documents and their paths. */
export function encodeAuthorityProof(proof: AuthorityProof): Uint8Array {
  const finality = encodeFinalityProof(proof.finality);
  const writer = new ByteWriter(finality.length + proof.recordBytes.length + 8192).u8(1).var(finality);
  return writeDocuments(writeRecord(writer, proof), proof.documents).finish();
}

/** The proof in `bytes`; nothing is verified yet. Never throws. */
export function decodeAuthorityProof(bytes: Uint8Array): Result<AuthorityProof, 'PROOF_MALFORMED'> {
  const decoded = decodeWith(bytes, (reader): AuthorityProof => {
    if (reader.u8() !== 1) throw new DecodeError('unknown version');
    return { finality: readFinality(reader), ...readRecord(reader), documents: readDocuments(reader) };
  });
  return decoded.ok ? decoded : fail('PROOF_MALFORMED', decoded.detail);
}
