import assert from 'node:assert/strict';
import { ed25519KeyPair, hpkeOpen, hpkeSeal, sha256, verifyEd25519, x25519KeyPair } from '@cloister/crypto';
import { utf8 } from '@cloister/encoding';

// Randomness comes in from outside: the same seed gives the same keys.
const alice = ed25519KeyPair(sha256(utf8('a seed of 32 bytes')));
const signature = alice.sign(utf8('hello'));
assert(verifyEd25519(alice.publicKey, utf8('hello'), signature));
assert(!verifyEd25519(alice.publicKey, utf8('goodbye'), signature));

// HPKE: sealed to a public key, opened by its secret key alone.
const bob = x25519KeyPair(sha256(utf8('another seed')));
const [info, aad] = [utf8('readme'), utf8('to bob')];
const ephemeralSeed = sha256(utf8('fresh for each message'));
const sealed = await hpkeSeal({
  recipientPublicKey: bob.publicKey,
  info,
  aad,
  plaintext: utf8('secret'),
  ephemeralSeed,
});
assert.deepEqual(await hpkeOpen({ recipientSecretKey: bob.secretKey, info, aad, ...sealed }), utf8('secret'));
assert.equal(await hpkeOpen({ recipientSecretKey: bob.secretKey, info, aad: utf8('to eve'), ...sealed }), undefined);
