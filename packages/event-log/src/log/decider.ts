/**
 * The decider form: what a command leads to, and what an event changes, as two pure functions.
 *
 * `decide` answers with events or a refusal and changes nothing; `evolve` accepts every event that `decide` can make.
 * State is the fold of `evolve` over the log, so a replay gives the same state on any machine.
 */
import type { Result } from '@cloister/encoding';

export interface Decider<State, Command, Event, Context, Code extends string> {
  initial(): State;
  decide(state: State, command: Command, context: Context): Result<readonly Event[], Code>;
  /** May change and return `state` itself: the caller has given it away. */
  evolve(state: State, event: Event): State;
}

/** The state after `events`, beginning from `state` or, without one, from the initial state. */
export function foldEvents<State, Event>(
  decider: Pick<Decider<State, never, Event, never, string>, 'initial' | 'evolve'>,
  events: Iterable<Event>,
  state: State = decider.initial(),
): State {
  let current = state;
  for (const event of events) current = decider.evolve(current, event);
  return current;
}
