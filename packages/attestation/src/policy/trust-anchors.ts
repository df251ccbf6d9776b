/**
 * Trust anchors: the vendor keys at which every chain must end, pinned by SHA-256 of their SubjectPublicKeyInfo.
 *
 * A genesis names either vendors, whose pins then come from this code, or the roots of simulated platforms, which it
 * lists and which are marked. Never both: the two forms of `TrustAnchors` cannot be combined.
 */
import { asDigest, type Digest, fail, type JsonValue, ok, type Result, utf8 } from '@cloister/encoding';
import { bool, digest, distinct, literal, member, object, oneOf, parseShape, variant } from '@cloister/encoding/shape';
import { SNP_PRODUCTS, type SnpProduct } from '../formats/sev-snp/product.ts';

/** A root of AMD, which has one for each product line. */
export interface SnpRoot {
  readonly platform: 'sev-snp';
  readonly product: SnpProduct;
  /** SHA-256 of the DER SubjectPublicKeyInfo. */
  readonly spkiSha256: Digest;
}

/** A root of Intel, for SGX and TDX, or of AWS, for Nitro enclaves. */
export interface SingleRoot {
  readonly platform: 'sgx-tdx' | 'nitro';
  readonly spkiSha256: Digest;
}

/** One pinned root. */
export type PinnedRoot = SnpRoot | SingleRoot;

/** Vendors whose roots this code knows. */
export type Vendor = 'amd' | 'intel' | 'aws';

/** Roots at which chains may end, all real or all simulated. */
export interface TrustAnchors {
  /** True: under these anchors no guarantee holds against anyone. */
  readonly simulated: boolean;
  readonly roots: readonly PinnedRoot[];
}

const VENDOR_ROOTS: Readonly<Record<Vendor, readonly PinnedRoot[]>> = {
  amd: [
    {
      platform: 'sev-snp',
      product: 'Milan',
      spkiSha256: asDigest('9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9'),
    },
    {
      platform: 'sev-snp',
      product: 'Genoa',
      spkiSha256: asDigest('429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831'),
    },
    {
      platform: 'sev-snp',
      product: 'Turin',
      spkiSha256: asDigest('4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08'),
    },
  ],
  // Two valid certificates share this key, one until 2033 and one until 2049.
  intel: [
    {
      platform: 'sgx-tdx',
      spkiSha256: asDigest('a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e'),
    },
  ],
  aws: [
    {
      platform: 'nitro',
      spkiSha256: asDigest('f2caf5ecc6190b4a8399b78bc58a2bbcd0382375db8a1bfd78a82743874fd225'),
    },
  ],
};

/** Every vendor root that this code pins. */
export const VENDOR_ANCHORS: TrustAnchors = { simulated: false, roots: Object.values(VENDOR_ROOTS).flat() };

/** The product line whose ARK has this key, if it is pinned. */
export function pinnedSnpProduct(anchors: TrustAnchors, spkiSha256: Digest): SnpProduct | undefined {
  for (const root of anchors.roots) {
    if (root.platform === 'sev-snp' && root.spkiSha256 === spkiSha256) return root.product;
  }
  return undefined;
}

/** Whether this is the key of a pinned root of the platform. */
export function isPinnedRoot(anchors: TrustAnchors, platform: SingleRoot['platform'], spkiSha256: Digest): boolean {
  return anchors.roots.some((root) => root.platform === platform && root.spkiSha256 === spkiSha256);
}

/** One byte form of what a verdict depends on, for cache keys. */
export function anchorBytes(anchors: TrustAnchors): Uint8Array {
  const lines = anchors.roots.map((root) =>
    root.platform === 'sev-snp'
      ? `${root.platform} ${root.product} ${root.spkiSha256}\n`
      : `${root.platform} ${root.spkiSha256}\n`,
  );
  return utf8(lines.join(''));
}

/** Why a genesis' trust anchors are refused. */
export type TrustAnchorsCode = 'TRUST_ANCHORS_MALFORMED' | 'TRUST_ANCHORS_EMPTY' | 'TRUST_ANCHORS_PRODUCTION_ROOT';

/**
 * Genesis form of anchors: {simulated: false, vendors} or {simulated: true, roots}. Throws nothing; vendor anchors are
 * written as the vendors whose roots they contain.
 */
export function trustAnchorsToJson(anchors: TrustAnchors): JsonValue {
  if (!anchors.simulated) {
    const vendors = (Object.keys(VENDOR_ROOTS) as Vendor[]).filter((vendor) =>
      VENDOR_ROOTS[vendor].some((root) => anchors.roots.some((r) => r.spkiSha256 === root.spkiSha256)),
    );
    return { simulated: false, vendors };
  }
  return { simulated: true, roots: anchors.roots.map((root) => ({ ...root })) };
}

const vendorForm = object({
  simulated: literal(false),
  vendors: distinct(oneOf(['amd', 'intel', 'aws']), (vendor) => vendor, { max: 8 }),
});

const root = variant<PinnedRoot>('platform', {
  'sev-snp': object<SnpRoot>({ platform: literal('sev-snp'), product: oneOf(SNP_PRODUCTS), spkiSha256: digest }),
  'sgx-tdx': object<SingleRoot>({ platform: literal('sgx-tdx'), spkiSha256: digest }),
  nitro: object<SingleRoot>({ platform: literal('nitro'), spkiSha256: digest }),
});

const simulatedForm = object({
  simulated: literal(true),
  roots: distinct(root, ({ spkiSha256 }) => spkiSha256, { max: 16 }),
});

/** Inverse of `trustAnchorsToJson`. A simulated list may not contain a vendor's root, and no list may be empty. */
export function trustAnchorsFromJson(value: JsonValue): Result<TrustAnchors, TrustAnchorsCode> {
  const simulated = parseShape(member('simulated', bool), value);
  if (!simulated.ok) return fail('TRUST_ANCHORS_MALFORMED', simulated.detail);
  return simulated.value ? simulatedAnchors(value) : vendorAnchors(value);
}

function vendorAnchors(value: JsonValue): Result<TrustAnchors, TrustAnchorsCode> {
  const form = parseShape(vendorForm, value);
  if (!form.ok) return fail('TRUST_ANCHORS_MALFORMED', form.detail);
  const { vendors } = form.value;
  if (vendors.length === 0) return fail('TRUST_ANCHORS_EMPTY');
  return ok({ simulated: false, roots: vendors.flatMap((vendor) => VENDOR_ROOTS[vendor]) });
}

function simulatedAnchors(value: JsonValue): Result<TrustAnchors, TrustAnchorsCode> {
  const form = parseShape(simulatedForm, value);
  if (!form.ok) return fail('TRUST_ANCHORS_MALFORMED', form.detail);
  const { roots } = form.value;
  if (roots.length === 0) return fail('TRUST_ANCHORS_EMPTY');
  const vendorRoot = VENDOR_ANCHORS.roots.find((v) => roots.some((r) => r.spkiSha256 === v.spkiSha256));
  if (vendorRoot !== undefined) return fail('TRUST_ANCHORS_PRODUCTION_ROOT', vendorRoot.platform);
  return ok({ simulated: true, roots });
}
