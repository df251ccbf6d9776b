/**
 * When this node's enclave must speak to the ledger, and when the ledger's answer must be shown to the enclave: a pure
 * function of the agreed state and of what the enclave says about itself.
 */
import type { AccountId } from '@cloister/crypto';
import { type Attestation, isStanding, type LedgerEvent, type LedgerState, networkOf } from '@cloister/ledger';
import type { EnclaveDescription } from './ports.ts';

/** What to do next for the node's attestation. */
export type AttestationAction =
  | { readonly type: 'none' }
  /** Full evidence for the ledger. */
  | {
      readonly type: 'submit';
      readonly reason: 'never-attested' | 'keyset-changed' | 'evicted' | 'lapsed' | 'ageing' | 'expiring';
    }
  /** A signed sign of life. */
  | { readonly type: 'refresh' }
  /** Show the enclave this event: the acceptance of its evidence, or the newest about it since. */
  | { readonly type: 'accept'; readonly sequence: number };

export interface AttestationQuestion {
  readonly state: LedgerState;
  readonly self: AccountId;
  readonly enclave: Pick<EnclaveDescription, 'keyset'>;
  /** Events with lower sequences are covered by a finalized header. */
  readonly provableCount: number;
  /** Sequence of the newest event about this node's attestation that the enclave was shown. */
  readonly shownSequence: number | undefined;
}

/** What the enclave goes by, as far as it was shown. */
export interface ShownAttestation {
  /** Of the newest event about this node's attestation that it was shown. */
  readonly sequence: number;
  readonly validUntilHeight: number;
  readonly validUntilMs: number;
}

/** After one more event about this node's attestation, the acceptance first. */
export function shownAfter(
  shown: ShownAttestation | undefined,
  sequence: number,
  event: LedgerEvent,
): ShownAttestation | undefined {
  if (event.type === 'AttestationAccepted') {
    const { validUntilHeight, validUntilMs } = event;
    return { sequence, validUntilHeight, validUntilMs };
  }
  if (shown === undefined || event.type !== 'AttestationReappraised') return shown && { ...shown, sequence };
  return {
    sequence,
    validUntilHeight: Math.min(shown.validUntilHeight, event.validUntilHeight),
    validUntilMs: Math.min(shown.validUntilMs, event.validUntilMs),
  };
}

/**
 * Whether the events between those shown and the newest must be shown as well. A refresh says nothing of a validity that a
 * re-appraisal shortened, and a re-appraisal extends no life as a refresh before it did; an eviction cannot wait.
 */
export function mustShowBetween(
  shown: ShownAttestation | undefined,
  newest: LedgerEvent,
  held: Pick<Attestation, 'validUntilHeight' | 'standsUntilMs'> | undefined,
): boolean {
  if (shown === undefined || held === undefined) return false;
  if (newest.type === 'AttestationReappraised') return true;
  const shorter = held.validUntilHeight < shown.validUntilHeight || held.standsUntilMs < shown.validUntilMs;
  return newest.type === 'AttestationRefreshed' && shorter;
}

/** Evidence is renewed when so little of its time is left, in milliseconds. */
const EXPIRY_MARGIN_MS = 60 * 60 * 1000;
/** New evidence only helps when the platform has newer endorsements by then: not again and again in the last hour. */
const RENEWAL_PAUSE_MS = 10 * 60 * 1000;

/** Share of a window after which the next evidence or refresh is due. */
function marginOf(windowBlocks: number): number {
  return Math.max(2, Math.floor(windowBlocks / 3));
}

export function planAttestation(question: AttestationQuestion): AttestationAction {
  const { state, self, enclave, provableCount, shownSequence } = question;
  const { maxAgeBlocks, refreshWindowBlocks } = networkOf(state).appraisalPolicy;
  const current = state.attestations.get(self);
  if (current === undefined) return { type: 'submit', reason: 'never-attested' };
  if (current.keyset !== enclave.keyset) return { type: 'submit', reason: 'keyset-changed' };
  if (current.evicted !== null) return planEvicted(current, provableCount, shownSequence);
  if (!isStanding(current, state.height, state.timeMs)) return { type: 'submit', reason: 'lapsed' };
  const ageMargin = marginOf(maxAgeBlocks);
  if (state.height > current.validUntilHeight - ageMargin) return { type: 'submit', reason: 'ageing' };
  // The enclave goes by the earliest end that it was shown, even if newer endorsements moved it on since.
  const expiring = state.timeMs >= current.standsUntilMs - EXPIRY_MARGIN_MS;
  const tried = state.timeMs < current.acceptedTimeMs + RENEWAL_PAUSE_MS;
  if (expiring && !tried) return { type: 'submit', reason: 'expiring' };
  if (state.height > current.aliveUntilHeight - marginOf(refreshWindowBlocks)) return { type: 'refresh' };
  const newest = current.newestSequence;
  if (shownSequence === undefined || shownSequence < current.sequence) {
    return current.sequence < provableCount ? { type: 'accept', sequence: current.sequence } : { type: 'none' };
  }
  return newest > shownSequence && newest < provableCount ? { type: 'accept', sequence: newest } : { type: 'none' };
}

/** The enclave is told first, so that it stops by itself; then new evidence may bring the node back. */
function planEvicted(
  { sequence, newestSequence }: Attestation,
  provableCount: number,
  shownSequence: number | undefined,
): AttestationAction {
  const next = shownSequence === undefined || shownSequence < sequence ? sequence : newestSequence;
  const tells = next !== shownSequence && next < provableCount;
  return tells ? { type: 'accept', sequence: next } : { type: 'submit', reason: 'evicted' };
}
