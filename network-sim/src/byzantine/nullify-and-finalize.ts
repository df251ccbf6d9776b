/** Nullifies every view that it finalizes. */
import { decodeMessage, encodeMessage } from '@cloister/consensus';
import { type MakeBehaviour, signAs, toAll } from './behaviour.ts';

export const nullifyAndFinalize: MakeBehaviour = (context) => ({
  send(targets, bytes) {
    const message = decodeMessage(bytes);
    const honest = toAll(targets, bytes);
    if (!message.ok || message.value.type !== 'vote' || message.value.kind !== 'finalize') return honest;
    const { epoch, view, signer } = message.value;
    const signature = signAs(context, { kind: 'nullify', epoch, view });
    const other = encodeMessage({ type: 'vote', kind: 'nullify', epoch, view, signer, signature });
    return [...honest, ...toAll(targets, other)];
  },
});
