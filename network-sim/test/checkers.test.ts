/** Each checker, shown by hand-made words that it fails when it should and only then. */
import {
  encodeMessage,
  makeCertificate,
  makeValidatorSet,
  type Proposition,
  statementBytes,
  type Vote,
} from '@cloister/consensus';
import { ed25519KeyPair, SeededRandom } from '@cloister/crypto';
import { asDigest, asEpoch, asView, type ValidatorId } from '@cloister/encoding';
import { beforeEach, describe, expect, it } from 'vitest';
import { Checkers } from '../src/index.ts';

const random = new SeededRandom('checkers');
const keys = Array.from({ length: 4 }, () => ed25519KeyPair(random.bytes(32))).sort((a, b) => (a.id < b.id ? -1 : 1));
const ids = keys.map(({ id }) => id as ValidatorId);
const set = makeValidatorSet(ids.map((id) => ({ id, weight: 1n })));
const chainId = asDigest('01'.repeat(32));
const epoch = asEpoch(0);

function proposition(view: number, block: string, parentView = view - 1): Proposition {
  const justificationHash = asDigest('02'.repeat(32));
  return {
    epoch,
    view: asView(view),
    parentView: asView(parentView),
    blockHash: asDigest(block.repeat(32)),
    justificationHash,
  };
}

function vote(signer: number, kind: 'notarize' | 'finalize', about: Proposition): Vote {
  const statement = { kind, epoch, view: about.view, proposition: about } as const;
  const signature = keys[signer]?.sign(statementBytes(chainId, statement)) ?? new Uint8Array(64);
  return { type: 'vote', ...statement, signer: ids[signer] as ValidatorId, signature };
}

function nullify(signer: number, view: number): Vote {
  const statement = { kind: 'nullify', epoch, view: asView(view) } as const;
  const signature = keys[signer]?.sign(statementBytes(chainId, statement)) ?? new Uint8Array(64);
  return { type: 'vote', ...statement, signer: ids[signer] as ValidatorId, signature };
}

let checkers: Checkers;
beforeEach(() => {
  checkers = new Checkers(chainId, ids, new Set(ids.slice(0, 3)));
});
function say(...votes: Vote[]): void {
  for (const word of votes) checkers.frame(word.signer, encodeMessage(word));
}
const found = () => [...new Set(checkers.violations.map(({ invariant }) => invariant))].sort();

describe('Checkers', () => {
  it('find nothing in a view that goes well', () => {
    const block = proposition(1, 'aa');
    say(
      ...[0, 1, 2].map((signer) => vote(signer, 'notarize', block)),
      ...[0, 1, 2].map((signer) => vote(signer, 'finalize', block)),
    );
    checkers.finish(new Map());
    expect(found()).toEqual([]);
  });

  it('S1: two blocks at one height, two finalized in one view', () => {
    checkers.committed('a', 1, asDigest('aa'.repeat(32)), undefined);
    checkers.committed('b', 1, asDigest('bb'.repeat(32)), undefined);
    expect(found()).toEqual(['S1']);
  });

  it('S2, S6: nullified and finalized', () => {
    const block = proposition(1, 'aa');
    say(
      ...[0, 1, 2].map((signer) => vote(signer, 'finalize', block)),
      ...[0, 1, 3].map((signer) => nullify(signer, 1)),
    );
    expect(found()).toEqual(['S2', 'S6']);
  });

  it('S3: two notarized blocks, by the dishonest and the deceived', () => {
    say(...[0, 1, 3].map((signer) => vote(signer, 'notarize', proposition(1, 'aa'))));
    say(...[2, 3].map((signer) => vote(signer, 'notarize', proposition(1, 'bb'))));
    expect(found()).toEqual([]);
    say(vote(0, 'notarize', proposition(1, 'bb')));
    expect(found()).toEqual(['S3', 'S6']);
  });

  it('S4: finalized and not notarized', () => {
    say(...[0, 1, 2].map((signer) => vote(signer, 'finalize', proposition(1, 'aa'))));
    checkers.finish(new Map());
    expect(found()).toEqual(['S4']);
  });

  it('S5: a skipped view that nobody nullified', () => {
    const block = proposition(3, 'aa', 1);
    say(
      ...[0, 1, 2].map((signer) => vote(signer, 'notarize', block)),
      ...[0, 1, 2].map((signer) => vote(signer, 'finalize', block)),
    );
    checkers.finish(new Map());
    expect(found()).toEqual(['S5']);
  });

  it('S6: a second, different vote of an honest node; of a Byzantine one it is no violation', () => {
    say(vote(3, 'notarize', proposition(1, 'aa')), vote(3, 'notarize', proposition(1, 'bb')));
    expect(found()).toEqual([]);
    say(vote(0, 'notarize', proposition(1, 'aa')), vote(0, 'finalize', proposition(1, 'bb')));
    expect(found()).toEqual(['S6']);
  });

  it('does not count what was not signed', () => {
    const block = proposition(1, 'aa');
    const forged = [0, 1, 2].map((signer) => ({ ...vote(3, 'finalize', block), signer: ids[signer] as ValidatorId }));
    say(...forged, ...[0, 1, 2].map((signer) => nullify(signer, 1)));
    expect(found()).toEqual([]);
  });

  it('S7: certificates of honest nodes must hold', () => {
    const block = proposition(1, 'aa');
    const statement = { kind: 'notarize', epoch, view: block.view, proposition: block } as const;
    const certificate = (signers: number[]) =>
      makeCertificate(
        set,
        statement,
        signers.map((signer) => vote(signer, 'notarize', block)),
      );
    const good = certificate([0, 1, 2]);
    checkers.frame(ids[0] as ValidatorId, encodeMessage(good));
    expect(found()).toEqual([]);
    const [first, ...others] = good.signatures;
    const forged = { ...good, signatures: [...others, first ?? new Uint8Array(64)] };
    checkers.frame(ids[3] as ValidatorId, encodeMessage(forged));
    expect(found()).toEqual([]);
    checkers.frame(ids[0] as ValidatorId, encodeMessage(forged));
    checkers.frame(ids[1] as ValidatorId, encodeMessage(certificate([0, 1])));
    expect(checkers.violations.map(({ invariant }) => invariant)).toEqual(['S7', 'S7']);
  });

  it('S8 and S10: evidence against the honest, votes that a restart forgot', () => {
    checkers.evidence(ids[3] as ValidatorId, 'double-propose');
    expect(found()).toEqual([]);
    checkers.evidence(ids[0] as ValidatorId, 'double-propose');
    say(vote(1, 'notarize', proposition(5, 'aa')));
    checkers.recovered(ids[1] as ValidatorId, new Set(['5 notarize']), 4);
    expect(found()).toEqual(['S8']);
    checkers.recovered(ids[1] as ValidatorId, new Set(), 5);
    expect(found()).toEqual(['S8']);
    checkers.recovered(ids[1] as ValidatorId, new Set(), 4);
    expect(found()).toEqual(['S10', 'S8']);
  });
});
