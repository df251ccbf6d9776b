/**
 * Gives its proposals to as many as do not make a quorum with it, others each time: some see a leader that proposes, some do
 * not, and its views end by their timers.
 */
import { decodeMessage } from '@cloister/consensus';
import { type MakeBehaviour, toAll } from './behaviour.ts';

export const selectiveLeader: MakeBehaviour = ({ validators }) => {
  const chosen = Math.floor((2 * validators.length) / 3) - 1;
  let turn = 0;
  return {
    send(targets, bytes) {
      const message = decodeMessage(bytes);
      if (!message.ok || message.value.type !== 'proposal') return toAll(targets, bytes);
      const start = turn++ % targets.length;
      const rotated = [...targets.slice(start), ...targets.slice(0, start)];
      return toAll(rotated.slice(0, chosen), bytes);
    },
  };
};
