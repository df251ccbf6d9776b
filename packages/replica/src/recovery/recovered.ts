import type { GuardHead, RecoveredState } from '@cloister/consensus';
import type { KeyedTree } from '@cloister/crypto';
import type { Digest, Height } from '@cloister/encoding';
import type { LedgerState } from '@cloister/ledger';
import type { ExecutedRoot } from '../step/replica-core.ts';
import type { CommittedTip } from '../store/committed-tip.ts';
import type { GuardMemory } from '../store/guard-memory.ts';
import type { OpenBlock } from '../store/open-blocks.ts';

/** Everything that a restarted replica goes on from. */
export interface RecoveredReplica {
  readonly ledger: LedgerState;
  readonly head: GuardHead;
  readonly machine: RecoveredState;
  readonly executedHeight: Height;
  readonly provableHeight: Height;
  readonly workHeight: Height;
  readonly tip: CommittedTip | undefined;
  readonly guardMemory: GuardMemory;
  /**
   * Wire forms of the batches of open blocks, each with the height of its block. A batch that is not allowed at that
   * height is dropped.
   */
  readonly batches: readonly { readonly id: Digest; readonly height: Height; readonly bytes: Uint8Array }[];
  readonly committedBatches: readonly { readonly height: Height; readonly ids: readonly Digest[] }[];
  readonly guardKeys: readonly Uint8Array[];
  readonly roots: ReadonlyMap<Height, ExecutedRoot>;
  readonly facts: KeyedTree;
  readonly open: ReadonlyMap<Digest, OpenBlock>;
}
