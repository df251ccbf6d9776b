/**
 * Decides when this node must submit evidence or a refresh of its enclave to the ledger, and when it must show the
 * ledger's answer to the enclave. A pure function of the agreed state and of what the enclave says about itself.
 */

import type { EnclaveDescription } from '@cloister/confidential';
import type { AccountId } from '@cloister/encoding';
import { isStanding, type LedgerState, settingsOf } from '@cloister/ledger';

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
  /** Show the enclave what the ledger holds of its evidence since this event, the newest about it. */
  | { readonly type: 'accept'; readonly sequence: number };

export interface PlanInput {
  readonly state: LedgerState;
  readonly self: AccountId;
  readonly enclave: Pick<EnclaveDescription, 'keyset'>;
  /** Events with lower sequences are covered by a finalized header. */
  readonly provableCount: number;
  /** Sequence of the newest event about this node's attestation whose result was shown to the enclave. */
  readonly shownSequence: number | undefined;
}

/** Evidence is renewed when less than this is left of its time, in milliseconds. */
const EXPIRY_MARGIN_MS = 60 * 60 * 1000;
/**
 * New evidence helps only if the platform has newer endorsements by then, so it is tried once in this time and not at
 * each block of the last hour.
 */
const RENEWAL_PAUSE_MS = 10 * 60 * 1000;

/** Share of a window after which the next evidence or refresh is due. */
function marginOf(windowBlocks: number): number {
  return Math.max(2, Math.floor(windowBlocks / 3));
}

export function planAttestation(question: PlanInput): AttestationAction {
  const { state, self, enclave, provableCount, shownSequence } = question;
  const { maxAgeBlocks, refreshWindowBlocks } = settingsOf(state).appraisalPolicy;
  const current = state.attestations.get(self);
  if (current === undefined) return { type: 'submit', reason: 'never-attested' };
  if (current.keyset !== enclave.keyset) return { type: 'submit', reason: 'keyset-changed' };
  const { newestSequence: newest } = current;
  const told: AttestationAction | undefined =
    newest !== shownSequence && newest < provableCount ? { type: 'accept', sequence: newest } : undefined;
  // The enclave is told first, so that it stops executing. Then new evidence may bring the node back.
  if (current.evicted !== null) return told ?? { type: 'submit', reason: 'evicted' };
  if (!isStanding(current, state.height, state.timeMs)) return { type: 'submit', reason: 'lapsed' };
  const ageMargin = marginOf(maxAgeBlocks);
  if (state.height > current.validUntilHeight - ageMargin) return { type: 'submit', reason: 'ageing' };
  const expiring = state.timeMs >= current.validUntilMs - EXPIRY_MARGIN_MS;
  const tried = state.timeMs < current.acceptedTimeMs + RENEWAL_PAUSE_MS;
  if (expiring && !tried) return { type: 'submit', reason: 'expiring' };
  if (state.height > current.aliveUntilHeight - marginOf(refreshWindowBlocks)) return { type: 'refresh' };
  return told ?? { type: 'none' };
}
