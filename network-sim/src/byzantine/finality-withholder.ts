/** Keeps its finalize votes to itself, or shows each to one validator, who may then know a finalization that the others do not. */
import { decodeMessage } from '@cloister/consensus';
import { type MakeBehaviour, toAll } from './behaviour.ts';

export const finalityWithholder: MakeBehaviour = ({ random }) => ({
  send(targets, bytes) {
    const message = decodeMessage(bytes);
    const hidden = message.ok && message.value.type === 'vote' && message.value.kind === 'finalize';
    if (!hidden) return toAll(targets, bytes);
    const only = targets[random.below(targets.length)];
    return only === undefined || random.below(2) === 0 ? [] : [{ to: only, bytes }];
  },
});
