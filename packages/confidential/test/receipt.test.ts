import { ed25519KeyPair } from '@cloister/crypto';
import { canonicalJson, type JsonValue, toBase64, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildReceiptStatement,
  dssePae,
  encodeDsse,
  encodeReceipt,
  IN_TOTO_PAYLOAD_TYPE,
  parseReceipt,
  parseReceiptStatement,
  RECEIPT_BYTES_MAX,
  verifyReceipt,
} from '../src/index.ts';
import { bytes32, digest, hostile, statement } from './samples.ts';

const signer = ed25519KeyPair(bytes32(0x61));
const receipt = encodeReceipt(statement, signer.sign);

describe('receipt', () => {
  it('round-trips and verifies under the attested key alone', () => {
    const parsed = parseReceipt(receipt);
    if (!parsed.ok) throw new Error(parsed.code);
    expect(parsed.value.statement).toEqual(statement);
    expect(verifyReceipt(parsed.value, signer.publicKey)).toEqual({ ok: true, value: undefined });
    expect(verifyReceipt(parsed.value, ed25519KeyPair(bytes32(1)).publicKey)).toMatchObject({
      code: 'SIGNATURE_INVALID',
    });
    expect(verifyReceipt(parsed.value, new Uint8Array(3))).toMatchObject({ code: 'SIGNATURE_INVALID' });
  });

  it('has one encoding: the same statement and key give the same bytes, within the bound', () => {
    expect(encodeReceipt({ ...statement }, signer.sign)).toEqual(receipt);
    expect(receipt.length).toBeLessThan(RECEIPT_BYTES_MAX);
  });

  it('is an in-toto Statement v1 whose subject is the output commitment', () => {
    const envelope = JSON.parse(new TextDecoder().decode(receipt)) as { payload: string; payloadType: string };
    expect(envelope.payloadType).toBe('application/vnd.in-toto+json');
    expect(JSON.parse(atob(envelope.payload))).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'output', digest: { cloisterOutputV1: statement.outputCommitment } }],
      predicate: { simulated: true, keyset: statement.keyset },
    });
  });

  it('signs the pre-authentication encoding of DSSE', () => {
    // The example of the protocol's own description.
    expect(dssePae('http://example.com/HelloWorld', utf8('hello world'))).toEqual(
      utf8('DSSEv1 29 http://example.com/HelloWorld 11 hello world'),
    );
  });

  it('does not verify with any field of the statement changed', () => {
    const parsed = parseReceipt(receipt);
    if (!parsed.ok) throw new Error(parsed.code);
    for (const change of [
      { height: 43 },
      { simulated: false },
      { outputCommitment: digest(9) },
      { responseDigest: digest(9) },
    ]) {
      const payload = buildReceiptStatement({ ...statement, ...change } as typeof statement);
      const forged = parseReceipt(encodeDsse({ ...parsed.value.envelope, payload }));
      expect(forged.ok && verifyReceipt(forged.value, signer.publicKey)).toMatchObject({ code: 'SIGNATURE_INVALID' });
    }
  });

  it('refuses other payload types, key ids and members', () => {
    const payload = buildReceiptStatement(statement);
    const envelope = {
      payloadType: IN_TOTO_PAYLOAD_TYPE,
      payload,
      keyId: statement.keyset,
      signature: new Uint8Array(64),
    };
    expect(parseReceipt(encodeDsse({ ...envelope, payloadType: 'text/plain' }))).toMatchObject({
      code: 'PAYLOAD_TYPE',
    });
    expect(parseReceipt(encodeDsse({ ...envelope, keyId: 'another' }))).toMatchObject({ code: 'KEY_ID_MISMATCH' });
    const json = (value: JsonValue): Uint8Array => utf8(canonicalJson(value));
    const signatures = [{ keyid: statement.keyset, sig: toBase64(new Uint8Array(64)) }];
    const fields = { payload: toBase64(payload), payloadType: IN_TOTO_PAYLOAD_TYPE };
    expect(parseReceipt(json({ ...fields, signatures })).ok).toBe(true);
    expect(parseReceipt(json({ ...fields, signatures: [...signatures, ...signatures] }))).toMatchObject({
      code: 'SCHEMA_VIOLATION',
    });
    expect(parseReceipt(json({ ...fields, signatures, extra: 1 }))).toMatchObject({ code: 'SCHEMA_VIOLATION' });
    expect(parseReceiptStatement(utf8('{}'))).toMatchObject({ code: 'SCHEMA_VIOLATION' });
  });

  it('never throws on hostile bytes, and no mutation verifies unless it is the receipt itself', () => {
    fc.assert(
      fc.property(hostile(receipt), (bytes) => {
        const parsed = parseReceipt(bytes);
        if (parsed.ok && verifyReceipt(parsed.value, signer.publicKey).ok) expect(bytes).toEqual(receipt);
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(hostile(buildReceiptStatement(statement)), (bytes) => void parseReceiptStatement(bytes)),
      { numRuns: 1000 },
    );
  });
});
