/**
 * Evidence of faults that waits for a block, and the check of evidence in a block.
 */
import {
  type Block,
  decodeEvidence,
  type Evidence,
  type EvidenceCode,
  encodeEvidence,
  evidenceKey,
  evidenceRound,
  type ValidatorSet,
  verifyEvidence,
} from '@cloister/consensus';
import type { Digest } from '@cloister/crypto';
import { BLOCK_EVIDENCE_MAX } from './limits.ts';

export type EvidenceFault =
  | EvidenceCode
  | 'EVIDENCE_TOO_MUCH'
  | 'EVIDENCE_MALFORMED'
  | 'EVIDENCE_REPEATED'
  | 'EVIDENCE_EPOCH';

/** Faults kept for a block at once: a signer can be proven faulty in every view, and once is enough. */
const POOL_MAX = 256;

export class EvidencePool {
  readonly #chainId: Digest;
  readonly #set: ValidatorSet;
  readonly #waiting = new Map<string, Uint8Array>();
  readonly #recorded = new Set<string>();

  constructor(chainId: Digest, set: ValidatorSet) {
    this.#chainId = chainId;
    this.#set = set;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(evidence: Evidence): void {
    const key = evidenceKey(evidence);
    if (this.#recorded.has(key) || this.#waiting.size >= POOL_MAX) return;
    this.#waiting.set(key, encodeEvidence(evidence));
  }

  /** For a block on top of these uncommitted ancestors. */
  select(ancestors: readonly Block[]): Uint8Array[] {
    if (this.#waiting.size === 0) return [];
    const named = keysOf(ancestors.flatMap(({ body }) => body.evidence));
    const selected = [...this.#waiting].filter(([key]) => !named.has(key));
    return selected.slice(0, BLOCK_EVIDENCE_MAX).map(([, bytes]) => bytes);
  }

  /**
   * Why a block may not carry this evidence, or undefined. Evidence that an earlier, committed block carries is useless
   * and not a fault: what this node remembers of those differs after a restart.
   */
  fault(evidence: readonly Uint8Array[], ancestors: readonly Block[]): EvidenceFault | undefined {
    if (evidence.length === 0) return undefined;
    if (evidence.length > BLOCK_EVIDENCE_MAX) return 'EVIDENCE_TOO_MUCH';
    const named = keysOf(ancestors.flatMap(({ body }) => body.evidence));
    for (const bytes of evidence) {
      const decoded = decodeEvidence(bytes);
      if (!decoded.ok) return 'EVIDENCE_MALFORMED';
      const key = evidenceKey(decoded.value);
      if (named.has(key)) return 'EVIDENCE_REPEATED';
      named.add(key);
      if (evidenceRound(decoded.value).epoch !== 0) return 'EVIDENCE_EPOCH';
      const verified = verifyEvidence(this.#set, this.#chainId, decoded.value);
      if (!verified.ok) return verified.code;
    }
    return undefined;
  }

  /** A committed block carries it. */
  commit(evidence: readonly Uint8Array[]): void {
    for (const key of keysOf(evidence)) {
      this.#recorded.add(key);
      this.#waiting.delete(key);
    }
  }
}

function keysOf(evidence: readonly Uint8Array[]): Set<string> {
  const keys = new Set<string>();
  for (const bytes of evidence) {
    const decoded = decodeEvidence(bytes);
    if (decoded.ok) keys.add(evidenceKey(decoded.value));
  }
  return keys;
}
