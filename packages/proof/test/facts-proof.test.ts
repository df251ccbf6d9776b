import { encodeFinalityProof } from '@cloister/consensus';
import { KEYED_PROOF_HASHES_MAX } from '@cloister/crypto';
import { asHeight, ByteWriter, type Digest, utf8 } from '@cloister/encoding';
import { evolve, type FactSubject, factKey, factTreeOf, RULES_SUBJECT } from '@cloister/ledger';
import { FakeChain, IMAGE, validators } from '@cloister/testkit/fake-chain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFactsProof,
  documentsOf,
  encodeFactsProof,
  FACTS_MAX,
  type FactsProof,
  lightClientOf,
  verifyFacts,
} from '../src/index.ts';

const chain = new FakeChain();
for (let i = 0; i < 4; i++) chain.block();
const revoked = chain.state.measurements.values().next().value;
if (revoked === undefined) throw new Error('the genesis allows a measurement');
const before = chain.facts([RULES_SUBJECT]);
const { platform, measurement, image, name } = revoked;
const height = asHeight(5);
chain.block([], []);
// What governance would do: the ledger's own event, folded in by the ledger.
const fact = { type: 'MeasurementRevoked', transaction: 'ab'.repeat(32) as Digest, expiryHeight: height } as const;
evolve(chain.state, { ...fact, platform, measurement, image, name, height });
chain.block();
const after = chain.facts([RULES_SUBJECT]);
const trusted = lightClientOf(chain.genesis);
const nobody: FactSubject = { about: 'model', model: 'cd'.repeat(32) as Digest };

describe('verifyFacts', () => {
  it('shows what holds, and moves the light client on', () => {
    const verified = verifyFacts(trusted, after);
    if (!verified.ok) throw new Error(`${verified.code} ${verified.detail}`);
    expect(verified.value.lightClient.height).toBe(6);
    expect(verified.value.facts).toMatchObject([
      { about: 'rules', measurements: [{ image: IMAGE, status: 'revoked' }] },
    ]);
  });

  it('does not show what no longer holds to whoever knows a newer header', () => {
    const old = verifyFacts(trusted, before);
    expect(old.ok && old.value.facts).toMatchObject([{ measurements: [{ status: 'allowed' }] }]);
    const newer = verifyFacts(trusted, after);
    if (!newer.ok) throw new Error(newer.code);
    expect(verifyFacts(newer.value.lightClient, before)).toMatchObject({ code: 'HEADER_NOT_NEWEST' });
    // Nor does the old document pass under the newer header.
    const mixed: FactsProof = { ...after, documents: before.documents };
    expect(verifyFacts(trusted, mixed)).toMatchObject({ code: 'FACT_NOT_INCLUDED' });
  });

  it('takes no fact on the word of too few validators, and no header whose root was changed', () => {
    const few = { ...after, finality: chain.finality(6, 6, validators.slice(0, 2)) };
    expect(verifyFacts(trusted, few)).toMatchObject({ code: 'FINALITY_REFUSED' });
    const { header } = after.finality;
    const lastFinal = { ...header.lastFinal, factsRoot: before.finality.header.lastFinal.factsRoot };
    const changed = { ...after, finality: { ...after.finality, header: { ...header, lastFinal } } };
    expect(verifyFacts(trusted, changed)).toMatchObject({ code: 'FINALITY_REFUSED' });
  });

  it('takes no document under the key of another subject, and none that was made up', () => {
    const [document] = after.documents;
    if (document === undefined) throw new Error('one document');
    for (const one of [
      { ...document, subject: nobody },
      { ...document, document: utf8('{}') },
    ]) {
      expect(verifyFacts(trusted, { ...after, documents: [one] })).toMatchObject({ code: 'FACT_NOT_INCLUDED' });
    }
  });

  it('takes no document that cannot be read, although it stands under the header', () => {
    const strange = new FakeChain();
    for (const measurement of strange.state.measurements.values()) Object.assign(measurement, { status: 'perhaps' });
    for (let i = 0; i < 3; i++) strange.block();
    const proof = strange.facts([RULES_SUBJECT]);
    expect(verifyFacts(lightClientOf(strange.genesis), proof)).toMatchObject({ code: 'FACT_MALFORMED' });
  });

  it('leaves out what there is not', () => {
    expect(documentsOf(factTreeOf(chain.state), [nobody])).toEqual([]);
  });
});

describe('the wire form', () => {
  it('comes back from its bytes', () => {
    expect(decodeFactsProof(encodeFactsProof(after))).toEqual({ ok: true, value: after });
  });

  it('holds the most facts that one may ask for, and no more', () => {
    const [document] = after.documents;
    if (document === undefined) throw new Error('one document');
    const documents = Array.from({ length: FACTS_MAX }, () => document);
    expect(decodeFactsProof(encodeFactsProof({ ...after, documents })).ok).toBe(true);
    expect(() => encodeFactsProof({ ...after, documents: [...documents, document] })).toThrow('too many facts');
  });

  it('is refused when it counts more than its bounds, or names nothing', () => {
    const finality = encodeFinalityProof(after.finality);
    const begun = () => new ByteWriter(finality.length + 100_000).u8(1).var(finality);
    const path = (hashes: number) => begun().u8(1).str(factKey(RULES_SUBJECT)).var(utf8('{}')).u16(hashes);
    for (const [bytes, detail] of [
      [begun().u8(FACTS_MAX + 1), 'too many facts'],
      [begun().u8(1).str('nothing'), 'no key of a fact'],
      [path(KEYED_PROOF_HASHES_MAX + 1), 'path too long'],
    ] as const) {
      expect(decodeFactsProof(bytes.finish())).toMatchObject({ code: 'PROOF_MALFORMED', detail });
    }
  });

  it('never throws on hostile bytes, and no mutation shows anything else', () => {
    const bytes = encodeFactsProof(after);
    const good = verifyFacts(trusted, after);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const mutated = bytes.slice();
        mutated[at] = (mutated[at] ?? 0) ^ flip;
        const decoded = decodeFactsProof(mutated);
        if (!decoded.ok) return;
        const verified = verifyFacts(trusted, decoded.value);
        if (verified.ok) expect(verified.value.facts).toEqual(good.ok && good.value.facts);
      }),
      { numRuns: 150 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        decodeFactsProof(junk);
      }),
    );
  });
});
