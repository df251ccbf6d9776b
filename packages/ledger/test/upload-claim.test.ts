import { verifyEd25519 } from '@cloister/crypto';
import { asHeight, toHex } from '@cloister/encoding';
import { digestOf, owner, tenant } from '@cloister/testkit';
import { describe, expect, it } from 'vitest';
import {
  parseUploadClaim,
  signUploadClaim,
  type UploadClaim,
  uploadClaimBytes,
} from '../src/transactions/upload-claim.ts';

const claim: UploadClaim = {
  chainId: digestOf('chain'),
  account: tenant.id,
  digest: digestOf('blob'),
  size: 70_000,
  expiryHeight: asHeight(12),
};

describe('an upload claim', () => {
  it('says who uploads until when, under a signature over all that it is for', () => {
    const text = signUploadClaim(tenant, claim);
    const parsed = parseUploadClaim(text);
    expect(parsed).toMatchObject({ account: tenant.id, expiryHeight: 12 });
    const signed = (of: UploadClaim): boolean =>
      verifyEd25519(tenant.publicKey, uploadClaimBytes(of), parsed?.signature ?? new Uint8Array(64));
    expect(signed(claim)).toBe(true);
    const others: UploadClaim[] = [
      { ...claim, chainId: digestOf('other chain') },
      { ...claim, account: owner.id },
      { ...claim, digest: digestOf('other blob') },
      { ...claim, size: 70_001 },
      { ...claim, expiryHeight: asHeight(13) },
    ];
    for (const other of others) expect([other, signed(other)]).toEqual([other, false]);
  });

  it('has one form', () => {
    const text = signUploadClaim(tenant, claim);
    const [account = '', , signature = ''] = text.split('.');
    const bad = [
      '',
      text.toUpperCase(),
      ` ${text}`,
      `${text}\n`,
      `${account}.012.${signature}`,
      `${account}.-1.${signature}`,
      `${account}.1e3.${signature}`,
      `${account}.9007199254740993.${signature}`,
      `${account}.12.${signature}00`,
      `${account}.12.${toHex(new Uint8Array(63))}`,
      `${account.slice(1)}.12.${signature}`,
      `${account}..12.${signature}`,
    ];
    for (const one of bad) expect([one, parseUploadClaim(one)]).toEqual([one, undefined]);
  });
});
