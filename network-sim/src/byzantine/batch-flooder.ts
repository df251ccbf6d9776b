/** An author that floods gossip with valid batches of junk: transactions of senders whom nobody knows, in every lane it may use. */

import { ed25519KeyPair } from '@cloister/crypto';
import { asEpoch, asHeight, toHex } from '@cloister/encoding';
import { signBatch, signTransaction } from '@cloister/ledger';
import type { MakeBehaviour } from './behaviour.ts';

const BATCHES_PER_TICK = 8;
const TRANSACTIONS = 20;
/** Within the window of every block of a short run. */
const EXPIRIES = 400;

export const batchFlooder: MakeBehaviour = ({ chainId, keyPair, random, validators, self }) => {
  const author = validators[self];
  if (author === undefined) throw new Error('no author');
  const stranger = ed25519KeyPair(random.bytes(32));
  const junk = Array.from({ length: TRANSACTIONS }, () => {
    const signed = signTransaction(stranger, {
      chainId,
      sender: stranger.id,
      nonce: toHex(random.bytes(16)),
      expiryHeight: asHeight(250),
      kind: 'put-record',
      payload: { namespace: 'junk', key: 'key', value: 'x'.repeat(1_000) },
    });
    if (!signed.ok) throw new Error('the flooder’s own transaction');
    return signed.value.bytes;
  });
  let made = 0;
  return {
    tick() {
      const gossip = Array.from({ length: BATCHES_PER_TICK }, () => {
        const expiryHeight = asHeight(100 + (made++ % EXPIRIES));
        return signBatch(keyPair, {
          chainId,
          author,
          epoch: asEpoch(0),
          lane: 'normal',
          expiryHeight,
          transactions: junk,
        }).bytes;
      });
      return { frames: [], gossip };
    },
  };
};
