/** Answers sync requests with single bits flipped all over: blocks, heights, certificates. */
import { garble, type MakeBehaviour } from './behaviour.ts';

export const lyingServer: MakeBehaviour = ({ random }) => ({
  serve(_request, honest) {
    return garble(random, honest);
  },
});
