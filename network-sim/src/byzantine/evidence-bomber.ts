/**
 * Makes as much evidence against itself as it can: it votes twice in every view, and its proposals come with the largest
 * justification that fits a frame, which it notarizes itself. It also tells of faults that nobody committed.
 */
import {
  decodeMessage,
  encodeMessage,
  type FaultEvidence,
  justificationHash,
  type Proposal,
} from '@cloister/consensus';
import { asDigest, asView, toHex } from '@cloister/encoding';
import { type ByzantineContext, type MakeBehaviour, type Outgoing, signAs, toAll } from './behaviour.ts';

const NULLIFICATIONS = 12_000;
/** No view that any run reaches. */
const FAR_VIEW = 1_000_000;

function padded(
  context: ByzantineContext,
  proposal: Proposal,
): { readonly bytes: Uint8Array; readonly vote: Uint8Array } {
  const { epoch, view } = proposal.proposition;
  const nullifications = Array.from({ length: NULLIFICATIONS }, (_, index) => ({
    type: 'certificate' as const,
    kind: 'nullify' as const,
    epoch,
    view: asView(FAR_VIEW + index),
    bitmap: new Uint8Array(0),
    signatures: [],
  }));
  const justification = { parentCert: proposal.justification.parentCert, nullifications };
  const proposition = { ...proposal.proposition, justificationHash: justificationHash(justification) };
  const signer = context.validators[context.self];
  if (signer === undefined) throw new Error('no signer');
  const signature = signAs(context, { kind: 'propose', epoch, view, proposition });
  const notarize = { kind: 'notarize', epoch, view, proposition } as const;
  return {
    bytes: encodeMessage({ ...proposal, proposition, justification, signature }),
    vote: encodeMessage({ type: 'vote', ...notarize, signer, signature: signAs(context, notarize) }),
  };
}

export const evidenceBomber: MakeBehaviour = (context) => {
  const { random, validators } = context;
  return {
    send(targets, bytes) {
      const message = decodeMessage(bytes);
      if (!message.ok) return toAll(targets, bytes);
      if (message.value.type === 'proposal' && random.below(2) === 0) {
        const bad = padded(context, message.value);
        return [...toAll(targets, bad.bytes), ...toAll(targets, bad.vote)];
      }
      if (message.value.type !== 'vote' || message.value.kind === 'nullify') return toAll(targets, bytes);
      const { kind, epoch, view, signer } = message.value;
      const proposition = { ...message.value.proposition, blockHash: asDigest(toHex(random.bytes(32))) };
      const second = {
        kind,
        epoch,
        view,
        proposition,
        signer,
        signature: signAs(context, { kind, epoch, view, proposition }),
      };
      const out: Outgoing[] = [...toAll(targets, bytes), ...toAll(targets, encodeMessage({ type: 'vote', ...second }))];
      const innocent = validators.find((id) => id !== signer);
      if (innocent === undefined || random.below(8) > 0) return out;
      const first = { ...message.value, signer: innocent };
      const lie: FaultEvidence = {
        type: kind === 'notarize' ? 'double-notarize' : 'double-finalize',
        signer: innocent,
        first,
        second: { ...second, signer: innocent },
      };
      return [...out, ...toAll(targets, encodeMessage({ type: 'evidence', evidence: lie }))];
    },
  };
};
