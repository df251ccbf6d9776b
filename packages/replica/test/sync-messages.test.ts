import { asDigest } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeSyncRequest,
  decodeSyncResponse,
  encodeSyncRequest,
  encodeSyncResponse,
  type SyncRequest,
  type SyncResponse,
} from '../src/index.ts';

const digest = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => asDigest(Buffer.from(bytes).toString('hex')));
const bytes = fc.uint8Array({ maxLength: 60 });
const optional = fc.option(bytes, { nil: undefined });
const block = fc.record({ header: bytes, body: bytes, batches: fc.array(optional, { maxLength: 4 }) });

const request: fc.Arbitrary<SyncRequest> = fc.oneof(
  fc.constant({ type: 'status' } as const),
  fc.constant({ type: 'genesis' } as const),
  fc.record({ type: fc.constant('range' as const), fromHeight: fc.maxSafeNat(), maxBytes: fc.nat() }),
  fc.record({ type: fc.constant('chain' as const), tip: digest, aboveHeight: fc.nat(), maxBytes: fc.nat() }),
  fc.record({ type: fc.constant('batches' as const), ids: fc.array(digest, { maxLength: 10 }) }),
  fc.record({ type: fc.constant('finality' as const), height: fc.maxSafeNat() }),
  fc.record({ type: fc.constant('event-proof' as const), sequence: fc.maxSafeNat() }),
  fc.record({ type: fc.constant('submit' as const), transactions: fc.array(bytes, { maxLength: 8 }) }),
);

const response: fc.Arbitrary<SyncResponse> = fc.oneof(
  fc
    .constantFrom('BAD_REQUEST', 'NOT_FOUND', 'NOT_PROVABLE', 'NOT_ACCEPTING', 'TOO_LARGE')
    .map((code) => ({ type: 'refused', code }) as const),
  fc.record({ type: fc.constant('status' as const), finality: optional }),
  fc.record({ type: fc.constant('genesis' as const), bytes }),
  fc.record({ type: fc.constant('range' as const), blocks: fc.array(block, { maxLength: 4 }), finalization: optional }),
  fc.record({
    type: fc.constant('chain' as const),
    blocks: fc.array(fc.record({ header: bytes, body: bytes }), { maxLength: 4 }),
  }),
  fc.record({ type: fc.constant('batches' as const), batches: fc.array(optional, { maxLength: 5 }) }),
  fc.record({ type: fc.constant('finality' as const), proof: bytes }),
  fc.record({
    type: fc.constant('event-proof' as const),
    parts: fc.record({
      finality: bytes,
      recordBytes: bytes,
      index: fc.maxSafeNat(),
      path: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 5 }),
    }),
  }),
  fc.record({
    type: fc.constant('submit' as const),
    codes: fc.array(fc.constantFrom('', 'QUOTA_EXCEEDED'), { maxLength: 5 }),
  }),
);

describe('sync messages', () => {
  it('come back as they went, and no other bytes mean the same', () => {
    fc.assert(
      fc.property(request, (message) => {
        const encoded = encodeSyncRequest(message);
        expect(decodeSyncRequest(encoded)).toEqual({ ok: true, value: message });
      }),
    );
    fc.assert(
      fc.property(response, (message) => {
        const encoded = encodeSyncResponse(message);
        expect(decodeSyncResponse(encoded)).toEqual({ ok: true, value: message });
      }),
    );
  });

  it('never throw on random and mutated bytes, and what decodes re-encodes to the same', () => {
    const mutated = fc
      .tuple(fc.oneof(request.map(encodeSyncRequest), response.map(encodeSyncResponse), bytes), fc.nat(), fc.nat(255))
      .map(([encoded, at, value]) => {
        const copy = Uint8Array.from(encoded);
        if (copy.length > 0) copy[at % copy.length] = value;
        return copy;
      });
    fc.assert(
      fc.property(mutated, (hostile) => {
        const asRequest = decodeSyncRequest(hostile);
        if (asRequest.ok) expect(encodeSyncRequest(asRequest.value)).toEqual(hostile);
        const asResponse = decodeSyncResponse(hostile);
        if (asResponse.ok) expect(encodeSyncResponse(asResponse.value)).toEqual(hostile);
      }),
      { numRuns: 2000 },
    );
  });
});
