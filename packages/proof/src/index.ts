/**
 * @cloister/proof: event proofs and standing, for enclaves and clients. Pure; runs in a browser.
 */
export {
  AUTHORITY_PROOF_BYTES_MAX,
  type AuthorityProof,
  decodeAuthorityProof,
  encodeAuthorityProof,
} from './authority-proof.ts';
export {
  decodeEventProof,
  EVENT_PROOF_BYTES_MAX,
  type EventProof,
  type EventProofCode,
  encodeEventProof,
  encodeEventProofParts,
  FINALITY_BYTES_MAX,
  PATH_HASHES_MAX,
  RECORD_BYTES_MAX,
  type VerifiedEvent,
  verifyEventProof,
} from './event-proof.ts';
export {
  decodeFactsProof,
  documentsOf,
  encodeFactsProof,
  FACTS_MAX,
  FACTS_PROOF_BYTES_MAX,
  type FactsProof,
  type FactsProofCode,
  type ProvenDocument,
  type VerifiedFacts,
  verifyFacts,
} from './facts-proof.ts';
export { lightClientOf } from './genesis-trust.ts';
export { sealedRequestOf } from './request-of-event.ts';
export {
  type AuthorisationCode,
  type Authorised,
  authoriseInference,
  authoriseModelKey,
  currentStanding,
  followHeader,
  launchedStanding,
  type OwnFactsCode,
  type OwnIdentity,
  type Standing,
  type StandingCode,
  showFacts,
} from './standing.ts';
