import { asEpoch, asHeight, asView, type Digest, type Result, toHex, type ValidatorId } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeBody,
  decodeCertificate,
  decodeFaultEvidence,
  decodeFinalityProof,
  decodeGuardRecord,
  decodeHeader,
  decodeMessage,
  encodeBody,
  encodeCertificate,
  encodeFaultEvidence,
  encodeFinalityProof,
  encodeGuardRecord,
  encodeHeader,
  encodeMessage,
  HEADER_VERSION,
  type Header,
  justificationHash,
  parseStatementBytes,
  type Statement,
  statementBytes,
} from '../src/index.ts';
import { body, certificate, evidence, finalityProof, guardRecord, header, message, mutated } from './arbitraries.ts';
import { CHAIN, members, proposition, statement, voteBy } from './samples.ts';

interface Form<T> {
  readonly name: string;
  readonly values: fc.Arbitrary<T>;
  readonly encode: (value: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => Result<T>;
}
function form<T>(
  name: string,
  values: fc.Arbitrary<T>,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => Result<T>,
): Form<unknown> {
  return { name, values, encode: (value) => encode(value as T), decode };
}

const forms = [
  form('message', message, encodeMessage, (bytes) => decodeMessage(bytes)),
  form('certificate', certificate, encodeCertificate, decodeCertificate),
  form('header', header, encodeHeader, decodeHeader),
  form('body', body, encodeBody, decodeBody),
  form('evidence', evidence, encodeFaultEvidence, decodeFaultEvidence),
  form('finality proof', finalityProof, encodeFinalityProof, decodeFinalityProof),
  form(
    'guard record',
    guardRecord,
    (record) => encodeGuardRecord(CHAIN, record),
    (bytes) => decodeGuardRecord(CHAIN, bytes),
  ),
];

describe.each(forms)('$name', ({ values, encode, decode }) => {
  it('comes back from its bytes', () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encode(value);
        const decoded = decode(bytes);
        if (!decoded.ok) throw new Error(`${decoded.code} ${decoded.detail}`);
        expect(toHex(encode(decoded.value))).toBe(toHex(bytes));
        expect(decoded.value).toEqual(value);
      }),
    );
  });

  it('never throws on random bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => typeof decode(bytes).ok === 'boolean'));
  });

  it('never throws on mutated bytes, and what still decodes encodes to the same bytes', () => {
    fc.assert(
      fc.property(
        values.chain((value) => mutated(encode(value))),
        (bytes) => {
          const decoded = decode(bytes);
          if (decoded.ok) expect(toHex(encode(decoded.value))).toBe(toHex(bytes));
        },
      ),
    );
  });
});

describe('signed bytes', () => {
  const [member] = members(1);
  it('follow the layout', () => {
    const bytes = statementBytes(CHAIN, statement('notarize', proposition(7)));
    expect(new TextDecoder().decode(bytes.subarray(0, 19))).toBe('CLOISTER/SIMPLEX/1\0');
    expect(bytes[19]).toBe(2);
    expect(bytes.length).toBe(19 + 1 + 32 + 8 + 8 + 8 + 32 + 32);
    expect(statementBytes(CHAIN, statement('nullify', proposition(7))).length).toBe(19 + 1 + 32 + 8 + 8);
  });

  it('are told apart by every field', () => {
    const p = proposition(7);
    const all: Statement[] = [
      ...(['propose', 'notarize', 'nullify', 'finalize'] as const).map((kind) => statement(kind, p)),
      statement('notarize', proposition(8)),
      statement('notarize', proposition(7, 5)),
      statement('notarize', proposition(7, 6, CHAIN)),
      statement('notarize', { ...p, justificationHash: CHAIN }),
    ];
    expect(new Set(all.map((each) => toHex(statementBytes(CHAIN, each)))).size).toBe(all.length);
    for (const each of all) {
      const parsed = parseStatementBytes(statementBytes(CHAIN, each));
      expect(parsed).toEqual({ ok: true, value: { chainId: CHAIN, statement: each } });
    }
  });

  it('are what a vote signs', () => {
    if (member === undefined) throw new Error('no member');
    const vote = voteBy(member, 'finalize', proposition(3));
    expect(toHex(vote.signature)).toBe(toHex(member.key.sign(statementBytes(CHAIN, vote))));
  });
});

describe('limits', () => {
  it('refuse an oversized vote frame and an oversized proposal by length alone', () => {
    expect(decodeMessage(new Uint8Array(64 * 1024 + 1).fill(2))).toMatchObject({ ok: false, code: 'TOO_LARGE' });
    const large = new Uint8Array(1024 * 1024 + 1);
    large[0] = 1;
    expect(decodeMessage(large)).toMatchObject({ ok: false, code: 'TOO_LARGE' });
  });

  it('refuse a proposal whose justification is beyond its bound', () => {
    const found = fc.sample(message, { seed: 1, numRuns: 200 }).find((each) => {
      return each.type === 'proposal' && each.justification.nullifications.length > 0;
    });
    if (found === undefined) throw new Error('no such proposal');
    const bytes = encodeMessage(found);
    const limits = { proposalBytes: 1 << 20, justificationBytes: 4, frameBytes: 1 << 16 };
    expect(decodeMessage(bytes, limits)).toMatchObject({ ok: false, code: 'MALFORMED' });
  });
});

describe('justification hash', () => {
  it('covers statements and not signatures', () => {
    fc.assert(
      fc.property(certificate, certificate, (first, second) => {
        const nullifications = [first, second].filter((each) => each.kind === 'nullify');
        const bare = nullifications.map((each) => ({ ...each, bitmap: new Uint8Array(0), signatures: [] }));
        const parentCert = first.kind === 'nullify' ? undefined : first;
        expect(justificationHash({ parentCert, nullifications })).toBe(
          justificationHash({ parentCert, nullifications: bare }),
        );
        if (parentCert !== undefined) {
          expect(justificationHash({ parentCert, nullifications })).not.toBe(
            justificationHash({ parentCert: undefined, nullifications }),
          );
        }
      }),
    );
  });
});

describe('the bytes of a header', () => {
  const filled = (byte: string): string => byte.repeat(32);
  const golden: Header = {
    version: HEADER_VERSION,
    chainId: filled('c0') as Digest,
    epoch: asEpoch(1),
    view: asView(2),
    height: asHeight(3),
    parentHash: filled('c1') as Digest,
    proposer: filled('c2') as ValidatorId,
    timestampMs: 4,
    bodyHash: filled('c3') as Digest,
    validatorsHash: filled('c4') as Digest,
    nextValidatorsHash: filled('c5') as Digest,
    paramsHash: filled('c6') as Digest,
    lastFinal: {
      height: asHeight(5),
      hash: filled('c7') as Digest,
      eventRoot: filled('c8') as Digest,
      eventCount: 6,
      factsRoot: filled('c9') as Digest,
    },
  };

  it('are these: a light client of another build must read the same', () => {
    const u64 = (value: number): string => value.toString(16).padStart(16, '0');
    const expected = [
      '0001',
      filled('c0'),
      u64(1),
      u64(2),
      u64(3),
      filled('c1'),
      filled('c2'),
      u64(4),
      ...['c3', 'c4', 'c5', 'c6'].map(filled),
      u64(5),
      filled('c7'),
      filled('c8'),
      u64(6),
      filled('c9'),
    ].join('');
    expect(toHex(encodeHeader(golden))).toBe(expected);
  });
});
