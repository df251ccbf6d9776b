/**
 * Holds fault evidence until a block carries it, and checks the evidence in blocks.
 *
 * One piece for each (signer, kind) of an epoch is recorded. A block may not carry a piece that one of its ancestors
 * carries, committed or not. So the pool and what it remembers are bounded by the number of validators.
 */
import {
  type Block,
  decodeFaultEvidence,
  encodeFaultEvidence,
  evidenceKey,
  type FaultEvidence,
  type FaultEvidenceCode,
  faultOf,
  type Header,
  MAX_EVIDENCE_AGE_VIEWS,
  type ValidatorSet,
  verifyFaultEvidence,
} from '@cloister/consensus';
import type { Digest } from '@cloister/encoding';
import { BLOCK_EVIDENCE_BYTES_MAX, BLOCK_EVIDENCE_MAX } from '../limits.ts';

export type EvidenceFault =
  | FaultEvidenceCode
  | 'EVIDENCE_TOO_MUCH'
  | 'EVIDENCE_MALFORMED'
  | 'EVIDENCE_REPEATED'
  | 'EVIDENCE_EPOCH'
  | 'EVIDENCE_OLD';

interface Waiting {
  readonly view: number;
  readonly bytes: Uint8Array;
}

export class EvidencePool {
  readonly #chainId: Digest;
  readonly #set: ValidatorSet;
  readonly #waiting = new Map<string, Waiting>();
  /** Keys in committed blocks. */
  readonly #recorded: Set<string>;

  /** `recorded`: keys of what the ledger states already. */
  constructor(chainId: Digest, set: ValidatorSet, recorded: Iterable<string>) {
    this.#chainId = chainId;
    this.#set = set;
    this.#recorded = new Set(recorded);
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Keeps verified evidence; says whether it is new. */
  add(evidence: FaultEvidence): boolean {
    const key = evidenceKey(evidence);
    if (this.#recorded.has(key) || this.#waiting.has(key)) return false;
    this.#waiting.set(key, { view: faultOf(evidence).view, bytes: encodeFaultEvidence(evidence) });
    return true;
  }

  /** For a block of this view on top of these uncommitted ancestors: as much as a body may hold, in count and in bytes. */
  select(view: number, ancestors: readonly Block[]): Uint8Array[] {
    if (this.#waiting.size === 0) return [];
    const named = keysOf(ancestors.flatMap(({ body }) => body.evidence));
    const selected: Uint8Array[] = [];
    let room = BLOCK_EVIDENCE_BYTES_MAX;
    for (const [key, waiting] of this.#waiting) {
      if (isOld(waiting.view, view)) this.#waiting.delete(key);
      else if (!named.has(key) && selected.length < BLOCK_EVIDENCE_MAX && waiting.bytes.length <= room) {
        selected.push(waiting.bytes);
        room -= waiting.bytes.length;
      }
    }
    return selected;
  }

  /** Why a block may not carry this evidence, or undefined. It depends on the block and its ancestors alone. */
  fault(
    evidence: readonly Uint8Array[],
    header: Pick<Header, 'view'>,
    ancestors: readonly Block[],
  ): EvidenceFault | undefined {
    if (evidence.length === 0) return undefined;
    const bytes = evidence.reduce((sum, piece) => sum + piece.length, 0);
    if (evidence.length > BLOCK_EVIDENCE_MAX || bytes > BLOCK_EVIDENCE_BYTES_MAX) return 'EVIDENCE_TOO_MUCH';
    const named = keysOf(ancestors.flatMap(({ body }) => body.evidence));
    for (const piece of evidence) {
      const decoded = decodeFaultEvidence(piece);
      if (!decoded.ok) return 'EVIDENCE_MALFORMED';
      const key = evidenceKey(decoded.value);
      if (named.has(key) || this.#recorded.has(key)) return 'EVIDENCE_REPEATED';
      named.add(key);
      const { epoch, view } = faultOf(decoded.value);
      if (epoch !== 0) return 'EVIDENCE_EPOCH';
      if (isOld(view, header.view)) return 'EVIDENCE_OLD';
      const verified = verifyFaultEvidence(this.#set, this.#chainId, decoded.value);
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

function isOld(view: number, inView: number): boolean {
  return inView - view > MAX_EVIDENCE_AGE_VIEWS;
}

function keysOf(evidence: readonly Uint8Array[]): Set<string> {
  const keys = new Set<string>();
  for (const bytes of evidence) {
    const decoded = decodeFaultEvidence(bytes);
    if (decoded.ok) keys.add(evidenceKey(decoded.value));
  }
  return keys;
}
