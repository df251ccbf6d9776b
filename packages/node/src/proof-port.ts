/** Proofs for the enclave and the API, over the chain's reader: in the wire form of @cloister/proof. */
import { encodeFinalityProof } from '@cloister/consensus';
import type { Height, KeyedTree } from '@cloister/crypto';
import { documentsOf, encodeEventProofParts, encodeFactsProof } from '@cloister/proof';
import { buildEventProofParts, type ChainReader, type ProofPort } from '@cloister/validator';

/** An encoded EventProof of the event at `sequence`; undefined while it is not provable. */
export async function proveEvent(chain: ChainReader, sequence: number): Promise<Uint8Array | undefined> {
  const parts = await buildEventProofParts(chain, sequence);
  if (parts === undefined) return undefined;
  const { finality, recordBytes, index, path } = parts;
  return encodeEventProofParts({ finality, recordBytes, index, proof: path });
}

/** `factsAt` gives the facts of the state after an executed height, while they are kept. */
export function createProofPort(chain: ChainReader, factsAt: (height: Height) => KeyedTree): ProofPort {
  return {
    latestFinality: async () => {
      const finality = await chain.latestFinality();
      return finality === undefined ? undefined : encodeFinalityProof(finality);
    },
    facts: async (subjects) => {
      const finality = await chain.latestFinality();
      const tree = finality === undefined ? undefined : factsAt(finality.header.lastFinal.height);
      if (finality === undefined || tree === undefined) return undefined;
      return encodeFactsProof({ finality, documents: documentsOf(tree, subjects) });
    },
    eventProof: (sequence) => proveEvent(chain, sequence),
  };
}
