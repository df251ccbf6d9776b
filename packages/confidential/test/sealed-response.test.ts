import { toHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkOutcome,
  decodeOutcome,
  encodeOutcome,
  type Outcome,
  openResponse,
  outputCommitment,
  outputSalt,
  sealResponse,
} from '../src/index.ts';
import { bytes32, chainId, digest, fp32, hostile, mutated, tensors } from './samples.ts';

const task = digest(0x20);
const outcome: Outcome = { status: 'completed', tensors };
const keys = { requestKey: bytes32(4), salt: bytes32(5), chainId, task };
const made = sealResponse({ ...keys, outcome });
const opening = { ...keys, outputCommitment: made.outputCommitment, sealed: made.sealed };

describe('sealed response', () => {
  it('opens to the outcome, with and without the salt', () => {
    expect(openResponse(opening)).toMatchObject({ ok: true, value: { outcome, outputSalt: outputSalt(keys.salt) } });
    const { salt: _, ...byKeyAlone } = opening;
    expect(openResponse(byKeyAlone)).toMatchObject({ ok: true, value: { outcome } });
  });

  it('is the same bytes from every executor with the same output, and other bytes for another', () => {
    expect(sealResponse({ ...keys, outcome })).toEqual(made);
    const other = sealResponse({
      ...keys,
      outcome: { status: 'completed', tensors: [fp32('input', [1, 4], [0, 0.5, -1, 4])] },
    });
    expect(other.outputCommitment).not.toBe(made.outputCommitment);
    expect(toHex(other.sealed.slice(0, 8))).not.toBe(toHex(made.sealed.slice(0, 8)));
  });

  it('tells a refusal and a completion apart to the tenant alone: same size, same form', () => {
    const refused = sealResponse({
      ...keys,
      outcome: { status: 'refused', code: 'INPUT_SHAPE', detail: 'input has rank 3' },
    });
    expect(refused.sealed.length).toBe(made.sealed.length);
    const opened = openResponse({ ...keys, outputCommitment: refused.outputCommitment, sealed: refused.sealed });
    expect(opened).toMatchObject({ value: { outcome: { status: 'refused', code: 'INPUT_SHAPE' } } });
  });

  it('commits to the output under a salt, so that it cannot be guessed', () => {
    expect(made.outputCommitment).toBe(outputCommitment(outputSalt(keys.salt), encodeOutcome(outcome)));
    expect(sealResponse({ ...keys, salt: bytes32(6), outcome }).outputCommitment).not.toBe(made.outputCommitment);
  });

  it.each([
    ['task', { task: digest(0x21) }, 'RESPONSE_NOT_OPENED'],
    ['chain', { chainId: digest(0xc2) }, 'RESPONSE_NOT_OPENED'],
    ['request key', { requestKey: bytes32(9) }, 'RESPONSE_NOT_OPENED'],
    ['commitment', { outputCommitment: digest(0x33) }, 'RESPONSE_NOT_OPENED'],
    ['salt', { salt: bytes32(9) }, 'OUTPUT_SALT_MISMATCH'],
    ['size', { sealed: new Uint8Array(1000) }, 'RESPONSE_SIZE'],
  ] as const)('does not open under another %s', (_, change, code) => {
    expect(openResponse({ ...opening, ...change })).toMatchObject({ ok: false, code });
  });

  it('never throws on hostile bytes, and opens no mutation', () => {
    fc.assert(
      fc.property(mutated(made.sealed), (sealed) => {
        fc.pre(toHex(sealed) !== toHex(made.sealed));
        expect(openResponse({ ...opening, sealed }).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('outcome', () => {
  it('round-trips, and what decodes encodes to the same bytes', () => {
    const refused: Outcome = { status: 'refused', code: 'INPUT_SHAPE', detail: 'π' };
    expect(decodeOutcome(encodeOutcome(refused))).toEqual({ ok: true, value: refused });
    for (const valid of [encodeOutcome(outcome), encodeOutcome(refused)]) {
      fc.assert(
        fc.property(hostile(valid), (bytes) => {
          const decoded = decodeOutcome(bytes);
          if (decoded.ok) expect(encodeOutcome(decoded.value)).toEqual(bytes);
        }),
        { numRuns: 500 },
      );
    }
  });

  it('is bounded', () => {
    expect(checkOutcome({ status: 'refused', code: 'lower', detail: '' })).toMatchObject({ ok: false });
    expect(checkOutcome({ status: 'refused', code: 'X', detail: '\ud800' })).toMatchObject({ ok: false });
    expect(checkOutcome({ status: 'refused', code: 'X', detail: 'é'.repeat(513) })).toMatchObject({ ok: false });
    expect(checkOutcome({ status: 'completed', tensors: [] })).toMatchObject({ ok: false });
    expect(decodeOutcome(Uint8Array.of(2, ...utf8('x')))).toMatchObject({ ok: false, code: 'MALFORMED' });
  });
});
