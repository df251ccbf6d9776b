/** Proposes beside its parent instead of on top of it, without the nullification that this would take. */
import {
  blockHashOf,
  bodyHashOf,
  decodeMessage,
  encodeMessage,
  justificationHash,
  type Proposal,
} from '@cloister/consensus';
import { type ByzantineContext, type MakeBehaviour, signAs, toAll } from './behaviour.ts';

const PROPOSALS_KEPT = 16;

export const forkingLeader: MakeBehaviour = (context) => {
  /** Newest proposals heard, by view. */
  const heard = new Map<number, Proposal>();
  return {
    hear(_from, channel, bytes) {
      const message = channel === 'consensus' ? decodeMessage(bytes) : undefined;
      if (message?.ok !== true || message.value.type !== 'proposal') return;
      heard.set(message.value.proposition.view, message.value);
      for (const view of heard.keys()) if (heard.size > PROPOSALS_KEPT) heard.delete(view);
    },
    send(targets, bytes) {
      const message = decodeMessage(bytes);
      if (!message.ok || message.value.type !== 'proposal') return toAll(targets, bytes);
      const parent = heard.get(message.value.proposition.parentView);
      return toAll(targets, parent === undefined ? bytes : fork(context, message.value, parent));
    },
  };
};

function fork(context: ByzantineContext, proposal: Proposal, parent: Proposal): Uint8Array {
  const body = { batches: [], evidence: [], lastFinalCert: parent.body.lastFinalCert };
  const { parentHash, height, lastFinal } = parent.header;
  const header = { ...proposal.header, parentHash, height, lastFinal, bodyHash: bodyHashOf(body) };
  const { justification } = parent;
  const proposition = {
    ...proposal.proposition,
    parentView: parent.proposition.parentView,
    blockHash: blockHashOf(header),
    justificationHash: justificationHash(justification),
  };
  const { epoch, view } = proposition;
  const signature = signAs(context, { kind: 'propose', epoch, view, proposition });
  return encodeMessage({ type: 'proposal', proposition, header, body, justification, signature });
}
