import type { KeyedTree } from '@cloister/crypto';
import { asHeight, parseUtf8, utf8 } from '@cloister/encoding';
import { type Chain, digestOf, v1 } from '@cloister/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  eligible,
  evolve,
  type Fact,
  type FactSubject,
  factDocument,
  factKey,
  factsAfter,
  factsRoot,
  factTreeOf,
  initialState,
  type LedgerState,
  parseFact,
  parseFactKey,
  reasonsAgainst,
} from '../src/index.ts';
import { eventfulChain, randomChain } from './workload.ts';

function followed(chain: Chain): void {
  const state = initialState();
  let tree: KeyedTree;
  for (const event of chain.log) {
    evolve(state, event);
    tree = factsAfter(tree, state, [event]);
    // An event type whose effect on the facts is forgotten shows here: the tree made from nothing has it.
    expect([event.type, factsRoot(tree)]).toEqual([event.type, factsRoot(factTreeOf(state))]);
  }
}

describe('the facts of an attestation', () => {
  test('lead to the reasons that the state leads to, at any height', () => {
    const seen = new Set<string>();
    for (const chain of [eventfulChain(), randomChain('one rule', 12)]) {
      const state = initialState();
      for (const event of chain.log) {
        evolve(state, event);
        if (event.type !== 'BlockBegun' && event.type !== 'MeasurementRevoked') continue;
        const rules = fact(state, { about: 'rules' });
        for (const node of state.attestations.keys()) {
          const attestation = fact(state, { about: 'attestation', node });
          if (rules?.about !== 'rules' || attestation?.about !== 'attestation')
            throw new Error('facts of an attestation');
          for (const later of [0, 10, 1000]) {
            const height = asHeight(state.height + later);
            const timeMs = state.timeMs + 1000 * later;
            const answer = eligible({ state, validator: node, height, timeMs });
            const reasons = reasonsAgainst(attestation, rules, height, timeMs);
            expect(reasons).toEqual(answer.eligible ? [] : answer.reasons);
            for (const reason of reasons) seen.add(reason);
          }
        }
      }
    }
    expect([...seen]).toEqual(expect.arrayContaining(['EVICTED', 'NOT_REFRESHED', 'KEYSET_DISTRUSTED']));
  });
});

function fact(state: LedgerState, subject: FactSubject): Fact | undefined {
  const document = factDocument(state, subject);
  const parsed = document === undefined ? undefined : parseFact(subject, document);
  return parsed?.ok === true ? parsed.value : undefined;
}

describe('the tree of facts', () => {
  let chain: Chain;
  beforeAll(() => {
    chain = eventfulChain();
  });

  test('after each event is the one that the state gives', () => followed(chain));

  test('after each event of random chains, too', () => {
    for (const seed of ['facts 1', 'facts 2']) followed(randomChain(seed, 12));
  });

  test('of a block is that of its events, one after the other or at once', () => {
    const state = initialState();
    for (const event of chain.log) evolve(state, event);
    expect(factsRoot(factsAfter(undefined, state, chain.log))).toBe(factsRoot(factTreeOf(state)));
  });

  test('has an entry for rules and for each attestation, model and grant, and for nothing that is not there', () => {
    const { state } = chain;
    const document = (subject: FactSubject): string | undefined => {
      const bytes = factDocument(state, subject);
      return bytes === undefined ? undefined : parseUtf8(bytes);
    };
    expect(document({ about: 'rules' })).toContain('"crlFloors"');
    expect(document({ about: 'attestation', node: v1.id })).toContain('"keysetStatus"');
    const [model] = [...state.models.values()];
    const [keyset] = [...(model?.grants.keys() ?? [])];
    if (model === undefined || keyset === undefined) throw new Error('the chain has a granted model');
    expect(document({ about: 'model', model: model.id })).toContain(model.owner);
    expect(document({ about: 'grant', model: model.id, keyset })).toContain(keyset);
    expect(document({ about: 'grant', model: model.id, keyset: digestOf('other') })).toBeUndefined();
    expect(document({ about: 'model', model: digestOf('other') })).toBeUndefined();
    expect(document({ about: 'attestation', node: digestOf('nobody') as never })).toBeUndefined();
  });

  test('changes with an eviction, with a refresh and with distrust', () => {
    const roots = new Map<string, number>();
    const state = initialState();
    let tree: KeyedTree;
    for (const event of chain.log) {
      const before = factsRoot(tree);
      evolve(state, event);
      tree = factsAfter(tree, state, [event]);
      if (factsRoot(tree) !== before) roots.set(event.type, (roots.get(event.type) ?? 0) + 1);
    }
    for (const type of [
      'AttestationEvicted',
      'AttestationRefreshed',
      'EquivocationRecorded',
      'MeasurementRevoked',
      'AppraisalPolicyTookEffect',
      'EndorsementsAccepted',
      'ModelPublished',
      'ModelKeyGrantAuthorised',
      'ModelGrantRevoked',
      'ModelRevoked',
    ]) {
      expect([type, roots.get(type) ?? 0]).not.toEqual([type, 0]);
    }
  });

  test('keys of different subjects differ', () => {
    const id = digestOf('same');
    const keys = [
      factKey({ about: 'rules' }),
      factKey({ about: 'attestation', node: id as never }),
      factKey({ about: 'model', model: id }),
      factKey({ about: 'grant', model: id, keyset: id }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('keys lead back to their subjects, and no other text leads anywhere', () => {
    const [model, keyset] = [digestOf('model'), digestOf('keyset')];
    const subjects: readonly FactSubject[] = [
      { about: 'rules' },
      { about: 'attestation', node: v1.id },
      { about: 'model', model },
      { about: 'grant', model, keyset },
    ];
    for (const subject of subjects) expect(parseFactKey(factKey(subject))).toEqual(subject);
    for (const text of [
      '',
      'rules/',
      `rules/${model}`,
      'attestation',
      `attestation/${v1.id}/`,
      'attestation/nobody',
      `node/${v1.id}`,
      'model',
      'model/short',
      `model/${model}/`,
      `grant/${model}`,
      `grant/short/${keyset}`,
      `grant/${model}/short`,
      `grant/${model}/${keyset}/`,
    ]) {
      expect([text, parseFactKey(text)]).toEqual([text, undefined]);
    }
  });

  test('documents that are none are refused, each part of them', () => {
    const { state } = chain;
    const [attested] = state.attestations.values();
    if (attested === undefined) throw new Error('nobody is attested');
    const node: FactSubject = { about: 'attestation', node: attested.node };
    const changed = (subject: FactSubject, change: (json: string) => string) => {
      const text = parseUtf8(factDocument(state, subject) ?? new Uint8Array(0)) ?? '';
      expect(change(text)).not.toBe(text);
      return parseFact(subject, utf8(change(text)));
    };
    for (const subject of [node, { about: 'rules' }] as const) {
      expect(changed(subject, (text) => `${text} `)).toMatchObject({ code: 'FACT_MALFORMED' });
      expect(changed(subject, () => '{}')).toMatchObject({ code: 'FACT_MALFORMED' });
    }
    expect(changed({ about: 'rules' }, (text) => text.replace('"UpToDate"', '"Perfect"'))).toMatchObject({
      code: 'FACT_MALFORMED',
    });
  });

  test('of key sets that were retired or distrusted, the reasons say so', () => {
    const { state } = chain;
    const parsed = (subject: FactSubject) => {
      const fact = parseFact(subject, factDocument(state, subject) ?? new Uint8Array(0));
      if (!fact.ok) throw new Error(fact.detail);
      return fact.value;
    };
    const rules = parsed({ about: 'rules' });
    for (const { node } of state.attestations.values()) {
      const attestation = parsed({ about: 'attestation', node });
      if (attestation.about !== 'attestation' || rules.about !== 'rules') throw new Error('other facts');
      for (const [keysetStatus, reason] of [
        ['retired', 'KEYSET_RETIRED'],
        ['distrusted', 'KEYSET_DISTRUSTED'],
      ] as const) {
        const reasons = reasonsAgainst({ ...attestation, keysetStatus }, rules, state.height, state.timeMs);
        expect(reasons).toContain(reason);
      }
    }
  });

  test('there are none of what the state does not hold', () => {
    expect(factDocument(initialState(), { about: 'rules' })).toBeUndefined();
    expect(factDocument(initialState(), { about: 'attestation', node: v1.id })).toBeUndefined();
  });
});
