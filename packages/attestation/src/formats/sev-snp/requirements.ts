/**
 * What a relying party asks of an SEV-SNP platform beyond a genuine report.
 */
import { fail, type JsonValue, ok, parseHex, type Result } from '@cloister/encoding';
import { distinctList, exactKeys, jsonObject } from '../../policy/json-fields.ts';
import { isSnpProduct, type SnpProduct } from './product.ts';
import { componentBelow, SNP_TCB_COMPONENTS, type SnpTcb } from './tcb.ts';

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

const KEYS: readonly (keyof SnpRequirements)[] = [
  'products',
  'requireCrl',
  'allowVlek',
  'allowMaskedChipId',
  'allowMigrationAgent',
  'maximumVmpl',
  'requireAliasCheck',
  'requireCiphertextHiding',
  'refuseSmt',
  'idKeyDigests',
];

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

/** Requirements as the ledger may have them: exactly the known members, CRLs required, chip ids never masked. */
export function snpRequirementsFromJson(
  value: JsonValue,
): Result<SnpRequirements, 'POLICY_MALFORMED' | 'POLICY_UNSAFE'> {
  const fields = exactKeys(value, KEYS);
  if (fields === undefined) return fail('POLICY_MALFORMED', 'sevSnp: members');
  const products = productsFromJson(fields.products);
  if (products === undefined) return fail('POLICY_MALFORMED', 'sevSnp.products');
  const { requireCrl, allowVlek, allowMaskedChipId, allowMigrationAgent, maximumVmpl } = fields;
  const { requireAliasCheck, requireCiphertextHiding, refuseSmt } = fields;
  if (requireCrl !== true) return fail('POLICY_UNSAFE', 'sevSnp.requireCrl');
  if (allowMaskedChipId !== false) return fail('POLICY_UNSAFE', 'sevSnp.allowMaskedChipId');
  if (typeof allowVlek !== 'boolean') return fail('POLICY_MALFORMED', 'sevSnp.allowVlek');
  if (typeof allowMigrationAgent !== 'boolean') return fail('POLICY_MALFORMED', 'sevSnp.allowMigrationAgent');
  if (typeof requireAliasCheck !== 'boolean') return fail('POLICY_MALFORMED', 'sevSnp.requireAliasCheck');
  if (typeof requireCiphertextHiding !== 'boolean') return fail('POLICY_MALFORMED', 'sevSnp.requireCiphertextHiding');
  if (typeof refuseSmt !== 'boolean') return fail('POLICY_MALFORMED', 'sevSnp.refuseSmt');
  if (!isIntegerBetween(maximumVmpl, 0, 3)) return fail('POLICY_MALFORMED', 'sevSnp.maximumVmpl');
  const idKeyDigests = distinctList(fields.idKeyDigests, isHex48, 64);
  if (idKeyDigests === undefined) return fail('POLICY_MALFORMED', 'sevSnp.idKeyDigests');
  return ok({
    products,
    requireCrl,
    allowVlek,
    allowMaskedChipId,
    allowMigrationAgent,
    maximumVmpl,
    requireAliasCheck,
    requireCiphertextHiding,
    refuseSmt,
    idKeyDigests,
  });
}

function isHex48(value: JsonValue): value is string {
  return parseHex(value, 48) !== undefined;
}

function isIntegerBetween(value: JsonValue | undefined, low: number, high: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;
}

function productsFromJson(value: JsonValue): SnpRequirements['products'] | undefined {
  const object = jsonObject(value);
  if (object === undefined) return undefined;
  const products: { [P in SnpProduct]?: SnpProductRequirements } = {};
  for (const [name, member] of Object.entries(object)) {
    const fields = exactKeys(member, ['minimumTcb', 'upToDateTcb']);
    const minimumTcb = fields === undefined ? undefined : tcbFromJson(fields.minimumTcb);
    const upToDateTcb = fields === undefined ? undefined : tcbFromJson(fields.upToDateTcb);
    if (!isSnpProduct(name) || minimumTcb === undefined || upToDateTcb === undefined) return undefined;
    if (componentBelow(upToDateTcb, minimumTcb) !== undefined) return undefined;
    products[name] = { minimumTcb, upToDateTcb };
  }
  return products;
}

function tcbFromJson(value: JsonValue): SnpTcb | undefined {
  const fields = exactKeys(value, SNP_TCB_COMPONENTS);
  if (fields === undefined) return undefined;
  const { fmc, bootLoader, tee, snp, microcode } = fields;
  if (!isIntegerBetween(fmc, 0, 255) || !isIntegerBetween(bootLoader, 0, 255) || !isIntegerBetween(tee, 0, 255)) {
    return undefined;
  }
  if (!isIntegerBetween(snp, 0, 255) || !isIntegerBetween(microcode, 0, 255)) return undefined;
  return { fmc, bootLoader, tee, snp, microcode };
}
