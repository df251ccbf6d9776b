import { asHeight, hash } from '@cloister/crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  authoriseInference,
  authoriseModelKey,
  currentStanding,
  type EventProof,
  type Standing,
  showAcceptance,
} from '../src/index.ts';
import { keyPair, START_MS } from './fake-chain.ts';
import { beginChain, chain, launched, prove, reach, shown } from './own-chain.ts';
import { accepted, evicted, granted, reappraised, refreshed, requested } from './own-events.ts';

beforeEach(() => beginChain());

describe('an eviction', () => {
  let standing: Standing;
  let sequence: number;

  beforeEach(() => {
    const proof = prove(accepted({ aliveUntilHeight: asHeight(60) }));
    standing = shown(launched, proof);
    sequence = proof.index;
  });

  it('ends the standing at once, and with it every authorisation, whatever is shown again or refreshed', () => {
    const ended = shown(standing, prove(evicted(sequence)));
    const code = 'ATTESTATION_EVICTED';
    expect(currentStanding(ended)).toMatchObject({ code, detail: 'HARDWARE_BARRED' });
    expect(authoriseModelKey(ended, prove(granted(sequence)))).toMatchObject({ code });
    expect(authoriseInference(ended, prove(requested(sequence)))).toMatchObject({ code });
    expect(currentStanding(shown(ended, chain.proof(sequence)))).toMatchObject({ code });
    expect(currentStanding(shown(ended, prove(refreshed(sequence, 60))))).toMatchObject({ code });
    expect(currentStanding(shown(ended, prove(reappraised(sequence))))).toMatchObject({ code });
  });

  it('is overcome by the acceptance of new evidence alone', () => {
    const ended = shown(standing, prove(evicted(sequence)));
    const back = shown(ended, prove(accepted({ aliveUntilHeight: asHeight(60) })));
    expect(currentStanding(back).ok).toBe(true);
    expect(authoriseInference(back, prove(requested(sequence))).ok).toBe(true);
  });

  it('is taken in whatever order events are shown, of its own acceptance only', () => {
    const eviction = prove(evicted(sequence));
    const later = shown(standing, prove(refreshed(sequence, 60)));
    const ended = shown(later, chain.proof(eviction.index));
    expect(currentStanding(ended)).toMatchObject({ code: 'ATTESTATION_EVICTED' });
    expect(showAcceptance(standing, prove(evicted(sequence + 1)))).toMatchObject({ code: 'ACCEPTANCE_STALE' });
    expect(showAcceptance(launched, prove(evicted(sequence)))).toMatchObject({ code: 'ACCEPTANCE_STALE' });
    const other = prove(evicted(sequence, { keyset: hash('other') }));
    expect(showAcceptance(standing, other)).toMatchObject({ code: 'KEYSET_NOT_OWN' });
    const elsewhere = prove(evicted(sequence, { node: keyPair('validator 2').id }));
    expect(showAcceptance(standing, elsewhere)).toMatchObject({ code: 'NODE_NOT_OWN' });
  });
});

describe('a re-appraisal', () => {
  let standing: Standing;
  let sequence: number;

  beforeEach(() => {
    const proof = prove(accepted({ aliveUntilHeight: asHeight(30) }));
    standing = shown(launched, proof);
    sequence = proof.index;
  });

  const holdsUntil = ({ acceptances: [newest] }: Standing) => [
    newest?.validUntilHeight,
    newest?.validUntilMs,
    newest?.aliveUntilHeight,
  ];

  it('shortens what it shortens', () => {
    const shorter = {
      validUntilHeight: asHeight(20),
      validUntilMs: START_MS + 18_000,
      aliveUntilHeight: asHeight(12),
    };
    const shortened = shown(standing, prove(reappraised(sequence, shorter)));
    expect(holdsUntil(shortened)).toEqual([20, START_MS + 18_000, 12]);
    expect(currentStanding(reach(shortened, 12)).ok).toBe(true);
    expect(currentStanding(reach(shortened, 13))).toMatchObject({ code: 'ATTESTATION_NOT_REFRESHED' });
    const alive = shown(shortened, prove(refreshed(sequence, 60)));
    expect(currentStanding(reach(alive, 17)).ok).toBe(true);
    expect(currentStanding(reach(alive, 18))).toMatchObject({ code: 'ATTESTATION_LAPSED_TIME' });
    expect(currentStanding(reach(alive, 21))).toMatchObject({ code: 'ATTESTATION_LAPSED_HEIGHT' });
  });

  it('never extends', () => {
    const longer = {
      validUntilHeight: asHeight(500),
      validUntilMs: START_MS + 9_000_000,
      aliveUntilHeight: asHeight(300),
    };
    expect(holdsUntil(shown(standing, prove(reappraised(sequence, longer))))).toEqual(holdsUntil(standing));
  });

  it('counts for less than a refresh from after it, shown in whatever order', () => {
    const [shortening, after] = [
      prove(reappraised(sequence, { aliveUntilHeight: asHeight(12) })),
      prove(refreshed(sequence, 25)),
    ];
    const alive = shown(standing, chain.proof(after.index));
    expect(alive.acceptances[0]?.aliveUntilHeight).toBe(25);
    const both = shown(alive, chain.proof(shortening.index));
    expect(both.acceptances[0]?.aliveUntilHeight).toBe(25);
    expect(currentStanding(reach(both, 25)).ok).toBe(true);
    expect(currentStanding(reach(both, 26))).toMatchObject({ code: 'ATTESTATION_NOT_REFRESHED' });
  });

  it('is not undone by a refresh from before it, and does not undo one from after it', () => {
    const [before, shortening, after] = [
      prove(refreshed(sequence, 40)),
      prove(reappraised(sequence, { aliveUntilHeight: asHeight(12) })),
      prove(refreshed(sequence, 25)),
    ];
    const later = (proof: EventProof) => chain.proof(proof.index);
    const shortened = shown(standing, later(shortening));
    expect(shown(shortened, later(before)).acceptances[0]?.aliveUntilHeight).toBe(12);
    const alive = shown(shortened, later(after));
    expect(alive.acceptances[0]?.aliveUntilHeight).toBe(25);
    expect(shown(alive, later(shortening)).acceptances[0]?.aliveUntilHeight).toBe(25);
  });
});
