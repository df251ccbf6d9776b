/** Proofs for the enclave and the API, over the chain's reader: in the wire form of @cloister/proof. */
import { encodeFinalityProof } from '@cloister/consensus';
import type { KeyedTree } from '@cloister/crypto';
import type { Height } from '@cloister/encoding';
import type { FactSubject } from '@cloister/ledger';
import {
  documentsOf,
  encodeAuthorityProof,
  encodeEventProofParts,
  encodeFactsProof,
  type FactsProof,
} from '@cloister/proof';
import { buildEventProofParts, buildRecordProof, type ChainReader } from '@cloister/replica';
import type { ProofPort } from '@cloister/validator';

/** An encoded EventProof of the event at `sequence`; undefined while it is not provable. */
export async function proveEvent(chain: ChainReader, sequence: number): Promise<Uint8Array | undefined> {
  const parts = await buildEventProofParts(chain, sequence);
  if (parts === undefined) return undefined;
  const { finality, recordBytes, index, path } = parts;
  return encodeEventProofParts({ finality, recordBytes, index, proof: path });
}

/** `factsAt` gives the facts of the state after an executed height, while they are kept. */
export function createProofPort(chain: ChainReader, factsAt: (height: Height) => KeyedTree): ProofPort {
  /** The newest final header, with the documents of those subjects that there are. */
  async function proveFacts(subjects: readonly FactSubject[]): Promise<FactsProof | undefined> {
    const finality = await chain.latestFinality();
    const tree = finality === undefined ? undefined : factsAt(finality.header.lastFinal.height);
    return finality === undefined || tree === undefined
      ? undefined
      : { finality, documents: documentsOf(tree, subjects) };
  }
  return {
    latestFinality: async () => {
      const finality = await chain.latestFinality();
      return finality === undefined ? undefined : encodeFinalityProof(finality);
    },
    facts: async (subjects) => {
      const facts = await proveFacts(subjects);
      return facts === undefined ? undefined : encodeFactsProof(facts);
    },
    authority: async (sequence, subjects) => {
      const facts = await proveFacts(subjects);
      const record = facts === undefined ? undefined : await buildRecordProof(chain, sequence, facts.finality.header);
      if (facts === undefined || record === undefined) return undefined;
      const { recordBytes, index, path } = record;
      return encodeAuthorityProof({ ...facts, recordBytes, index, proof: path });
    },
  };
}
