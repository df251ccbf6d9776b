import { toHex } from '@cloister/encoding';
import { encodeEvent } from '@cloister/ledger';
import { FakeChain, keyPair, validators } from '@cloister/testkit/fake-chain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeEventProof,
  type EventProof,
  encodeEventProof,
  encodeEventProofParts,
  lightClientOf,
  verifyEventProof,
} from '../src/index.ts';

const chain = new FakeChain();
for (let i = 0; i < 5; i++) chain.block();
const trusted = lightClientOf(chain.genesis);
const other = new FakeChain({ name: 'another' });
for (let i = 0; i < 5; i++) other.block();

describe('verifyEventProof', () => {
  it('takes every provable event of the chain, and moves the light client on', () => {
    for (let sequence = 0; sequence < chain.provableCount(); sequence++) {
      const verified = verifyEventProof(trusted, chain.proof(sequence));
      if (!verified.ok) throw new Error(`${verified.code} ${verified.detail}`);
      expect(encodeEvent(verified.value.event)).toEqual(encodeEvent(chain.events[sequence] as never));
      expect(verified.value.lightClient.height).toBe(chain.height);
      expect(verified.value.record.sequence).toBe(sequence);
    }
  });

  it('takes a header that is an ancestor of the certified one', () => {
    const proof = { ...chain.proof(2, 3), finality: chain.finality(3, 5) };
    expect(verifyEventProof(trusted, proof).ok).toBe(true);
  });

  it('takes nothing on the word of too few validators, of strangers, or of another chain', () => {
    const proof = chain.proof(2);
    const few = { ...proof, finality: chain.finality(5, 5, validators.slice(0, 2)) };
    expect(verifyEventProof(trusted, few)).toMatchObject({ code: 'FINALITY_REFUSED' });
    expect(verifyEventProof(lightClientOf(other.genesis), proof)).toMatchObject({ code: 'FINALITY_REFUSED' });
    const forged = chain.certificate(chain.finality(5).header, validators.slice(0, 3));
    const signatures = forged.signatures.map((_, i) =>
      i === 1 ? keyPair('stranger').sign(new Uint8Array(1)) : (forged.signatures[i] as Uint8Array),
    );
    const finality = { ...proof.finality, certificate: { ...forged, signatures } };
    expect(verifyEventProof(trusted, { ...proof, finality })).toMatchObject({ code: 'FINALITY_REFUSED' });
  });

  it('takes no header beside the certified chain', () => {
    const { header, ...rest } = chain.finality(5);
    const changed = { ...header, lastFinal: { ...header.lastFinal, eventCount: header.lastFinal.eventCount + 1 } };
    expect(verifyEventProof(trusted, { ...chain.proof(2), finality: { ...rest, header: changed } })).toMatchObject({
      code: 'FINALITY_REFUSED',
    });
  });

  it('refuses an event in the place of another, a changed event, and one beyond the header', () => {
    const proof = chain.proof(3);
    expect(verifyEventProof(trusted, { ...proof, index: 4 })).toMatchObject({ code: 'RECORD_MISPLACED' });
    expect(
      verifyEventProof(trusted, { ...proof, recordBytes: chain.records[4] as Uint8Array, index: 4 }),
    ).toMatchObject({ code: 'INCLUSION_INVALID' });
    expect(verifyEventProof(trusted, { ...proof, proof: proof.proof.slice(1) })).toMatchObject({
      code: 'INCLUSION_INVALID',
    });
    const last = chain.records.length - 1;
    const beyond = { ...proof, recordBytes: chain.records[last] as Uint8Array, index: last };
    expect(verifyEventProof(trusted, beyond)).toMatchObject({ code: 'INDEX_BEYOND_LOG' });
    expect(verifyEventProof(trusted, { ...proof, recordBytes: new Uint8Array(3) })).toMatchObject({
      code: 'RECORD_MALFORMED',
    });
  });

  it('refuses a record of a block above the header, although it is in the log', () => {
    const strange = new FakeChain();
    const sequence = strange.append(99, { type: 'BlockBegun', height: 99, hash: strange.chainId, timeMs: 0 } as never);
    strange.block();
    expect(verifyEventProof(lightClientOf(strange.genesis), strange.proof(sequence))).toMatchObject({
      code: 'RECORD_MISPLACED',
    });
    const short = { ...chain.proof(2), proof: [new Uint8Array(31)] };
    expect(() => encodeEventProof(short)).toThrow('a hash has 32 bytes');
  });

  it('refuses an event that no ledger makes, although it is in the log', () => {
    const strange = new FakeChain();
    const sequence = strange.append(0, { type: 'BlockBegun', height: 0, hash: 'not a hash', timeMs: 0 } as never);
    strange.block();
    expect(verifyEventProof(lightClientOf(strange.genesis), strange.proof(sequence))).toMatchObject({
      code: 'EVENT_MALFORMED',
    });
  });

  it('never goes back: an older header leaves the light client where it is, or is refused', () => {
    const now = verifyEventProof(trusted, chain.proof(2, 5));
    if (!now.ok) throw new Error(now.code);
    const older = verifyEventProof(now.value.lightClient, chain.proof(2, 3));
    expect(older.ok ? older.value.lightClient.height : now.value.lightClient.height).toBe(5);
  });
});

describe('the wire form', () => {
  const proof: EventProof = { ...chain.proof(4, 3), finality: chain.finality(3, 5) };
  const bytes = encodeEventProof(proof);

  it('round-trips, also from parts that are encoded already', () => {
    expect(decodeEventProof(bytes)).toEqual({ ok: true, value: proof });
    expect(encodeEventProofParts({ ...chain.proof(4, 5), finality: chain.finalityBytes(5) })).toEqual(
      encodeEventProof(chain.proof(4, 5)),
    );
  });

  it('never throws on hostile bytes, and no mutation says anything else of the log', () => {
    const genuine = new Set(chain.records.map(toHex));
    const flipped = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
      const copy = bytes.slice();
      copy[at] = (copy[at] ?? 0) ^ by;
      return copy;
    });
    const cut = fc.nat(bytes.length).map((length) => bytes.slice(0, length));
    const hostile = fc.oneof({ weight: 4, arbitrary: flipped }, cut, fc.uint8Array({ maxLength: 300 }));
    fc.assert(
      fc.property(hostile, (mutated) => {
        const decoded = decodeEventProof(mutated);
        if (!decoded.ok) return;
        const verified = verifyEventProof(trusted, decoded.value);
        if (verified.ok) expect(genuine.has(toHex(decoded.value.recordBytes))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('refuses a path that is too long and lengths that are not there', () => {
    const long = { ...proof, proof: Array.from({ length: 54 }, () => new Uint8Array(32)) };
    expect(() => encodeEventProof(long)).toThrow('path too long');
    const tail = 1 + 32 * proof.proof.length;
    const claimed = Uint8Array.from([...bytes.slice(0, -tail), 54, ...new Uint8Array(54 * 32)]);
    expect(decodeEventProof(claimed)).toMatchObject({ code: 'PROOF_MALFORMED', detail: 'path too long' });
    expect(decodeEventProof(Uint8Array.of(1, 0xff, 0xff, 0xff, 0xff))).toMatchObject({ code: 'PROOF_MALFORMED' });
  });
});
