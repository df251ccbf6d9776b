import { asDigest, asHeight } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeRefresh,
  encodeRefresh,
  evidenceDigest,
  type RefreshCode,
  type RefreshStatement,
  signRefresh,
  verifyRefresh,
} from '../../src/index.ts';
import { bundleOf, CHAIN_ID, CHALLENGER, flipBit, NODE, signKeys } from '../formats/snp-fixture.ts';

const statement: RefreshStatement = {
  chainId: CHAIN_ID,
  evidenceDigest: evidenceDigest(bundleOf()),
  nodeId: NODE,
  height: asHeight(77),
  blockHash: asDigest('ef'.repeat(32)),
};
const accepted = { ...statement, signKey: signKeys.publicKey };
const refresh = signRefresh(statement, signKeys.sign);
const other = asDigest('99'.repeat(32));

describe('refresh', () => {
  it('of the accepted evidence, signed by its key, passes', () => {
    expect(verifyRefresh(refresh, accepted)).toEqual({ ok: true, value: statement });
    expect(decodeRefresh(encodeRefresh(refresh))).toEqual({ ok: true, value: refresh });
    expect(encodeRefresh(refresh)).toHaveLength(200);
  });

  const refused: Readonly<Record<RefreshCode, () => ReturnType<typeof verifyRefresh>>> = {
    REFRESH_CHAIN_MISMATCH: () => verifyRefresh(refresh, { ...accepted, chainId: other }),
    REFRESH_EVIDENCE_MISMATCH: () => verifyRefresh(refresh, { ...accepted, evidenceDigest: other }),
    REFRESH_NODE_MISMATCH: () => verifyRefresh(refresh, { ...accepted, nodeId: CHALLENGER }),
    REFRESH_SIGNATURE_INVALID: () =>
      verifyRefresh({ ...refresh, statement: { ...statement, height: asHeight(78) } }, accepted),
  };
  it.each(Object.entries(refused))('is refused with %s', (code, make) => {
    expect(make()).toMatchObject({ ok: false, code });
  });

  it('accepts no mutation, and throws on nothing', () => {
    const bytes = encodeRefresh(refresh);
    fc.assert(
      fc.property(fc.nat(), fc.uint8Array({ maxLength: 220 }), (position, random) => {
        const decoded = decodeRefresh(flipBit(bytes, position));
        expect(decoded.ok && verifyRefresh(decoded.value, accepted).ok).toBe(false);
        decodeRefresh(random);
      }),
      { numRuns: 50 },
    );
  });
});
