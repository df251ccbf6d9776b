/** Sends its proposals to one validator only, and half of its votes. */
import { decodeMessage } from '@cloister/consensus';
import { type MakeBehaviour, toAll } from './behaviour.ts';

export const withholder: MakeBehaviour = ({ random }) => ({
  send(targets, bytes) {
    const message = decodeMessage(bytes);
    const honest = toAll(targets, bytes);
    if (!message.ok) return honest;
    return message.value.type === 'proposal' ? honest.slice(0, 1) : honest.filter(() => random.below(2) === 0);
  },
});
