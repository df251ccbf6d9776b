/** Votes like any other and never proposes: nothing but the missing blocks shows it. */
import { decodeMessage } from '@cloister/consensus';
import { type MakeBehaviour, toAll } from './behaviour.ts';

export const silentLeader: MakeBehaviour = () => ({
  send(targets, bytes) {
    const message = decodeMessage(bytes);
    return message.ok && message.value.type === 'proposal' ? [] : toAll(targets, bytes);
  },
});
