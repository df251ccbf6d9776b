/**
 * Arbitrary values of every wire form.
 */
import {
  asDigest,
  asEpoch,
  asHeight,
  asValidatorId,
  asView,
  type Digest,
  toHex,
  type ValidatorId,
} from '@cloister/encoding';
import fc from 'fast-check';
import { summaryOf } from '../src/certificates/justification.ts';
import type {
  Body,
  Certificate,
  ConsensusMessage,
  FaultEvidence,
  FinalityProof,
  Finalization,
  GuardRecord,
  Header,
  Justification,
  Notarization,
  Nullification,
  Proposition,
  SignedStatement,
  Vote,
} from '../src/index.ts';
import { HEADER_VERSION } from '../src/index.ts';

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
export const digest: fc.Arbitrary<Digest> = bytes(32).map((value) => asDigest(toHex(value)));
const validator: fc.Arbitrary<ValidatorId> = bytes(32).map((value) => asValidatorId(toHex(value)));
const count = fc.maxSafeNat();
const view = count.map(asView);
const epoch = count.map(asEpoch);
const height = count.map(asHeight);
const round = fc.record({ epoch, view });

const proposition: fc.Arbitrary<Proposition> = fc.record({
  epoch,
  view,
  parentView: view,
  blockHash: digest,
  justificationHash: digest,
});

/** As many signatures as set bits; a bare certificate has neither. */
const signatures: fc.Arbitrary<{ bitmap: Uint8Array; signatures: Uint8Array[] }> = fc
  .uint8Array({ maxLength: 2 })
  .filter((bitmap) => bitmap.length === 0 || bitmap.some((byte) => byte !== 0))
  .chain((bitmap) => {
    const bits = [...bitmap].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    return fc.record({
      bitmap: fc.constant(bitmap),
      signatures: fc.array(bytes(64), { minLength: bits, maxLength: bits }),
    });
  });

const notarization: fc.Arbitrary<Notarization> = fc.tuple(proposition, signatures).map(([p, signed]) => ({
  type: 'certificate',
  kind: 'notarize',
  epoch: p.epoch,
  view: p.view,
  proposition: p,
  ...signed,
}));
const finalization: fc.Arbitrary<Finalization> = notarization.map((certificate) => ({
  ...certificate,
  kind: 'finalize',
}));
const nullification: fc.Arbitrary<Nullification> = fc
  .tuple(round, signatures)
  .map(([at, signed]) => ({ type: 'certificate', kind: 'nullify', ...at, ...signed }));
export const certificate: fc.Arbitrary<Certificate> = fc.oneof(notarization, finalization, nullification);

const justification: fc.Arbitrary<Justification> = fc.record({
  parentCert: fc.option(fc.oneof(notarization, finalization), { nil: undefined }),
  nullifications: fc.array(nullification, { maxLength: 3 }),
});

export const header: fc.Arbitrary<Header> = fc.record({
  version: fc.constant(HEADER_VERSION),
  chainId: digest,
  epoch,
  view,
  height,
  parentHash: digest,
  proposer: validator,
  timestampMs: count,
  bodyHash: digest,
  validatorsHash: digest,
  nextValidatorsHash: digest,
  paramsHash: digest,
  lastFinal: fc.record({ height, hash: digest, eventRoot: digest, eventCount: count, factsRoot: digest }),
});

export const body: fc.Arbitrary<Body> = fc.record({
  batches: fc.array(digest, { maxLength: 4 }),
  evidence: fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 2 }),
  lastFinalCert: fc.option(finalization, { nil: undefined }),
});

const signedStatement: fc.Arbitrary<SignedStatement> = fc.oneof(
  fc.tuple(round, validator, bytes(64)).map(([at, signer, signature]): SignedStatement => {
    return { kind: 'nullify', ...at, signer, signature };
  }),
  fc
    .tuple(fc.constantFrom('propose', 'notarize', 'finalize'), proposition, validator, bytes(64))
    .map(([kind, p, signer, signature]): SignedStatement => {
      return { kind, epoch: p.epoch, view: p.view, proposition: p, signer, signature };
    }),
);

const vote: fc.Arbitrary<Vote> = signedStatement.map((signed) => {
  if (signed.kind === 'nullify') return { type: 'vote', ...signed };
  const { kind, ...rest } = signed;
  return { type: 'vote', kind: kind === 'propose' ? 'notarize' : kind, ...rest };
});

export const message: fc.Arbitrary<ConsensusMessage> = fc.oneof(
  vote,
  certificate,
  fc.tuple(proposition, header, body, justification, bytes(64)).map(([p, h, b, j, signature]): ConsensusMessage => {
    return { type: 'proposal', proposition: p, header: h, body: b, justification: j, signature };
  }),
  fc
    .tuple(round, fc.option(finalization, { nil: undefined }))
    .map(([at, final]): ConsensusMessage => ({ type: 'status', ...at, finalization: final })),
  fc
    .tuple(round, view)
    .map(([at, toView]): ConsensusMessage => ({ type: 'cert-request', epoch: at.epoch, fromView: at.view, toView })),
  digest.map((hash): ConsensusMessage => ({ type: 'block-request', hash })),
  fc.tuple(header, body).map(([h, b]): ConsensusMessage => ({ type: 'block', header: h, body: b })),
  fc.nat().map((nonce): ConsensusMessage => ({ type: 'recall-request', nonce })),
  fc
    .tuple(fc.nat(), round, fc.option(certificate, { nil: undefined }), fc.array(vote, { maxLength: 4 }))
    .map(
      ([nonce, at, shown, votes]): ConsensusMessage => ({ type: 'recall', nonce, ...at, certificate: shown, votes }),
    ),
);

export const evidence: fc.Arbitrary<FaultEvidence> = fc.oneof(
  fc
    .tuple(fc.constantFrom('double-propose', 'double-notarize', 'nullify-finalize'), signedStatement, signedStatement)
    .map(([type, first, second]): FaultEvidence => ({ type, signer: first.signer, first, second })),
  fc
    .tuple(proposition, validator, bytes(64), header, justification)
    .map(([p, signer, signature, h, j]): FaultEvidence => {
      const vote = { kind: 'notarize', epoch: p.epoch, view: p.view, proposition: p, signer, signature } as const;
      return { type: 'bad-justification', signer, vote, header: h, justification: summaryOf(j) };
    }),
);

export const finalityProof: fc.Arbitrary<FinalityProof> = fc.record({
  header,
  certificate: finalization,
  path: fc.array(header, { maxLength: 3 }),
});

export const guardRecord: fc.Arbitrary<GuardRecord> = fc.record({
  signed: signedStatement,
  certificates: fc.array(certificate, { maxLength: 4 }),
  justification: fc.option(justification, { nil: undefined }),
  head: fc.record({ count, hash: digest }),
  floor: round,
});

/** Bytes near an encoding: one changed, some cut off, or some added. */
export function mutated(encoding: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    fc.tuple(fc.nat({ max: encoding.length - 1 }), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
      const copy = encoding.slice();
      copy[at] = (copy[at] ?? 0) ^ flip;
      return copy;
    }),
    fc.nat({ max: encoding.length - 1 }).map((length) => encoding.slice(0, length)),
    fc.uint8Array({ minLength: 1, maxLength: 8 }).map((tail) => new Uint8Array([...encoding, ...tail])),
  );
}
