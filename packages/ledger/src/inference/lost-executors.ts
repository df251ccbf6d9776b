/**
 * Finds open tasks that have lost an executor in this block, so that their tenants learn it at once and not at the
 * deadline.
 *
 * An attestation that runs out by its height or its time makes no event. Its tasks end at their deadlines, as do those
 * of an executor that keeps silent.
 */
import type { AccountId, Digest } from '@cloister/encoding';
import type { LedgerEvent } from '../events/events.ts';
import type { LedgerState } from '../state/state.ts';

interface Losses {
  readonly nodes: Set<AccountId>;
  readonly models: Set<Digest>;
  readonly tasks: Set<Digest>;
  everyone: boolean;
}

function note(losses: Losses, event: LedgerEvent): void {
  switch (event.type) {
    case 'AttestationEvicted':
    // A new attestation retires the keyset of the one before it.
    case 'AttestationAccepted':
    case 'EquivocationRecorded':
      losses.nodes.add(event.node);
      return;
    case 'ModelRevoked':
    case 'ModelGrantRevoked':
      losses.models.add(event.model);
      return;
    case 'ExecutorLapsed':
      losses.tasks.add(event.task);
      return;
    case 'MeasurementRevoked':
      losses.everyone = true;
      return;
    default:
      return;
  }
}

/** Open tasks that the block's events may have taken an executor from, by deadline. */
export function tasksOfLost(
  state: Pick<LedgerState, 'tasks' | 'taskIndex'>,
  events: readonly LedgerEvent[],
): readonly Digest[] {
  const losses: Losses = { nodes: new Set(), models: new Set(), tasks: new Set(), everyone: false };
  for (const event of events) note(losses, event);
  const { nodes, models, tasks, everyone } = losses;
  if (everyone) return state.taskIndex.open();
  if (nodes.size + models.size + tasks.size === 0) return [];
  return state.taskIndex.open().filter((id) => {
    const task = state.tasks.get(id);
    if (task === undefined) return false;
    return tasks.has(id) || models.has(task.model) || task.executors.some(({ node }) => nodes.has(node));
  });
}
