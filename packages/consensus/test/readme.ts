import assert from 'node:assert/strict';
import {
  makeCertificate,
  makeValidatorSet,
  type NullifyVote,
  statementBytes,
  verifyCertificate,
} from '@cloister/consensus';
import { ed25519KeyPair, hash, sha256 } from '@cloister/crypto';
import { asEpoch, asValidatorId, asView, utf8 } from '@cloister/encoding';

const chainId = hash('readme');
const keys = [1, 2, 3, 4].map((index) => ed25519KeyPair(sha256(utf8(`validator ${index}`))));
const set = makeValidatorSet(keys.map(({ id }) => ({ id: asValidatorId(id), weight: 1n })));
assert.equal(set.quorum, 3n);

// Three of four give up view 5: that is a nullification, and anyone can check it.
const statement = { kind: 'nullify', epoch: asEpoch(0), view: asView(5) } as const;
const votes = keys.slice(0, 3).map(
  ({ id, sign }): NullifyVote => ({
    type: 'vote',
    ...statement,
    signer: asValidatorId(id),
    signature: sign(statementBytes(chainId, statement)),
  }),
);
const nullification = makeCertificate(set, statement, votes);
assert(verifyCertificate(set, nullification, chainId).ok);
assert(!verifyCertificate(set, nullification, hash('another chain')).ok);
