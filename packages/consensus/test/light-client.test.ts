import { hash } from '@cloister/crypto';
import { asEpoch } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  acceptHeader,
  type Block,
  blockHashOf,
  decodeFinalityProof,
  encodeFinalityProof,
  enterEpoch,
  type FinalityProof,
  type LightClientState,
  trustGenesis,
  type ValidatorSet,
  verifyFinality,
} from '../src/index.ts';
import { CHAIN, certificateBy, type Member, members, proposition, sampleBlock, setOf } from './samples.ts';

const all = members(8);
const old = all.slice(0, 4);
const next = all.slice(4);
const set = setOf(old);
const nextSet = setOf(next);
const genesis = trustGenesis({ chainId: CHAIN, validators: set, timestampMs: 0 });

function chain(length: number, of: ValidatorSet = set, epoch = 0, from?: Block): Block[] {
  const blocks: Block[] = [];
  const [proposer] = of.validators;
  if (proposer === undefined) throw new Error('empty set');
  for (let index = 1; index <= length; index++) {
    const parent = blocks.at(-1) ?? from;
    const height = (parent?.header.height ?? 0) + 1;
    const fields = { set: of, proposer: proposer.id, view: index, height, parentHash: parent?.hash ?? CHAIN, epoch };
    blocks.push(sampleBlock(fields));
  }
  return blocks;
}

function proof(
  blocks: readonly Block[],
  signers: readonly Member[] = old.slice(1),
  of = set,
  epoch = 0,
): FinalityProof {
  const [first] = blocks;
  const last = blocks.at(-1);
  if (first === undefined || last === undefined) throw new Error('no blocks');
  const p = { ...proposition(last.header.view, last.header.view - 1, last.hash), epoch: asEpoch(epoch) };
  const certificate = certificateBy(of, signers, 'finalize', p);
  return { header: first.header, certificate, path: blocks.slice(1).map((block) => block.header) };
}

describe('a light client', () => {
  const blocks = chain(5);

  it('accepts a certified header, and an ancestor by its path', () => {
    const direct = acceptHeader(genesis, proof(blocks.slice(2, 3)));
    expect(direct).toMatchObject({ ok: true, value: { height: 3, hash: blocks[2]?.hash } });
    const byPath = acceptHeader(genesis, proof(blocks.slice(1)));
    expect(byPath).toMatchObject({ ok: true, value: { height: 2, hash: blocks[1]?.hash } });
    expect(decodeFinalityProof(encodeFinalityProof(proof(blocks)))).toEqual({ ok: true, value: proof(blocks) });
  });

  it('verifies an older header without moving back', () => {
    const moved = acceptHeader(genesis, proof(blocks.slice(4)));
    if (!moved.ok) throw new Error(moved.code);
    expect(acceptHeader(moved.value, proof(blocks.slice(0, 2)))).toEqual(moved);
  });

  it('refuses q − 1, a forged signature among good ones, and a certificate of another block or kind of statement', () => {
    expect(verifyFinality(genesis, proof(blocks, old.slice(2)))).toMatchObject({ code: 'INSUFFICIENT_WEIGHT' });
    const good = proof(blocks, old);
    const signatures = good.certificate.signatures.map((each, index) => (index === 0 ? each.map((x) => x ^ 1) : each));
    const forged = { ...good, certificate: { ...good.certificate, signatures } };
    expect(verifyFinality(genesis, forged)).toMatchObject({ code: 'BAD_SIGNATURE' });
    expect(verifyFinality(genesis, { ...good, path: good.path.slice(0, -1) })).toMatchObject({
      code: 'HEADER_NOT_CERTIFIED',
    });
    const notarized = certificateBy(set, old, 'notarize', good.certificate.proposition);
    const renamed = { ...good, certificate: { ...notarized, kind: 'finalize' as const } };
    expect(verifyFinality(genesis, renamed)).toMatchObject({ code: 'BAD_SIGNATURE' });
  });

  it('refuses a path with a gap, out of order, of another chain, or too long', () => {
    const good = proof(blocks);
    expect(verifyFinality(genesis, { ...good, path: good.path.slice(1) })).toMatchObject({ code: 'BROKEN_PATH' });
    expect(verifyFinality(genesis, { ...good, path: [...good.path].reverse() })).toMatchObject({ code: 'BROKEN_PATH' });
    const header = { ...good.header, chainId: hash('other') };
    expect(verifyFinality(genesis, { ...good, header })).toMatchObject({ code: 'FOREIGN_CHAIN' });
    const path = Array.from({ length: 1025 }, () => good.header);
    expect(verifyFinality(genesis, { ...good, path })).toMatchObject({ code: 'PATH_TOO_LONG' });
  });

  it('refuses a header whose validators hash is not its epoch’s', () => {
    const foreign = chain(1, nextSet);
    expect(verifyFinality(genesis, proof(foreign))).toMatchObject({ code: 'VALIDATORS_HASH' });
  });

  it('reports two final headers at one height', () => {
    const moved = acceptHeader(genesis, proof(blocks.slice(0, 1)));
    if (!moved.ok) throw new Error(moved.code);
    const [proposer] = set.validators;
    if (proposer === undefined) throw new Error('empty set');
    const fork = sampleBlock({ set, proposer: proposer.id, view: 2, height: 1, parentHash: CHAIN });
    expect(acceptHeader(moved.value, proof([fork]))).toMatchObject({ code: 'CONFLICTING_FINALITY' });
  });
});

describe('a change of validators', () => {
  /** The last block of epoch 1 names the set of epoch 2. */
  function boundary(): Block {
    const [block] = chain(1, set, 1);
    if (block === undefined) throw new Error('no block');
    const header = { ...block.header, nextValidatorsHash: nextSet.hash };
    return { ...block, header, hash: blockHashOf(header) };
  }
  function inEpoch1(): LightClientState {
    const entered = enterEpoch(genesis, set);
    if (!entered.ok) throw new Error(entered.code);
    return entered.value;
  }

  it('starts with V_0 = V_1 from genesis', () => {
    expect(inEpoch1()).toMatchObject({ epoch: 1, nextValidatorsHash: undefined });
    expect(enterEpoch(genesis, nextSet)).toMatchObject({ code: 'NEXT_SET_MISMATCH' });
  });

  it('is learnt from an accepted header of the current epoch only', () => {
    const client = inEpoch1();
    expect(enterEpoch(client, nextSet)).toMatchObject({ code: 'NEXT_SET_UNKNOWN' });
    const last = boundary();
    const accepted = acceptHeader(client, proof([last], old, set, 1));
    if (!accepted.ok) throw new Error(accepted.code);
    expect(enterEpoch(accepted.value, set)).toMatchObject({ code: 'NEXT_SET_MISMATCH' });
    const entered = enterEpoch(accepted.value, nextSet);
    if (!entered.ok) throw new Error(entered.code);
    const after = chain(2, nextSet, 2, last);
    expect(acceptHeader(entered.value, proof(after, next, nextSet, 2))).toMatchObject({
      ok: true,
      value: { height: 2 },
    });
    // An ancestor of the last epoch is final by the new set's certificate, and teaches no set.
    const across = acceptHeader(
      { ...entered.value, height: genesis.height, hash: CHAIN },
      proof([last, ...after], next, nextSet, 2),
    );
    expect(across).toMatchObject({ ok: true, value: { height: 1, nextValidatorsHash: undefined } });
  });

  it('is refused from certificates of the old set in the new epoch, and of unknown epochs', () => {
    const client = inEpoch1();
    expect(verifyFinality(client, proof(chain(1), old, set, 0))).toMatchObject({ code: 'UNKNOWN_EPOCH' });
    const accepted = acceptHeader(client, proof([boundary()], old, set, 1));
    if (!accepted.ok) throw new Error(accepted.code);
    const entered = enterEpoch(accepted.value, nextSet);
    if (!entered.ok) throw new Error(entered.code);
    const forged = chain(1, nextSet, 2, boundary());
    const byOld = { ...proof(forged, next, nextSet, 2), certificate: proof(forged, old, set, 2).certificate };
    expect(verifyFinality(entered.value, byOld)).toMatchObject({ code: 'BAD_SIGNATURE' });
  });
});
