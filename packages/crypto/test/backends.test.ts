import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backend as chosen } from '#backend';
import { backend as noble } from '../src/backends/backend-noble.ts';
import { backend as node } from '../src/backends/backend-node.ts';

// Signatures and sealing are compared where they are tested: ed25519, ecdsa, rsa and sealing.

test('this runtime uses node:crypto', () => {
  expect(chosen).toBe(node);
  expect(noble.name).toBe('noble');
});

test('hashes and HMAC agree, also on views and long input, and are plain arrays', () => {
  const data = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 4000, maxLength: 5000 }));
  fc.assert(
    fc.property(data, fc.uint8Array({ maxLength: 200 }), fc.nat(20), (input, key, offset) => {
      const view = input.subarray(Math.min(offset, input.length));
      for (const name of ['sha256', 'sha384', 'sha512'] as const) {
        expect(node[name](view)).toEqual(noble[name](view));
        expect(node[name](view).constructor).toBe(Uint8Array);
      }
      expect(node.sha256Hex(view)).toBe(noble.sha256Hex(view));
      for (const backend of [node, noble]) {
        const stream = backend.sha256Stream();
        stream.update(view.subarray(0, view.length >> 1));
        stream.update(view.subarray(view.length >> 1));
        expect(stream.digest()).toEqual(node.sha256(view));
      }
      expect(node.hmacSha256(key, view)).toEqual(noble.hmacSha256(key, view));
    }),
  );
});
