/** Sends old messages again and again. */
import { type MakeBehaviour, toAll } from './behaviour.ts';

const HISTORY_MAX = 200;

export const outdated: MakeBehaviour = ({ random }) => {
  const history: Uint8Array[] = [];
  return {
    send(targets, bytes) {
      history.push(bytes);
      if (history.length > HISTORY_MAX) history.shift();
      const old = history[random.below(history.length)] ?? bytes;
      return [...toAll(targets, bytes), ...toAll(targets, old)];
    },
  };
};
