import { asDigest } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerChallenge,
  type Challenge,
  type ChallengeAnswer,
  type ChallengeVerification,
  decodeChallenge,
  decodeChallengeAnswer,
  encodeChallenge,
  encodeChallengeAnswer,
  keysetOf,
  makeChallenge,
  type RuntimeData,
  verifyChallengeAnswer,
} from '../../src/index.ts';
import {
  appraisal,
  bundleOf,
  CHAIN_ID,
  CHALLENGER,
  flipBit,
  NODE,
  runtime,
  seedOf,
  signKeys,
} from '../formats/snp-fixture.ts';

const challenge = makeChallenge({ chainId: CHAIN_ID, challenger: CHALLENGER, target: NODE, nonce: seedOf(21) });
const answering: RuntimeData = { ...runtime, purpose: 'challenge', nonce: challenge.nonce };

function answerTo(asked: Challenge, change: Partial<RuntimeData> = {}): ChallengeAnswer {
  return answerChallenge(asked, bundleOf({ ...answering, nonce: asked.nonce, ...change }), signKeys.sign);
}

function verificationOf(overrides: Partial<ChallengeVerification> = {}): ChallengeVerification {
  const { bundle: _, ...rest } = appraisal();
  return { ...rest, challenge, answer: answerTo(challenge), peer: NODE, ...overrides };
}

describe('challenge and response', () => {
  it('accepts the answer of the challenged enclave, with and without the keyset of the ledger', () => {
    expect(verifyChallengeAnswer(verificationOf())).toMatchObject({ ok: true, value: { keyset: keysetOf(answering) } });
    expect(verifyChallengeAnswer(verificationOf({ ledgerKeyset: keysetOf(answering) })).ok).toBe(true);
  });

  it('refuses a replay: the answer to an earlier challenge', () => {
    const earlier = makeChallenge({ ...challenge, nonce: seedOf(22) });
    expect(verifyChallengeAnswer(verificationOf({ answer: answerTo(earlier) }))).toMatchObject({
      code: 'NONCE_MISMATCH',
    });
  });

  it('refuses a relay: the answer of another node', () => {
    expect(
      verifyChallengeAnswer(verificationOf({ answer: answerTo(challenge, { node_id: CHALLENGER }) })),
    ).toMatchObject({
      code: 'NODE_ID_MISMATCH',
    });
  });

  it('refuses a right answer that comes from another peer', () => {
    expect(verifyChallengeAnswer(verificationOf({ peer: CHALLENGER }))).toMatchObject({
      code: 'CHALLENGE_PEER_MISMATCH',
    });
  });

  it('refuses an answer that was made for another challenger', () => {
    const relayed = answerTo({ ...challenge, challenger: NODE });
    expect(verifyChallengeAnswer(verificationOf({ answer: relayed }))).toMatchObject({ code: 'CHALLENGE_SIGNATURE' });
  });

  it('refuses evidence that was made for the ledger', () => {
    const answer = answerTo(challenge, { purpose: 'ledger' });
    expect(verifyChallengeAnswer(verificationOf({ answer }))).toMatchObject({ code: 'PURPOSE_MISMATCH' });
  });

  it('refuses evidence of another chain', () => {
    const answer = answerTo(challenge, { chain_id: asDigest('d2'.repeat(32)) });
    expect(verifyChallengeAnswer(verificationOf({ answer }))).toMatchObject({ code: 'CHAIN_ID_MISMATCH' });
  });

  it('refuses keys other than those on the ledger', () => {
    const ledgerKeyset = asDigest('d3'.repeat(32));
    expect(verifyChallengeAnswer(verificationOf({ ledgerKeyset }))).toMatchObject({ code: 'KEYSET_MISMATCH' });
  });

  it('refuses a signature of another key, and evidence exchanged under a signature', () => {
    const { bundle, signature } = answerTo(challenge);
    expect(
      verifyChallengeAnswer(verificationOf({ answer: { bundle, signature: flipBit(signature, 3) } })),
    ).toMatchObject({
      code: 'CHALLENGE_SIGNATURE',
    });
    const exchanged = bundleOf({ ...answering, nonce_height: 42 });
    expect(verifyChallengeAnswer(verificationOf({ answer: { bundle: exchanged, signature } }))).toMatchObject({
      code: 'CHALLENGE_SIGNATURE',
    });
  });

  it('refuses what appraisal refuses', () => {
    const [bundle, tampered] = [bundleOf(answering), flipBit(bundleOf(answering).evidence.report, 8 * 0x90)];
    const answer = answerChallenge(
      challenge,
      { ...bundle, evidence: { platform: 'sev-snp', report: tampered } },
      signKeys.sign,
    );
    expect(verifyChallengeAnswer(verificationOf({ answer }))).toMatchObject({ code: 'REPORT_SIGNATURE' });
  });
});

describe('challenge messages', () => {
  it('decode to what was encoded', () => {
    expect(decodeChallenge(encodeChallenge(challenge))).toEqual({ ok: true, value: challenge });
    const answer = answerTo(challenge);
    expect(decodeChallengeAnswer(encodeChallengeAnswer(answer))).toEqual({ ok: true, value: answer });
  });

  it('refuse other lengths', () => {
    const bytes = encodeChallenge(challenge);
    expect(decodeChallenge(bytes.slice(1))).toMatchObject({ code: 'CHALLENGE_MALFORMED' });
    const answer = encodeChallengeAnswer(answerTo(challenge));
    expect(decodeChallengeAnswer(answer.slice(0, -1))).toMatchObject({ code: 'ANSWER_MALFORMED' });
    expect(decodeChallengeAnswer(new Uint8Array(100_000))).toMatchObject({ code: 'ANSWER_MALFORMED' });
  });

  it('never throw on bytes from outside', () => {
    const answer = encodeChallengeAnswer(answerTo(challenge));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (random, position) => {
        decodeChallenge(random);
        decodeChallengeAnswer(random);
        decodeChallengeAnswer(flipBit(answer, position));
      }),
    );
  });
});
