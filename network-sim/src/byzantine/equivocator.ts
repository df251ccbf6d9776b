/** Proposes two blocks in one view, to different halves. */
import { blockHashOf, decodeMessage, encodeMessage, type Proposal } from '@cloister/consensus';
import { type ByzantineContext, type MakeBehaviour, signAs, split, toAll } from './behaviour.ts';

export const equivocator: MakeBehaviour = (context) => ({
  send(targets, bytes) {
    const message = decodeMessage(bytes);
    if (!message.ok || message.value.type !== 'proposal') return toAll(targets, bytes);
    return split(targets, bytes, otherProposal(context, message.value));
  },
});

function otherProposal(context: ByzantineContext, proposal: Proposal): Uint8Array {
  const header = { ...proposal.header, timestampMs: proposal.header.timestampMs + 1 };
  const proposition = { ...proposal.proposition, blockHash: blockHashOf(header) };
  const { epoch, view } = proposition;
  const signature = signAs(context, { kind: 'propose', epoch, view, proposition });
  return encodeMessage({ ...proposal, header, proposition, signature });
}
