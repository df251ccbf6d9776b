/** Proposes so late that the view just does not end before. */
import { decodeMessage } from '@cloister/consensus';
import { type MakeBehaviour, toAll } from './behaviour.ts';

/** A little less than the time that the first view after a finalization may take. */
const LATE_MS = 850;

export const lateLeader: MakeBehaviour = () => ({
  send(targets, bytes) {
    const message = decodeMessage(bytes);
    const outgoing = toAll(targets, bytes);
    if (!message.ok || message.value.type !== 'proposal') return outgoing;
    return outgoing.map((each) => ({ ...each, afterMs: LATE_MS }));
  },
});
