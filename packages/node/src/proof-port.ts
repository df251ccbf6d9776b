/** Proofs for the enclave and the API, over the chain's reader: in the wire form of @cloister/proof. */
import { encodeFinalityProof } from '@cloister/consensus';
import { encodeEventProofParts } from '@cloister/proof';
import { buildEventProofParts, type ChainReader, type ProofPort } from '@cloister/validator';

export function createProofPort(chain: ChainReader): ProofPort {
  return {
    latestFinality: async () => {
      const finality = await chain.latestFinality();
      return finality === undefined ? undefined : encodeFinalityProof(finality);
    },
    eventProof: async (sequence) => {
      const parts = await buildEventProofParts(chain, sequence);
      if (parts === undefined) return undefined;
      const { finality, recordBytes, index, path } = parts;
      return encodeEventProofParts({ finality, recordBytes, index, proof: path });
    },
  };
}
