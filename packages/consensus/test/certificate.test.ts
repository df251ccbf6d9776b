import { describe, expect, it } from 'vitest';
import { SignatureCache } from '../src/certificates/signature-cache.ts';
import { type Certificate, makeCertificate, signersOf, verifyCertificate, votesOf } from '../src/index.ts';
import { CHAIN, certificateBy, members, proposition, setOf, voteBy } from './samples.ts';

const all = members(4);
const set = setOf(all);
const p = proposition(5);
const good = certificateBy(set, all.slice(0, 3), 'notarize', p);
const verify = (certificate: Certificate) => verifyCertificate(set, certificate, CHAIN);

describe('a certificate', () => {
  it('of a quorum is good, whatever the order of its votes', () => {
    expect(verify(good)).toEqual({ ok: true, value: undefined });
    const reversed = all.slice(0, 3).reverse();
    expect(certificateBy(set, reversed, 'notarize', p)).toEqual(good);
    expect(signersOf(set, good)).toEqual(all.slice(0, 3).map((member) => member.id));
    expect(votesOf(set, good)).toEqual(all.slice(0, 3).map((member) => voteBy(member, 'notarize', p)));
  });

  it('of q − 1 weight is refused', () => {
    expect(verify(certificateBy(set, all.slice(0, 2), 'nullify', p))).toMatchObject({ code: 'INSUFFICIENT_WEIGHT' });
  });

  it('with a bitmap of the wrong length is refused', () => {
    expect(verify({ ...good, bitmap: new Uint8Array([...good.bitmap, 0]) })).toMatchObject({ code: 'BITMAP_LENGTH' });
    expect(verify({ ...good, bitmap: new Uint8Array(0) })).toMatchObject({ code: 'BITMAP_LENGTH' });
  });

  it('with padding bits, which name signers out of range, is refused', () => {
    const bitmap = Uint8Array.of((good.bitmap[0] ?? 0) | 0b1000_0000);
    const signatures = [...good.signatures, ...good.signatures.slice(0, 1)];
    expect(verify({ ...good, bitmap, signatures })).toMatchObject({ code: 'BITMAP_PADDING' });
  });

  it('with a duplicated signer is refused', () => {
    const [first, second] = good.signatures;
    if (first === undefined || second === undefined) throw new Error('no signatures');
    expect(verify({ ...good, signatures: [first, first, second] })).toMatchObject({ code: 'BAD_SIGNATURE' });
    expect(verify({ ...good, signatures: [...good.signatures, first] })).toMatchObject({ code: 'SIGNATURE_COUNT' });
    const twice = [0, 0, 1].map((index) => voteBy(all[index] ?? members(1)[0] ?? never(), 'notarize', p));
    expect(() => makeCertificate(set, good, twice)).toThrow(/twice/);
  });

  it('with q good signatures and one forged is refused whole', () => {
    const four = certificateBy(set, all, 'notarize', p);
    const signatures = four.signatures.map((signature, index) =>
      index === 3 ? signature.map((b) => b ^ 1) : signature,
    );
    expect(verify({ ...four, signatures })).toMatchObject({ code: 'BAD_SIGNATURE' });
    expect(verify(four).ok).toBe(true);
  });

  it('of another chain, kind, round or proposition is refused', () => {
    const other = { ...good, kind: 'finalize' } as const;
    expect(verify(other)).toMatchObject({ code: 'BAD_SIGNATURE' });
    expect(verify({ ...good, proposition: proposition(6), view: proposition(6).view })).toMatchObject({
      code: 'BAD_SIGNATURE',
    });
    expect(verifyCertificate(set, good, p.blockHash)).toMatchObject({ code: 'BAD_SIGNATURE' });
  });

  it('counts weight, not heads', () => {
    const weighted = setOf(all, [10, 1, 1, 1]);
    expect(weighted.quorum).toBe(9n);
    expect(verifyCertificate(weighted, certificateBy(weighted, all.slice(1), 'finalize', p), CHAIN)).toMatchObject({
      code: 'INSUFFICIENT_WEIGHT',
    });
    expect(verifyCertificate(weighted, certificateBy(weighted, all.slice(0, 1), 'finalize', p), CHAIN).ok).toBe(true);
  });

  it('made of counted votes verifies no signature a second time', () => {
    let verifications = 0;
    const cache = new SignatureCache(() => {
      verifications += 1;
      return true;
    });
    for (const vote of votesOf(set, good))
      expect(
        verifyCertificate(
          setOf([...all.filter(({ id }) => id === vote.signer)]),
          { ...good, bitmap: Uint8Array.of(1), signatures: [vote.signature] },
          CHAIN,
          cache.check,
        ).ok,
      ).toBe(true);
    expect(verifications).toBe(3);
    expect(verifyCertificate(set, good, CHAIN, cache.check).ok).toBe(true);
    expect(verifications).toBe(3);
  });
});

describe('the memory of good signatures', () => {
  const signer = all[0]?.id ?? never();
  const bytes = Uint8Array.of(1);

  it('forgets the oldest beyond its bound, and a forgery pushes nothing out', () => {
    const cache = new SignatureCache((_signer, _bytes, signature) => signature[0] !== 0, 4);
    for (let index = 1; index <= 5; index++) cache.check(signer, bytes, Uint8Array.of(index));
    for (let index = 0; index < 10; index++) expect(cache.check(signer, bytes, Uint8Array.of(0, index))).toBe(false);
    const before = cache.checked;
    for (let index = 2; index <= 5; index++) cache.check(signer, bytes, Uint8Array.of(index));
    expect(cache.checked).toBe(before);
    cache.check(signer, bytes, Uint8Array.of(1));
    expect(cache.checked).toBe(before + 1);
  });
});

function never(): never {
  throw new Error('no such member');
}
