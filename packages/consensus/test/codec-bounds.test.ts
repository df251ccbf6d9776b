/** What the decoders refuse although every byte is there, and what the first bytes of a frame tell. */
import { ByteWriter, decodeWith, type Result } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  acceptHeader,
  blockOf,
  decodeBody,
  decodeCertificate,
  decodeFinalityProof,
  decodeHeader,
  decodeMessage,
  encodeBody,
  encodeCertificate,
  encodeFinalityProof,
  encodeHeader,
  encodeMessage,
  glimpseMessage,
  statementBytes,
  trustGenesis,
} from '../src/index.ts';
import { readJustification, writeJustification } from '../src/messages/block-codec.ts';
import {
  MAX_BATCHES_PER_BLOCK,
  MAX_EVIDENCE_PER_BLOCK,
  MAX_PROOF_PATH,
  MAX_RECALLED_VOTES,
  MAX_VALIDATORS,
} from '../src/messages/limits.ts';
import { message } from './arbitraries.ts';
import { CHAIN, certificateBy, members, proposition, sampleBlock, setOf, statement, voteBy } from './samples.ts';

const all = members(4);
const set = setOf(all);
const [a] = all;
if (a === undefined) throw new Error('no members');
const p = proposition(1, 0);
const notarization = certificateBy(set, all, 'notarize', p);
const block = sampleBlock({ set, proposer: a.id, view: 1, height: 1, parentHash: CHAIN });
const finalization = certificateBy(set, all, 'finalize', { ...p, blockHash: block.hash });
const detail = (result: Result<unknown>) => (result.ok ? 'ok' : result.detail);
const empty = { batches: [], evidence: [], lastFinalCert: undefined };

describe('a decoder refuses', () => {
  it('a header of another version', () => {
    expect(detail(decodeHeader(encodeHeader({ ...block.header, version: 99 as never })))).toBe('header version 99');
  });

  it('a body that names more than a block may, or another certificate', () => {
    const batches = Array.from({ length: MAX_BATCHES_PER_BLOCK + 1 }, () => CHAIN);
    expect(detail(decodeBody(encodeBody({ ...empty, batches })))).toBe('too many batches');
    expect(decodeBody(encodeBody({ ...empty, batches: batches.slice(1) })).ok).toBe(true);
    const evidence = Array.from({ length: MAX_EVIDENCE_PER_BLOCK + 1 }, () => new Uint8Array(0));
    expect(detail(decodeBody(encodeBody({ ...empty, evidence })))).toBe('too many evidence records');
    expect(decodeBody(encodeBody({ ...empty, evidence: evidence.slice(1) })).ok).toBe(true);
    const notarized = encodeBody({ ...empty, lastFinalCert: notarization as never });
    expect(detail(decodeBody(notarized))).toBe('not a finalization');
    expect(detail(decodeBody(encodeBody(empty).with(-1, 2)))).toBe('flag is neither 0 nor 1');
  });

  it('a certificate of no kind, of nobody, or of more than a set holds', () => {
    const refused = (change: object) => detail(decodeCertificate(encodeCertificate({ ...notarization, ...change })));
    expect(refused({ kind: 'propose' })).toBe('no such certificate');
    expect(refused({ bitmap: new Uint8Array(1), signatures: [] })).toBe('certificate without signers');
    expect(refused({ bitmap: new Uint8Array(Math.ceil(MAX_VALIDATORS / 8) + 1), signatures: [] })).toBe(
      'bitmap too long',
    );
  });

  it('a nullification as a parent', () => {
    const writer = new ByteWriter(1024);
    const parentCert = certificateBy(set, all, 'nullify', p) as never;
    writeJustification(writer, { parentCert, nullifications: [] });
    expect(detail(decodeWith(writer.finish(), readJustification))).toBe('a nullification is no parent');
  });

  it('a path of more headers than a proof may have', () => {
    const path = Array.from({ length: MAX_PROOF_PATH + 1 }, () => block.header);
    const proof = { header: block.header, certificate: finalization, path };
    expect(detail(decodeFinalityProof(encodeFinalityProof(proof)))).toBe('path too long');
    expect(decodeFinalityProof(encodeFinalityProof({ ...proof, path: path.slice(1) })).ok).toBe(true);
  });

  it('a proposal as a vote, more recalled votes than there are, and messages of no type', () => {
    const said = statement('propose', p);
    const signature = a.key.sign(statementBytes(CHAIN, said));
    const proposed = encodeMessage({ type: 'vote', ...said, signer: a.id, signature } as never);
    expect(detail(decodeMessage(proposed))).toBe('a proposal is no vote');
    const votes = Array.from({ length: MAX_RECALLED_VOTES + 1 }, () => voteBy(a, 'notarize', p));
    const { epoch, view } = p;
    const recall = { type: 'recall', nonce: 1, epoch, view, certificate: undefined } as const;
    expect(detail(decodeMessage(encodeMessage({ ...recall, votes })))).toBe('too many votes');
    expect(decodeMessage(encodeMessage({ ...recall, votes: votes.slice(1) })).ok).toBe(true);
    expect(decodeMessage(Uint8Array.of(255)).ok).toBe(false);
    expect(glimpseMessage(Uint8Array.of(255)).ok).toBe(false);
  });
});

describe('a glimpse', () => {
  it('tells of every message its type, and of a certificate and a proposal what they are about', () => {
    fc.assert(
      fc.property(message, (sent) => {
        const seen = glimpseMessage(encodeMessage(sent));
        if (!seen.ok) throw new Error(seen.detail);
        expect(seen.value.type).toBe(sent.type);
        if (sent.type === 'certificate') {
          const { kind, epoch, view } = sent;
          const about = sent.kind === 'nullify' ? {} : { proposition: sent.proposition };
          expect(seen.value).toEqual({ type: 'certificate', statement: { kind, epoch, view, ...about } });
        }
      }),
    );
    const bytes = encodeMessage(notarization);
    const proposed = bytes.with(1, statementKindByte());
    expect(detail(glimpseMessage(proposed))).toBe('no such certificate');
  });
});

/** The byte of a proposal's kind, as a certificate of that kind would have it. */
function statementKindByte(): number {
  return encodeCertificate({ ...notarization, kind: 'propose' as never })[0] ?? 255;
}

it('a block is a header and the body that it commits to', () => {
  expect(blockOf(block.header, block.body)).toEqual(block);
  expect(blockOf(block.header, { ...block.body, batches: [CHAIN] })).toBeUndefined();
});

it('a light client goes by no header that is not final', () => {
  const genesis = trustGenesis({ chainId: CHAIN, validators: set, timestampMs: 0 });
  const proof = { header: block.header, certificate: finalization, path: [] };
  expect(acceptHeader(genesis, proof)).toMatchObject({ ok: true, value: { height: 1 } });
  const few = certificateBy(set, all.slice(0, 2), 'finalize', finalization.proposition);
  expect(acceptHeader(genesis, { ...proof, certificate: few })).toMatchObject({ code: 'INSUFFICIENT_WEIGHT' });
});
