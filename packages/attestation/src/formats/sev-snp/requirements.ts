/**
 * What a relying party asks of an SEV-SNP platform beyond a genuine report.
 */
import { fail, type JsonValue, ok, type Result } from '@cloister/encoding';
import { bool, count, distinct, hex, object, optional, refined, type Shape } from '@cloister/encoding/shape';
import type { SnpProduct } from './product.ts';
import { componentBelow, type SnpTcb } from './tcb.ts';

/** TCB levels of one product line. */
export interface SnpProductRequirements {
  /** Refused below, as reported and as it was at launch. */
  readonly minimumTcb: SnpTcb;
  /** Status OutOfDate below. At least the minimum in each component. */
  readonly upToDateTcb: SnpTcb;
}

/** Requirements on platform, guest policy and endorsements. */
export interface SnpRequirements {
  /** Accepted product lines; one that is not listed is barred. */
  readonly products: { readonly [P in SnpProduct]?: SnpProductRequirements };
  /** Without a CRL nothing is accepted. False only outside the ledger; a CRL that is there is checked in any case. */
  readonly requireCrl: boolean;
  /** Accept keys that AMD loads for a cloud provider (VLEK): the chip is then vouched for by that provider. */
  readonly allowVlek: boolean;
  /** Accept an all-zero CHIP_ID under a VLEK: no hardware id then. False on the ledger. */
  readonly allowMaskedChipId: boolean;
  /** Accept a guest policy that allows migration agents. */
  readonly allowMigrationAgent: boolean;
  /** Highest (least privileged) VMPL that may have asked for the report, 0–3. */
  readonly maximumVmpl: number;
  /** Require PLATFORM_INFO bit 5: memory aliasing was checked (BadRAM). */
  readonly requireAliasCheck: boolean;
  /** Require PLATFORM_INFO bit 4: ciphertext of guest memory is hidden from the host. */
  readonly requireCiphertextHiding: boolean;
  /** Refuse platforms with simultaneous multithreading (PLATFORM_INFO bit 0, guest policy bit 16). */
  readonly refuseSmt: boolean;
  /** Accepted ID key digests, 48-byte hex; an empty list accepts any. */
  readonly idKeyDigests: readonly string[];
}

/** JSON form of requirements: the same members. */
export function snpRequirementsToJson(requirements: SnpRequirements): JsonValue {
  const products: Record<string, JsonValue> = {};
  for (const [name, product] of Object.entries(requirements.products)) {
    if (product !== undefined) {
      products[name] = { minimumTcb: { ...product.minimumTcb }, upToDateTcb: { ...product.upToDateTcb } };
    }
  }
  return { ...requirements, products, idKeyDigests: [...requirements.idKeyDigests] };
}

const svn = count({ max: 255 });
const tcb = object<SnpTcb>({ fmc: svn, bootLoader: svn, tee: svn, snp: svn, microcode: svn });
const product = refined(
  object<SnpProductRequirements>({ minimumTcb: tcb, upToDateTcb: tcb }),
  ({ minimumTcb, upToDateTcb }) => componentBelow(upToDateTcb, minimumTcb) === undefined,
  'upToDateTcb at or above minimumTcb',
);

/** Exactly the known members, each in range. */
export const snpRequirements: Shape<SnpRequirements> = object<SnpRequirements>({
  products: object<SnpRequirements['products']>({
    Milan: optional(product),
    Genoa: optional(product),
    Turin: optional(product),
  }),
  requireCrl: bool,
  allowVlek: bool,
  allowMaskedChipId: bool,
  allowMigrationAgent: bool,
  maximumVmpl: count({ max: 3 }),
  requireAliasCheck: bool,
  requireCiphertextHiding: bool,
  refuseSmt: bool,
  idKeyDigests: distinct(hex(48), (digest) => digest, { max: 64 }),
});

/** What no ledger may do without: CRLs, and the ids of chips. */
export function checkLedgerSafety(requirements: SnpRequirements): Result<void, 'POLICY_UNSAFE'> {
  if (!requirements.requireCrl) return fail('POLICY_UNSAFE', 'sevSnp.requireCrl');
  if (requirements.allowMaskedChipId) return fail('POLICY_UNSAFE', 'sevSnp.allowMaskedChipId');
  return ok(undefined);
}
