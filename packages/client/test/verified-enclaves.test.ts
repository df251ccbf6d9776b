import { makeChallenge } from '@cloister/attestation';
import { hash } from '@cloister/crypto';
import { type AccountId, asAccountId, asDigest } from '@cloister/encoding';
import { expect, it } from 'vitest';
import type { EnclaveAnswer } from '../src/executors/verified-enclaves.ts';
import { ANSWERS_KEPT_MAX, EVIDENCE_AGE_MS_MAX, VerifiedEnclaves } from '../src/executors/verified-enclaves.ts';

const id = (i: number): AccountId => asAccountId(hash(`node ${i}`));

function answerOf(i: number, atMs = 0): EnclaveAnswer {
  const node = id(i);
  const chainId = asDigest('ab'.repeat(32));
  const challenge = makeChallenge({ chainId, challenger: id(-1), target: node, nonce: new Uint8Array(32) });
  const nothing = new Uint8Array(0);
  const evidence = { platform: 'sev-snp', report: nothing } as const;
  const bundle = { evidence, runtimeData: nothing, endorsements: { certificates: [], crls: [] } };
  return { node, challenge, answer: { bundle, signature: new Uint8Array(64) }, atMs };
}

it('a client keeps so many answers of enclaves, those that it verified last', () => {
  const kept = new VerifiedEnclaves();
  for (let i = 0; i < ANSWERS_KEPT_MAX; i++) kept.keep(answerOf(i));
  kept.keep(answerOf(0));
  kept.keep(answerOf(ANSWERS_KEPT_MAX));
  expect(kept.size).toBe(ANSWERS_KEPT_MAX);
  expect([0, 1, 2].map((i) => kept.recent(id(i), 0) !== undefined)).toEqual([true, false, true]);
});

it('uses none that is too old, or of a time to come', () => {
  const kept = new VerifiedEnclaves();
  kept.keep(answerOf(1, 1_000));
  expect(kept.recent(id(1), 1_000 + EVIDENCE_AGE_MS_MAX)?.node).toBe(id(1));
  expect(kept.recent(id(1), 1_001 + EVIDENCE_AGE_MS_MAX)).toBeUndefined();
  expect(kept.recent(id(1), 999)).toBeUndefined();
});
