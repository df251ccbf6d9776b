/**
 * An author and server of batches that nobody may put into a block: it withholds half of its own, sends old ones again, and
 * slips batches that never expire into gossip and, unasked, into its answers.
 */
import { asEpoch, asHeight, toHex } from '@cloister/encoding';
import { signBatch, signTransaction } from '@cloister/ledger';
import { decodeSyncRequest, decodeSyncResponse, encodeSyncResponse } from '@cloister/replica';
import type { ByzantineContext, MakeBehaviour } from './behaviour.ts';

const HISTORY_MAX = 16;

/** A batch of one record by its author, lawful in all but its expiry. */
function neverExpiring({ chainId, keyPair, random, validators, self }: ByzantineContext): Uint8Array {
  const author = validators[self];
  const transaction = signTransaction(keyPair, {
    chainId,
    sender: keyPair.id,
    nonce: toHex(random.bytes(16)),
    expiryHeight: asHeight(100),
    kind: 'put-record',
    payload: { namespace: `n-${keyPair.id.slice(0, 8)}`, key: 'key', value: 'value' },
  });
  if (!transaction.ok || author === undefined) throw new Error('the poisoner’s own batch');
  return signBatch(keyPair, {
    chainId,
    author,
    epoch: asEpoch(0),
    lane: 'normal',
    expiryHeight: asHeight(Number.MAX_SAFE_INTEGER - random.below(1_000_000)),
    transactions: [transaction.value.bytes],
  }).bytes;
}

export const batchPoisoner: MakeBehaviour = (context) => {
  const history: Uint8Array[] = [];
  return {
    gossip(bytes) {
      history.push(bytes);
      if (history.length > HISTORY_MAX) history.shift();
      const old = history[context.random.below(history.length)] ?? bytes;
      const own = context.random.below(2) === 0 ? [bytes] : [];
      return [...own, old, neverExpiring(context)];
    },
    serve(request, honest) {
      const [asked, answer] = [decodeSyncRequest(request), decodeSyncResponse(honest)];
      if (!asked.ok || asked.value.type !== 'batches' || !answer.ok || answer.value.type !== 'batches') return honest;
      const batches = [...answer.value.batches, neverExpiring(context)];
      return encodeSyncResponse({ type: 'batches', batches });
    },
  };
};
