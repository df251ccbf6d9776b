/** Sends everything a second time with flipped bits, and answers with flipped bits. */
import { garble, type MakeBehaviour, toAll } from './behaviour.ts';

export const garbler: MakeBehaviour = ({ random }) => ({
  send(targets, bytes) {
    return [...toAll(targets, bytes), ...targets.map((to) => ({ to, bytes: garble(random, bytes) }))];
  },
  serve(_request, honest) {
    return garble(random, honest);
  },
});
