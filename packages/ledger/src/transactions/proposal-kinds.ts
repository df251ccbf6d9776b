/** Kinds of transactions that governance members approve. */
export const PROPOSAL_KINDS = ['set-measurement', 'register-account', 'set-policy'] as const;

export type ProposalKind = (typeof PROPOSAL_KINDS)[number];
