import { hash } from '@cloister/crypto';
import { asHeight, type Digest } from '@cloister/encoding';
import type { FactSubject, InferenceRequested, LedgerEvent } from '@cloister/ledger';
import { keyPair, START_MS } from '@cloister/testkit/fake-chain';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type AuthorityProof,
  authoriseInference,
  authoriseModelKey,
  currentStanding,
  decodeAuthorityProof,
  encodeAuthorityProof,
  type FactsProof,
  followHeader,
  type Standing,
  showFacts,
} from '../src/index.ts';
import { ALL, beginChain, chain, decide, facts, launched, reach, shown } from './own-chain.ts';
import {
  accepted,
  evicted,
  granted,
  grantRevoked,
  keyset,
  measurementRevoked,
  model,
  modelRevoked,
  policyTookEffect,
  published,
  refreshed,
  requested,
} from './own-events.ts';

beforeEach(() => beginChain());

/** A proof without the documents about one kind of thing. */
function without<P extends FactsProof>(proof: P, about: string): P {
  return { ...proof, documents: proof.documents.filter(({ subject }) => subject.about !== about) };
}

/** What the ledger may decide against an enclave, and the reason by which it then is refused. */
const AGAINST: readonly (readonly [string, () => LedgerEvent, string])[] = [
  ['an eviction', () => evicted(chain.last('AttestationAccepted')), 'EVICTED'],
  ['the revocation of its measurement', () => measurementRevoked, 'MEASUREMENT_REVOKED'],
  ['a bar on its hardware', () => policyTookEffect({ barredHardwareIds: [accepted().hardwareId] }), 'PLATFORM_BARRED'],
  [
    'a list without its hardware',
    () => policyTookEffect({ allowedHardwareIds: ['cd'.repeat(32)] }),
    'PLATFORM_NOT_LISTED',
  ],
  ['a policy without its product', () => policyTookEffect({ sevSnp: null }), 'PLATFORM_BARRED'],
];

describe('standing', () => {
  it('is none at launch, whatever headers are shown', () => {
    expect(currentStanding(launched)).toMatchObject({ code: 'ATTESTATION_NOT_SHOWN' });
    expect(currentStanding(reach(launched, 5))).toMatchObject({ code: 'ATTESTATION_NOT_SHOWN' });
    expect(showFacts(launched, facts()).result).toMatchObject({ code: 'ATTESTATION_NOT_SHOWN' });
  });

  it('holds from facts with its own attestation on', () => {
    decide(accepted());
    const standing = shown(launched);
    expect(currentStanding(standing)).toMatchObject({ ok: true, value: { keyset } });
    expect(standing.lightClient.height).toBe(chain.height);
  });

  it('does not rest on the attestation of other keys or another node, and ends when other keys take its place', () => {
    decide(accepted());
    const standing = shown(launched);
    decide(accepted({ keyset: hash('other') as Digest, signKey: '01'.repeat(32), hpkeKey: '02'.repeat(32) }));
    const replaced = showFacts(standing, facts());
    expect(replaced.result).toMatchObject({ code: 'KEYSET_NOT_OWN' });
    expect(currentStanding(replaced.standing)).toMatchObject({ code: 'ATTESTATION_NOT_SHOWN' });
    const elsewhere = { ...launched, own: { ...launched.own, nodeId: keyPair('validator 2').id } };
    expect(showFacts(elsewhere, facts()).result).toMatchObject({ code: 'ATTESTATION_NOT_SHOWN' });
  });

  it('takes no facts of another chain, of too few validators, without rules, or with a document of an older header', () => {
    const trusting = launched;
    decide(accepted());
    const few = { ...facts(), finality: chain.finality(chain.height, chain.height, []) };
    expect(showFacts(launched, few).result).toMatchObject({ code: 'FINALITY_REFUSED', detail: 'INSUFFICIENT_WEIGHT' });
    expect(followHeader(launched, few.finality)).toMatchObject({ code: 'FINALITY_REFUSED' });
    expect(showFacts(launched, without(facts(), 'rules')).result).toMatchObject({ code: 'RULES_NOT_SHOWN' });
    const before = facts();
    decide(measurementRevoked);
    const mixed = { ...before, finality: chain.finality() };
    expect(showFacts(launched, mixed).result).toMatchObject({ code: 'FACT_NOT_INCLUDED' });
    beginChain({ name: 'another' });
    decide(accepted());
    expect(showFacts(trusting, facts()).result).toMatchObject({ code: 'FINALITY_REFUSED', detail: 'FOREIGN_CHAIN' });
  });

  it('lapses at the very block after its last height', () => {
    decide(accepted({ validUntilHeight: asHeight(8), aliveUntilHeight: asHeight(100) }));
    const standing = shown(launched);
    expect(currentStanding(reach(standing, 8)).ok).toBe(true);
    expect(currentStanding(reach(standing, 9))).toMatchObject({ code: 'ATTESTATION_LAPSED_HEIGHT' });
  });

  it('lapses with block time, not with the clock of anyone', () => {
    decide(accepted({ validUntilMs: START_MS + 7000 }));
    const standing = shown(launched);
    expect(currentStanding(reach(standing, 6)).ok).toBe(true);
    expect(currentStanding(reach(standing, 7))).toMatchObject({ code: 'ATTESTATION_LAPSED_TIME' });
  });

  it('lapses without a refresh, and lives on with one', () => {
    decide(accepted());
    const standing = shown(launched);
    const sequence = chain.last('AttestationAccepted');
    expect(currentStanding(reach(standing, 11))).toMatchObject({ code: 'NOT_REFRESHED' });
    decide(refreshed(sequence, 30));
    const alive = shown(standing);
    expect(currentStanding(reach(alive, 30)).ok).toBe(true);
    expect(currentStanding(reach(alive, 31))).toMatchObject({ code: 'NOT_REFRESHED' });
  });

  it.each(AGAINST)('ends with %s, and facts from before do not bring it back', (_, against, code) => {
    decide(accepted({ aliveUntilHeight: asHeight(40) }));
    const before = facts();
    const standing = shown(launched, before);
    expect(currentStanding(standing).ok).toBe(true);
    decide(against());
    const ended = shown(standing);
    expect(currentStanding(ended)).toMatchObject({ code });
    const back = showFacts(ended, before);
    expect(back.result).toMatchObject({ code: 'HEADER_NOT_NEWEST' });
    expect(currentStanding(back.standing)).toMatchObject({ code });
  });
});

describe('authorisation', () => {
  let standing: Standing;
  let grant: AuthorityProof;
  let request: AuthorityProof;
  let sequence: number;

  beforeEach(() => {
    decide(accepted({ aliveUntilHeight: asHeight(40) }));
    sequence = chain.last('AttestationAccepted');
    decide(published);
    standing = shown(launched);
    grant = decide(granted(sequence));
    request = decide(requested(sequence));
  });

  /** The same event under the newest header. */
  const again = ({ index }: AuthorityProof): AuthorityProof => chain.authority(index, ALL);

  it('rests on an event that names the own keyset beside the facts of its header, also at first sight', () => {
    expect(authoriseModelKey(standing, grant).result).toMatchObject({ ok: true, value: { sequence: grant.index } });
    for (const one of [standing, launched]) {
      const judged = authoriseInference(one, request);
      expect(judged.result).toMatchObject({
        ok: true,
        value: { event: { task: hash('test/task') }, attestation: { sequence } },
      });
      expect(judged.standing.lightClient.height).toBe(chain.height);
    }
  });

  it('comes back from its bytes', () => {
    expect(decodeAuthorityProof(encodeAuthorityProof(request))).toEqual({ ok: true, value: request });
    expect(decodeAuthorityProof(Uint8Array.of(1, 2))).toMatchObject({ code: 'PROOF_MALFORMED' });
  });

  it('is refused without a proof that holds', () => {
    const broken = { ...request, proof: request.proof.slice(1) };
    expect(authoriseInference(standing, broken).result).toMatchObject({ code: 'INCLUSION_INVALID' });
    expect(authoriseModelKey(standing, { ...grant, proof: [] }).result).toMatchObject({ code: 'INCLUSION_INVALID' });
    const few = { ...request, finality: chain.finality(chain.height, chain.height, []) };
    expect(authoriseInference(standing, few).result).toMatchObject({ code: 'FINALITY_REFUSED' });
  });

  it('is refused with facts of a height below the request', () => {
    const older = chain.facts(ALL, chain.height - 2);
    expect(authoriseInference(standing, { ...request, ...older }).result).toMatchObject({ code: 'INDEX_BEYOND_LOG' });
  });

  it.each([
    ['rules', 'RULES_NOT_SHOWN'],
    ['attestation', 'ATTESTATION_NOT_SHOWN'],
    ['model', 'MODEL_NOT_SHOWN'],
    ['grant', 'GRANT_NOT_SHOWN'],
  ])('is refused when the host leaves out what holds of %s', (about, code) => {
    expect(authoriseInference(standing, without(request, about)).result).toMatchObject({ code });
    expect(authoriseModelKey(standing, without(again(grant), about)).result).toMatchObject({ code });
  });

  it.each([
    ...AGAINST,
    ['the revocation of the model', () => modelRevoked, 'MODEL_REVOKED'] as const,
    ['the revocation of the grant', () => grantRevoked, 'MODEL_GRANT_REVOKED'] as const,
  ])('ends with %s: no event from before opens anything any more', (_, against, code) => {
    decide(against());
    const judged = authoriseInference(standing, again(request));
    expect(judged.result).toMatchObject({ code });
    expect(authoriseModelKey(standing, again(grant)).result).toMatchObject({ code });
    // What it has seen stays seen.
    expect(authoriseInference(judged.standing, request).result).toMatchObject({ code: 'HEADER_NOT_NEWEST' });
    expect(authoriseModelKey(judged.standing, grant).result).toMatchObject({ code: 'HEADER_NOT_NEWEST' });
  });

  it('goes by what holds of its own node, model and keys, whatever of others the host shows in its place', () => {
    const other = {
      model: hash('test/another model'),
      keyset: hash('test/other keys'),
      node: keyPair('validator 2').id,
    };
    decide(accepted({ node: other.node, keyset: other.keyset }));
    decide({ ...published, model: other.model });
    const others: FactSubject[] = [{ about: 'attestation', node: other.node }];
    for (const pair of [
      { model: other.model, keyset },
      { model, keyset: other.keyset },
    ]) {
      decide({ ...granted(sequence, { keyset: pair.keyset }), model: pair.model });
      others.push({ about: 'grant', ...pair });
    }
    others.push({ about: 'model', model: other.model });
    // A grant names its model as well: it comes before the model and must not be taken for it.
    const subjects = [...others, ...ALL.toReversed()];
    expect(authoriseInference(standing, chain.authority(request.index, subjects)).result.ok).toBe(true);
    expect(authoriseModelKey(standing, chain.authority(grant.index, subjects)).result.ok).toBe(true);
    const left = (about: string) => [...others, ...ALL.filter((subject) => subject.about !== about)];
    for (const [about, code] of [
      ['attestation', 'ATTESTATION_NOT_SHOWN'],
      ['model', 'MODEL_NOT_SHOWN'],
      ['grant', 'GRANT_NOT_SHOWN'],
    ] as const) {
      const proof = chain.authority(request.index, left(about));
      expect(authoriseInference(standing, proof).result).toMatchObject({ code });
    }
  });

  it('gives a model’s key by the newest grant alone', () => {
    decide(granted(sequence));
    expect(authoriseModelKey(standing, again(grant)).result).toMatchObject({ code: 'GRANT_REPLACED' });
    expect(authoriseInference(standing, again(request)).result.ok).toBe(true);
  });

  it('is refused to a stranger, and to an image that the tenant did not allow', () => {
    const elsewhere = (change: Partial<InferenceRequested['executors'][0]>) => {
      const [executor] = requested(sequence).executors;
      const executors = executor === undefined ? [] : [{ ...executor, ...change }];
      return proven(requested(sequence, { executors }));
    };
    expect(authoriseInference(standing, elsewhere({ keyset: hash('other') })).result).toMatchObject({
      code: 'KEYSET_NOT_OWN',
    });
    expect(authoriseInference(standing, elsewhere({ node: keyPair('validator 2').id })).result).toMatchObject({
      code: 'NODE_NOT_OWN',
    });
    const otherImages = proven(requested(sequence, { images: [hash('other')] }));
    expect(authoriseInference(standing, otherImages).result).toMatchObject({ code: 'IMAGE_NOT_OWN' });
  });

  it('is refused for the keys of another node or image, and for events of another kind', () => {
    const given = (change: Parameters<typeof granted>[1]) =>
      authoriseModelKey(standing, proven(granted(sequence, change))).result;
    expect(given({ keyset: hash('other') })).toMatchObject({ code: 'KEYSET_NOT_OWN' });
    expect(given({ node: keyPair('validator 2').id })).toMatchObject({ code: 'NODE_NOT_OWN' });
    expect(given({ image: hash('other') })).toMatchObject({ code: 'IMAGE_NOT_OWN' });
    expect(authoriseModelKey(standing, again(request)).result).toMatchObject({ code: 'NOT_AN_AUTHORISATION' });
    expect(authoriseInference(standing, again(grant)).result).toMatchObject({ code: 'NOT_AN_AUTHORISATION' });
  });

  it('lapses with the standing: the proof of an old request opens nothing later', () => {
    expect(authoriseInference(standing, request).result.ok).toBe(true);
    while (chain.height <= 40) chain.block();
    expect(authoriseInference(standing, again(request)).result).toMatchObject({ code: 'NOT_REFRESHED' });
  });

  it('ends at the deadline of the task', () => {
    const late = proven(requested(sequence, { deadlineMs: chain.timeMs }));
    expect(authoriseInference(standing, late).result).toMatchObject({ code: 'TASK_PAST_DEADLINE' });
  });
});

/** An event that no ledger would decide, proven beside the facts. */
function proven(event: LedgerEvent): AuthorityProof {
  chain.block([], [event]);
  const sequence = chain.records.length - 1;
  chain.block();
  return chain.authority(sequence, ALL);
}
