import { asHeight, type Digest, type Height, hash } from '@cloister/crypto';
import type { InferenceRequested } from '@cloister/ledger';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  ACCEPTANCES_KEPT,
  authoriseInference,
  authoriseModelKey,
  currentStanding,
  followHeader,
  type Standing,
  showAcceptance,
} from '../src/index.ts';
import { keyPair, START_MS } from './fake-chain.ts';
import { beginChain, chain, launched, prove, reach, shown } from './own-chain.ts';
import { accepted, granted, keyset, refreshed, requested } from './own-events.ts';

beforeEach(() => beginChain());

describe('standing', () => {
  it('is none at launch, whatever headers are shown', () => {
    expect(currentStanding(launched)).toMatchObject({ code: 'ATTESTATION_NOT_ACCEPTED' });
    expect(currentStanding(reach(launched, 5))).toMatchObject({ code: 'ATTESTATION_NOT_ACCEPTED' });
  });

  it('holds from a proven acceptance of its own evidence on', () => {
    const standing = shown(launched, prove(accepted()));
    expect(currentStanding(standing)).toMatchObject({ ok: true, value: { event: { keyset } } });
    expect(standing.lightClient.height).toBe(chain.height);
  });

  it.each([
    ['another keyset', { keyset: hash('other') as Digest }, 'KEYSET_NOT_OWN'],
    ['another node', { node: keyPair('validator 2').id }, 'NODE_NOT_OWN'],
    ['another image', { image: hash('other') as Digest }, 'IMAGE_NOT_OWN'],
  ])('does not rest on the acceptance of %s', (_, change, code) => {
    expect(showAcceptance(launched, prove(accepted(change)))).toMatchObject({ ok: false, code });
  });

  it('does not rest on another event, or on an event of another chain', () => {
    expect(showAcceptance(launched, prove(granted(1)))).toMatchObject({ code: 'NOT_AN_ACCEPTANCE' });
    const elsewhere = launched;
    beginChain({ name: 'another' });
    expect(showAcceptance(elsewhere, prove(accepted()))).toMatchObject({ code: 'FINALITY_REFUSED' });
  });

  it('lapses at the very block after its last height', () => {
    const standing = shown(
      launched,
      prove(accepted({ validUntilHeight: asHeight(8), aliveUntilHeight: asHeight(100) })),
    );
    expect(currentStanding(reach(standing, 8)).ok).toBe(true);
    expect(currentStanding(reach(standing, 9))).toMatchObject({ code: 'ATTESTATION_LAPSED_HEIGHT' });
  });

  it('lapses with block time, not with the clock of anyone', () => {
    const standing = shown(launched, prove(accepted({ validUntilMs: START_MS + 7000 })));
    expect(currentStanding(reach(standing, 6)).ok).toBe(true);
    expect(currentStanding(reach(standing, 7))).toMatchObject({ code: 'ATTESTATION_LAPSED_TIME' });
  });

  it('lapses without a refresh, and lives on with one', () => {
    const standing = shown(launched, prove(accepted()));
    const sequence = standing.acceptances[0]?.sequence ?? -1;
    expect(currentStanding(reach(standing, 11))).toMatchObject({ code: 'ATTESTATION_NOT_REFRESHED' });
    const alive = shown(standing, prove(refreshed(sequence, 30)));
    expect(currentStanding(reach(alive, 30)).ok).toBe(true);
    expect(currentStanding(reach(alive, 31))).toMatchObject({ code: 'ATTESTATION_NOT_REFRESHED' });
  });

  it('takes no refresh of another acceptance or of other evidence, and goes by the newest', () => {
    const standing = shown(launched, prove(accepted()));
    const sequence = standing.acceptances[0]?.sequence ?? -1;
    expect(showAcceptance(standing, prove(refreshed(sequence + 1, 30)))).toMatchObject({ code: 'ACCEPTANCE_STALE' });
    const foreign = refreshed(sequence, 30, { evidenceDigest: hash('other') });
    expect(showAcceptance(standing, prove(foreign))).toMatchObject({ code: 'ACCEPTANCE_STALE' });
    expect(showAcceptance(launched, prove(refreshed(sequence, 30)))).toMatchObject({ code: 'ACCEPTANCE_STALE' });
    const [earlier, later] = [prove(refreshed(sequence, 40)), prove(refreshed(sequence, 30))];
    const alive = shown(shown(standing, chain.proof(earlier.index)), later);
    expect(alive.acceptances[0]?.aliveUntilHeight).toBe(30 as Height);
    expect(shown(alive, chain.proof(earlier.index)).acceptances[0]?.aliveUntilHeight).toBe(30 as Height);
  });

  it('never goes back to an older acceptance, and keeps a bounded number', () => {
    const first = prove(accepted());
    let standing = shown(launched, first);
    for (let i = 0; i < ACCEPTANCES_KEPT + 2; i++) standing = shown(standing, prove(accepted()));
    expect(standing.acceptances).toHaveLength(ACCEPTANCES_KEPT);
    const again = { ...first, ...chain.proof(first.index) };
    expect(showAcceptance(standing, again)).toMatchObject({ code: 'ACCEPTANCE_STALE' });
  });

  it('keeps a refresh when its acceptance is shown again', () => {
    const proof = prove(accepted());
    const standing = shown(launched, proof);
    const refreshedOnce = shown(standing, prove(refreshed(proof.index, 30)));
    expect(shown(refreshedOnce, chain.proof(proof.index)).acceptances[0]?.aliveUntilHeight).toBe(30);
  });
});

describe('authorisation', () => {
  let standing: Standing;
  let sequence: number;

  beforeEach(() => {
    const proof = prove(accepted({ aliveUntilHeight: asHeight(30) }));
    standing = shown(launched, proof);
    sequence = proof.index;
  });

  it('rests on an event that names the own keyset and a known acceptance', () => {
    expect(authoriseModelKey(standing, prove(granted(sequence)))).toMatchObject({
      ok: true,
      value: { acceptance: { sequence } },
    });
    expect(authoriseInference(standing, prove(requested(sequence)))).toMatchObject({
      ok: true,
      value: { event: { task: hash('test/task') } },
    });
  });

  it('is refused without a proof that holds, and so is a header', () => {
    const proof = prove(requested(sequence));
    const broken = { ...proof, proof: proof.proof.slice(1) };
    expect(authoriseInference(standing, broken)).toMatchObject({ code: 'INCLUSION_INVALID' });
    expect(authoriseModelKey(standing, broken)).toMatchObject({ code: 'INCLUSION_INVALID' });
    const few = chain.finality(chain.height, chain.height, []);
    expect(followHeader(standing, few)).toMatchObject({ code: 'FINALITY_REFUSED', detail: 'INSUFFICIENT_WEIGHT' });
  });

  it('is refused before the own acceptance was shown: the host cannot skip it', () => {
    expect(authoriseInference(launched, prove(requested(sequence)))).toMatchObject({
      code: 'ATTESTATION_NOT_ACCEPTED',
    });
    expect(authoriseModelKey(launched, prove(granted(sequence)))).toMatchObject({ code: 'ATTESTATION_NOT_ACCEPTED' });
  });

  it('is refused to a stranger, and to an image that the tenant did not allow', () => {
    const [executor] = requested(sequence).executors;
    const strangers = executor === undefined ? [] : [{ ...executor, keyset: hash('other') }];
    const elsewhere = requested(sequence, { executors: strangers });
    expect(authoriseInference(standing, prove(elsewhere))).toMatchObject({ code: 'KEYSET_NOT_OWN' });
    const otherImages = requested(sequence, { images: [hash('other')] });
    expect(authoriseInference(standing, prove(otherImages))).toMatchObject({ code: 'IMAGE_NOT_OWN' });
  });

  it('is refused for the keys of another node, image or acceptance', () => {
    expect(authoriseModelKey(standing, prove(granted(sequence, { keyset: hash('other') })))).toMatchObject({
      code: 'KEYSET_NOT_OWN',
    });
    expect(authoriseModelKey(standing, prove(granted(sequence, { node: keyPair('validator 2').id })))).toMatchObject({
      code: 'NODE_NOT_OWN',
    });
    expect(authoriseModelKey(standing, prove(granted(sequence, { image: hash('other') })))).toMatchObject({
      code: 'IMAGE_NOT_OWN',
    });
    expect(authoriseModelKey(standing, prove(granted(sequence + 1)))).toMatchObject({ code: 'ACCEPTANCE_UNKNOWN' });
    expect(authoriseModelKey(standing, prove(requested(sequence)))).toMatchObject({ code: 'NOT_AN_AUTHORISATION' });
    expect(authoriseInference(standing, prove(granted(sequence)))).toMatchObject({ code: 'NOT_AN_AUTHORISATION' });
    const elsewhere = requested(sequence, {
      executors: [
        {
          ...(requested(sequence).executors[0] as InferenceRequested['executors'][0]),
          node: keyPair('validator 2').id,
        },
      ],
    });
    expect(authoriseInference(standing, prove(elsewhere))).toMatchObject({ code: 'NODE_NOT_OWN' });
  });

  it('lapses with the standing: the proof of an old request opens nothing later', () => {
    const proof = prove(requested(sequence));
    expect(authoriseInference(standing, proof).ok).toBe(true);
    const later = reach(standing, 31);
    const sameEvent = chain.proof(proof.index);
    expect(authoriseInference(later, sameEvent)).toMatchObject({ code: 'ATTESTATION_NOT_REFRESHED' });
  });

  it('ends at the deadline of the task', () => {
    const proof = prove(requested(sequence, { deadlineMs: standing.lightClient.timestampMs }));
    const later = reach(standing, 9);
    expect(authoriseInference(later, chain.proof(proof.index))).toMatchObject({ code: 'TASK_PAST_DEADLINE' });
  });

  it('lets a request rest on the acceptance before a re-appraisal', () => {
    const proof = prove(requested(sequence));
    const reappraised = shown(standing, prove(accepted({ aliveUntilHeight: asHeight(40) })));
    expect(authoriseInference(reappraised, chain.proof(proof.index))).toMatchObject({
      ok: true,
      value: { acceptance: { sequence } },
    });
  });
});
