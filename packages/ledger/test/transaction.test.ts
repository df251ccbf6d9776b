import { ed25519KeyPair, hash } from '@cloister/crypto';
import { toBase64 } from '@cloister/encoding';
import { Chain, keyOf, runningChain, seed, tenant } from '@cloister/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeTransaction,
  encodeTransaction,
  KIND_CODES,
  MAX_TRANSACTION_BYTES,
  parsePayload,
  signTransaction,
  type TransactionFields,
  type TransactionKind,
  transactionSigningBytes,
  verifyTransaction,
} from '../src/index.ts';
import { mutated } from './mutations.ts';

const chain = new Chain();
const put = chain.transaction(tenant, 'put-record', { namespace: 'notes', key: 'a', value: 'b' });

const MEASUREMENT_PAYLOAD = {
  platform: 'sev-snp',
  measurement: 'aa'.repeat(48),
  image: 'bb'.repeat(32),
  status: 'allowed',
  graceUntilHeight: null,
  name: 'x',
};

describe('transaction', () => {
  test('decodes to what was signed, and verifies', () => {
    const decoded = decodeTransaction(put.bytes);
    expect(decoded).toEqual({ ok: true, value: put });
    expect(verifyTransaction(put)).toBe(true);
    expect(put.id).toBe(hash('cloister/transaction/v1', transactionSigningBytes(put)));
    expect(encodeTransaction(put, put.bytes.slice(-64))).toEqual(put.bytes);
  });

  test('its id leaves the signature out, verification does not', () => {
    const forged = put.bytes.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    const decoded = decodeTransaction(forged);
    expect(decoded.ok && decoded.value.id).toBe(put.id);
    expect(decoded.ok && verifyTransaction(decoded.value)).toBe(false);
  });

  test('a signature of another key does not verify', () => {
    const signature = ed25519KeyPair(seed('other')).sign(transactionSigningBytes(put));
    const decoded = decodeTransaction(encodeTransaction(put, signature));
    expect(decoded.ok && verifyTransaction(decoded.value)).toBe(false);
  });

  test('refuses what is too large, truncated, of an unknown kind, or not canonical', () => {
    expect(decodeTransaction(new Uint8Array(MAX_TRANSACTION_BYTES + 1))).toMatchObject({
      code: 'TRANSACTION_TOO_LARGE',
    });
    expect(decodeTransaction(put.bytes.slice(0, -1))).toMatchObject({ code: 'TRANSACTION_MALFORMED' });
    const kindAt = 14 + 32 + 32 + 16 + 8;
    const unknown = put.bytes.slice();
    unknown[kindAt] = 99;
    expect(decodeTransaction(unknown)).toMatchObject({ code: 'TRANSACTION_KIND_UNKNOWN' });
    const other = put.bytes.slice();
    other[kindAt] = KIND_CODES['register-account'];
    expect(decodeTransaction(other)).toMatchObject({ code: 'PAYLOAD_MALFORMED' });
    const spaced = put.bytes.slice();
    spaced[kindAt + 5] = 0x20;
    expect(decodeTransaction(spaced)).toMatchObject({ code: 'PAYLOAD_NOT_CANONICAL' });
  });

  test.each([
    ['namespace in capitals', 'put-record', { namespace: 'Notes', key: 'a', value: 'b' }],
    ['empty key', 'put-record', { namespace: 'notes', key: '', value: 'b' }],
    ['one member too many', 'put-record', { namespace: 'notes', key: 'a', value: 'b', more: 1 }],
    ['one member too few', 'put-record', { namespace: 'notes', key: 'a' }],
    ['value of another type', 'put-record', { namespace: 'notes', key: 'a', value: 1 }],
    ['base64 without padding', 'submit-attestation', { bundle: 'QQ' }],
    ['hex in capitals', 'register-account', { account: 'AB'.repeat(32), name: 'a' }],
    ['name with a control character', 'register-account', { account: 'ab'.repeat(32), name: 'a\u0007' }],
    ['status unknown', 'set-measurement', { ...MEASUREMENT_PAYLOAD, status: 'maybe' }],
    ['a grace without its height', 'set-measurement', { ...MEASUREMENT_PAYLOAD, status: 'grace-until' }],
    ['a height without a grace', 'set-measurement', { ...MEASUREMENT_PAYLOAD, graceUntilHeight: 9 }],
    ['endorsements of Nitro', 'submit-endorsements', { platform: 'nitro', endorsements: 'QUJD' }],
    ['no endorsements', 'submit-endorsements', { platform: 'sgx', endorsements: '' }],
    ['a policy beside another member', 'set-policy', { policy: {}, name: 'x' }],
  ] as const)('payload refused: %s', (_what, kind, payload) => {
    expect(parsePayload(kind, payload)).toMatchObject({ ok: false, code: 'SHAPE_MISMATCH' });
  });

  test('request-inference refuses repeated executors and unsorted images', () => {
    const { chain: running, enclaves, model } = runningChain(1);
    const request = running.request(model, enclaves);
    const executor = request.kind === 'request-inference' ? request.payload.executors[0] : undefined;
    const attempt = (changes: object) => {
      const fields = { ...request, payload: { ...request.payload, ...changes } } as TransactionFields;
      return signTransaction(tenant, fields);
    };
    expect(attempt({ executors: [executor, executor] })).toMatchObject({ code: 'PAYLOAD_MALFORMED' });
    expect(attempt({ images: ['bb'.repeat(32), 'aa'.repeat(32)] })).toMatchObject({ code: 'PAYLOAD_MALFORMED' });
    expect(attempt({ timeLimitMs: 0 })).toMatchObject({ code: 'PAYLOAD_MALFORMED' });
    expect(attempt({})).toMatchObject({ ok: true });
  });

  test.each([
    ['a sealed key of 47 bytes', { sealedKey: toBase64(new Uint8Array(47)) }],
    ['a sealed key of 49 bytes', { sealedKey: toBase64(new Uint8Array(49)) }],
    ['an encapsulated key of 31 bytes', { enc: '11'.repeat(31) }],
    ['an encapsulated key of small order', { enc: '00'.repeat(32) }],
  ])('what no enclave could open takes no slot of a task and is no grant: %s', (_what, change) => {
    const { chain: running, enclaves, model } = runningChain(1);
    const [enclave] = enclaves;
    const request = running.request(model, enclaves);
    const grant = running.grant(model, enclave === undefined ? model : running.keyset(enclave));
    const executors = request.kind === 'request-inference' ? request.payload.executors : [];
    const asked = { ...request.payload, executors: executors.map((one) => ({ ...one, ...change })) };
    expect(parsePayload('request-inference', asked as never)).toMatchObject({ code: 'SHAPE_MISMATCH' });
    expect(parsePayload('request-inference', request.payload as never)).toMatchObject({ ok: true });
    expect(parsePayload('grant-model-key', { ...grant.payload, ...change } as never)).toMatchObject({
      code: 'SHAPE_MISMATCH',
    });
  });

  test('no bytes make the decoder throw, and whatever decodes has one encoding', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), mutated(put.bytes)), (bytes) => {
        const decoded = decodeTransaction(bytes);
        if (decoded.ok) expect(encodeTransaction(decoded.value, bytes.slice(-64))).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test('no JSON makes a payload validator throw', () => {
    const kinds = Object.keys(KIND_CODES) as TransactionKind[];
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.jsonValue(), (kind, value) => {
        const json = value as Parameters<typeof parsePayload>[1];
        expect(parsePayload(kind, json).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test('any text that fits travels unchanged', () => {
    const key = keyOf('property');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), (value) => {
        const signed = chain.transaction(key, 'put-record', {
          namespace: 'n',
          key: value.slice(0, 256).toWellFormed(),
          value,
        });
        expect(decodeTransaction(signed.bytes)).toEqual({ ok: true, value: signed });
      }),
      { numRuns: 50 },
    );
  });
});
