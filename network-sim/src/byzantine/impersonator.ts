/** Sends its votes again under the names of others. */
import { decodeMessage, encodeMessage } from '@cloister/consensus';
import { type MakeBehaviour, toAll } from './behaviour.ts';

export const impersonator: MakeBehaviour = ({ validators, self, random }) => ({
  send(targets, bytes) {
    const message = decodeMessage(bytes);
    const honest = toAll(targets, bytes);
    if (!message.ok || message.value.type !== 'vote') return honest;
    const others = validators.filter((_, index) => index !== self);
    const signer = others[random.below(others.length)];
    if (signer === undefined) return honest;
    return [...honest, ...toAll(targets, encodeMessage({ ...message.value, signer }))];
  },
});
