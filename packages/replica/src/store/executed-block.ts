/** A block whose execution is done: what its header, its body and the shell say of it. */
import { type Block, decodeFaultEvidence, faultOf, type ProvenFault } from '@cloister/consensus';
import type { Execution } from '@cloister/ledger';
import type { ExecutedRoot } from '../step/replica-core.ts';
import type { ReplicaEffect } from '../step/replica-ports.ts';
import type { ExecutedRecord } from './chain-store.ts';

/** One block of a commit, executed. */
export interface ExecutedBlock {
  readonly block: Block;
  readonly record: ExecutedRecord;
  readonly execution: Execution;
}

/** What a final block's evidence proves: a quorum has verified it. */
export function faultsIn(evidence: readonly Uint8Array[]): ProvenFault[] {
  return evidence.flatMap((bytes) => {
    const decoded = decodeFaultEvidence(bytes);
    return decoded.ok ? [faultOf(decoded.value)] : [];
  });
}

/** What the shell is told of a block whose execution is durable. */
export function committedEffect({ block, record, execution }: ExecutedBlock): ReplicaEffect {
  return {
    type: 'committed',
    height: record.height,
    hash: block.hash,
    timeMs: record.timeMs,
    proposer: block.header.proposer,
    transactionCount: execution.fates.length,
    firstSequence: execution.firstSequence,
    events: execution.events,
    fates: execution.fates,
    provableHeight: block.header.lastFinal.height,
    provableCount: block.header.lastFinal.eventCount,
  };
}

/** What a header says of an executed block. */
export function rootOf({ hash, eventRoot, eventCount, factsRoot }: ExecutedRecord): ExecutedRoot {
  return { hash, eventRoot, eventCount, factsRoot };
}

export function told({ eventCount, eventRoot, factsRoot }: Omit<ExecutedRoot, 'hash'>): string {
  return `${eventCount} events, root ${eventRoot}, facts ${factsRoot}`;
}
