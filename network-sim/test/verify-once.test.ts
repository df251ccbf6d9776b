/** Signatures are verified once in these tests (vitest.verify-once.ts); what is not the same to the last bit is judged for itself. */
import { ed25519KeyPair, SeededRandom, verifyEd25519, verifyEd25519Exact } from '@cloister/crypto';
import { describe, expect, it } from 'vitest';

const random = new SeededRandom('verify once');
const [one, other] = [ed25519KeyPair(random.bytes(32)), ed25519KeyPair(random.bytes(32))];
const message = random.bytes(100);
const signature = one.sign(message);

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

describe.each([
  ['verifyEd25519', verifyEd25519],
  ['verifyEd25519Exact', verifyEd25519Exact],
])('%s', (_, verify) => {
  it('says yes as often as it is asked', () => {
    expect([1, 2, 3].map(() => verify(one.publicKey, message, signature))).toEqual([true, true, true]);
  });

  it('says no to another key, another message and another signature beside it', () => {
    expect(verify(other.publicKey, message, signature)).toBe(false);
    for (const bit of [0, 400, 799]) expect(verify(one.publicKey, flipped(message, bit), signature)).toBe(false);
    for (const bit of [0, 300, 500]) expect(verify(one.publicKey, message, flipped(signature, bit))).toBe(false);
    expect(verify(one.publicKey, message, signature)).toBe(true);
  });
});
