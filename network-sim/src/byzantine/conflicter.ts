/** Votes for two blocks in one view. */
import { decodeMessage, encodeMessage } from '@cloister/consensus';
import { asDigest, toHex } from '@cloister/encoding';
import { type MakeBehaviour, signAs, split, toAll } from './behaviour.ts';

export const conflicter: MakeBehaviour = (context) => ({
  send(targets, bytes) {
    const message = decodeMessage(bytes);
    if (!message.ok || message.value.type !== 'vote' || message.value.kind === 'nullify') return toAll(targets, bytes);
    const { kind, epoch, view } = message.value;
    const blockHash = asDigest(toHex(context.random.bytes(32)));
    const proposition = { ...message.value.proposition, blockHash };
    const signature = signAs(context, { kind, epoch, view, proposition });
    return split(targets, bytes, encodeMessage({ ...message.value, proposition, signature }));
  },
});
