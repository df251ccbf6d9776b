/**
 * @cloister/crypto: canonical encoding, digests, signatures, Merkle trees, sealing and branded ids.
 */

export type {
  EcdsaCurve,
  EcdsaVerification,
  HashStream,
  RsaPssVerification,
  SignatureHash,
} from './backends/backend.ts';
export { hash, hashBytes, hkdfSha256, hmacSha256, sha256, sha256Stream, sha384, sha512 } from './digests.ts';
export { SeededRandom } from './random.ts';
export { aesGcmOpen, aesGcmSeal } from './sealing/aead.ts';
export {
  HPKE_SEALED_KEY_BYTES,
  hpkeOpen,
  hpkeSeal,
  isAcceptableX25519Key,
  type X25519KeyPair,
  x25519KeyPair,
} from './sealing/hpke.ts';
export { ecdsaPublicKey, signEcdsa, verifyEcdsa } from './signatures/ecdsa.ts';
export {
  type Ed25519KeyPair,
  ed25519KeyPair,
  isAcceptableEd25519Key,
  verifyEd25519,
  verifyEd25519Exact,
} from './signatures/ed25519.ts';
export { signRsaPss, verifyRsaPss } from './signatures/rsa.ts';
export {
  KEYED_PROOF_HASHES_MAX,
  type KeyedEntry,
  type KeyedTree,
  keyedEntry,
  keyedRoot,
  verifyKeyedEntry,
  withKeyedEntry,
} from './trees/keyed-tree.ts';
export {
  appendLeaf,
  appendWithNodes,
  consistencyProof,
  EMPTY_ROOT,
  emptyFrontier,
  frontierRoot,
  type GetMerkleNode,
  inclusionProof,
  leafHash,
  type MerkleFrontier,
  type MerkleNode,
  merkleRoot,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from './trees/merkle.ts';
