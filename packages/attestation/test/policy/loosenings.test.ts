/** What loosens a policy: every member in its own direction, and nothing in the other. */
import { describe, expect, it } from 'vitest';
import { type AppraisalPolicy, loosenings } from '../../src/index.ts';
import { policy } from '../formats/snp-fixture.ts';

const { sevSnp, sgx, tdx } = policy;
if (sevSnp === null || sgx === null || tdx === null) throw new Error('the policy accepts every platform');
const [svns, lower] = [Array.from({ length: 16 }, () => 2), Array.from({ length: 16 }, (_, i) => (i === 15 ? 1 : 2))];
const digest = 'ab'.repeat(48);
const genoa = sevSnp.products.Genoa ?? expect.fail();
const lowered = { ...genoa.minimumTcb, snp: genoa.minimumTcb.snp - 1 };

/** Pairs of a stricter and a looser form of one member. */
const PAIRS: readonly (readonly [string, keyof AppraisalPolicy, Partial<AppraisalPolicy>, Partial<AppraisalPolicy>])[] =
  [
    ['statuses', 'acceptedStatuses', { acceptedStatuses: [] }, { acceptedStatuses: ['OutOfDate'] }],
    ['advisories', 'acceptedAdvisories', { acceptedAdvisories: ['A'] }, { acceptedAdvisories: ['A', 'B'] }],
    ['any advisory', 'acceptedAdvisories', { acceptedAdvisories: ['A'] }, { acceptedAdvisories: null }],
    ['barred chips', 'barredHardwareIds', { barredHardwareIds: ['01', '02'] }, { barredHardwareIds: ['02'] }],
    ['listed chips', 'allowedHardwareIds', { allowedHardwareIds: ['01'] }, { allowedHardwareIds: ['01', '02'] }],
    ['any chip', 'allowedHardwareIds', { allowedHardwareIds: ['01'] }, { allowedHardwareIds: [] }],
    ['age', 'maxAgeBlocks', {}, { maxAgeBlocks: policy.maxAgeBlocks + 1 }],
    ['refresh', 'refreshWindowBlocks', {}, { refreshWindowBlocks: policy.refreshWindowBlocks + 1 }],
    ['nonce', 'nonceWindowBlocks', {}, { nonceWindowBlocks: policy.nonceWindowBlocks + 1 }],
    ['platforms', 'minimumDistinctPlatforms', { minimumDistinctPlatforms: 2 }, { minimumDistinctPlatforms: 1 }],
    ['SNP at all', 'sevSnp', { sevSnp: null }, {}],
    ['SGX at all', 'sgx', { sgx: null }, {}],
    ['TDX at all', 'tdx', { tdx: null }, {}],
    ['Nitro at all', 'nitro', { nitro: null }, {}],
    ['product lines', 'sevSnp', { sevSnp: { ...sevSnp, products: {} } }, {}],
    [
      'minimum TCB',
      'sevSnp',
      {},
      { sevSnp: { ...sevSnp, products: { ...sevSnp.products, Genoa: { ...genoa, minimumTcb: lowered } } } },
    ],
    [
      'up-to-date TCB',
      'sevSnp',
      {},
      {
        sevSnp: {
          ...sevSnp,
          products: { ...sevSnp.products, Genoa: { minimumTcb: genoa.minimumTcb, upToDateTcb: lowered } },
        },
      },
    ],
    ['VLEK', 'sevSnp', {}, { sevSnp: { ...sevSnp, allowVlek: true } }],
    ['masked chips', 'sevSnp', {}, { sevSnp: { ...sevSnp, allowMaskedChipId: true } }],
    ['CRLs', 'sevSnp', {}, { sevSnp: { ...sevSnp, requireCrl: false } }],
    ['agents', 'sevSnp', {}, { sevSnp: { ...sevSnp, allowMigrationAgent: true } }],
    ['VMPL', 'sevSnp', {}, { sevSnp: { ...sevSnp, maximumVmpl: 1 } }],
    ['alias check', 'sevSnp', {}, { sevSnp: { ...sevSnp, requireAliasCheck: false } }],
    ['ciphertext hiding', 'sevSnp', { sevSnp: { ...sevSnp, requireCiphertextHiding: true } }, {}],
    ['SMT', 'sevSnp', { sevSnp: { ...sevSnp, refuseSmt: true } }, {}],
    ['any ID key', 'sevSnp', { sevSnp: { ...sevSnp, idKeyDigests: [digest] } }, {}],
    [
      'more ID keys',
      'sevSnp',
      { sevSnp: { ...sevSnp, idKeyDigests: [digest] } },
      { sevSnp: { ...sevSnp, idKeyDigests: [digest, 'cd'.repeat(48)] } },
    ],
    ['FMSPCs', 'sgx', { sgx: { ...sgx, barredFmspcs: ['00'.repeat(6)] } }, {}],
    ['evaluation number', 'sgx', {}, { sgx: { ...sgx, minimumTcbEvaluationDataNumber: 0 } }],
    ['components', 'sgx', { sgx: { ...sgx, minimumComponents: svns } }, { sgx: { ...sgx, minimumComponents: lower } }],
    ['PCESVN', 'sgx', { sgx: { ...sgx, minimumPceSvn: 1 } }, {}],
    ['QE', 'tdx', { tdx: { ...tdx, minimumQeIsvSvn: 1 } }, {}],
    ['TEE SVNs', 'tdx', { tdx: { ...tdx, minimumTeeTcbSvn: svns } }, { tdx: { ...tdx, minimumTeeTcbSvn: lower } }],
    ['migration', 'tdx', {}, { tdx: { ...tdx, allowMigration: true } }],
    ['service TDs', 'tdx', {}, { tdx: { ...tdx, allowServiceTd: true } }],
    ['SEPT_VE', 'tdx', {}, { tdx: { ...tdx, requireSeptVeDisable: false } }],
    ['counters', 'tdx', {}, { tdx: { ...tdx, allowPerformanceMonitoring: true } }],
    ['any signer', 'nitro', { nitro: { imageSigners: [digest] } }, {}],
  ];

describe('loosenings', () => {
  it.each(PAIRS)('%s', (_, member, stricter, looser) => {
    const [strict, loose] = [
      { ...policy, ...stricter },
      { ...policy, ...looser },
    ];
    expect(loosenings(strict, loose)).toEqual([member]);
    expect(loosenings(loose, strict)).toEqual([]);
    expect(loosenings(strict, strict)).toEqual([]);
  });

  it('names each member that loosens, whatever else tightens', () => {
    const next = {
      ...policy,
      maxAgeBlocks: policy.maxAgeBlocks + 1,
      nitro: null,
      acceptedStatuses: ['OutOfDate'] as const,
    };
    expect(loosenings(policy, next)).toEqual(['acceptedStatuses', 'maxAgeBlocks']);
  });

  it('sees lists in which one element replaced another', () => {
    const [current, next] = [['01'], ['02']].map((barredHardwareIds) => ({ ...policy, barredHardwareIds }));
    if (current === undefined || next === undefined) expect.fail();
    expect(loosenings(current, next)).toEqual(['barredHardwareIds']);
  });
});
