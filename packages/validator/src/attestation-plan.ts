/**
 * When this node's enclave must speak to the ledger, and when the ledger's answer must be shown to the enclave: a pure
 * function of the agreed state and of what the enclave says about itself.
 */
import type { AccountId } from '@cloister/crypto';
import { type LedgerState, lapseReasons, networkOf } from '@cloister/ledger';
import type { EnclaveDescription } from './ports.ts';

/** What to do next for the node's attestation. */
export type AttestationAction =
  | { readonly type: 'none' }
  /** Full evidence for the ledger. */
  | { readonly type: 'submit'; readonly reason: 'never-attested' | 'keyset-changed' | 'lapsed' | 'ageing' | 'expiring' }
  /** A signed sign of life. */
  | { readonly type: 'refresh' }
  /** Show the enclave this event, which accepts or refreshes its evidence. */
  | { readonly type: 'accept'; readonly sequence: number };

export interface AttestationQuestion {
  readonly state: LedgerState;
  readonly self: AccountId;
  readonly enclave: Pick<EnclaveDescription, 'keyset'>;
  /** Events with lower sequences are covered by a finalized header. */
  readonly provableCount: number;
  /** Sequence of the newest event about this node's current attestation: AttestationAccepted or AttestationRefreshed. */
  readonly newestSequence: number | undefined;
  /** The newest of those that the enclave was shown. */
  readonly shownSequence: number | undefined;
}

/** Evidence is renewed when so little of its time is left, in milliseconds. */
const EXPIRY_MARGIN_MS = 60 * 60 * 1000;

/** Share of a window after which the next evidence or refresh is due. */
function marginOf(windowBlocks: number): number {
  return Math.max(2, Math.floor(windowBlocks / 3));
}

export function planAttestation(question: AttestationQuestion): AttestationAction {
  const { state, self, enclave, provableCount, newestSequence, shownSequence } = question;
  const { maxAgeBlocks, refreshWindowBlocks } = networkOf(state).appraisalPolicy;
  const current = state.attestations.get(self);
  if (current === undefined) return { type: 'submit', reason: 'never-attested' };
  if (current.keyset !== enclave.keyset) return { type: 'submit', reason: 'keyset-changed' };
  if (lapseReasons(current, state.height, state.timeMs).length > 0) return { type: 'submit', reason: 'lapsed' };
  const ageMargin = marginOf(maxAgeBlocks);
  if (state.height > current.validUntilHeight - ageMargin) return { type: 'submit', reason: 'ageing' };
  // New evidence only helps when the platform has newer endorsements by then: not again and again in the last hour.
  const expiring = state.timeMs >= current.validUntilMs - EXPIRY_MARGIN_MS;
  if (expiring && state.height > current.acceptedHeight + ageMargin) return { type: 'submit', reason: 'expiring' };
  if (state.height > current.aliveUntilHeight - marginOf(refreshWindowBlocks)) return { type: 'refresh' };
  const newest = Math.max(newestSequence ?? 0, current.sequence);
  if (shownSequence === undefined || shownSequence < current.sequence) {
    return current.sequence < provableCount ? { type: 'accept', sequence: current.sequence } : { type: 'none' };
  }
  return newest > shownSequence && newest < provableCount ? { type: 'accept', sequence: newest } : { type: 'none' };
}
