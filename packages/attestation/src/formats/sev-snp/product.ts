/**
 * AMD product lines: which root signs for a processor, and how its TCB version is laid out.
 *
 * CPUID ranges after AMD's KDS interface specification (57230): Bergamo and Siena are of the Genoa line.
 */

/** Product lines with a root of their own. */
export const SNP_PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const;
export type SnpProduct = (typeof SNP_PRODUCTS)[number];

export function isSnpProduct(value: unknown): value is SnpProduct {
  return SNP_PRODUCTS.some((product) => product === value);
}

/** The line of a processor by CPUID family (base + extended) and model; undefined for one that is not known. */
export function productOfCpuid(family: number, model: number): SnpProduct | undefined {
  if (family === 0x19) {
    if (model <= 0x0f) return 'Milan';
    if ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)) return 'Genoa';
    return undefined;
  }
  return family === 0x1a && model <= 0x11 ? 'Turin' : undefined;
}

const LINE_OF_NAME: Readonly<Record<string, SnpProduct>> = {
  Milan: 'Milan',
  Genoa: 'Genoa',
  Bergamo: 'Genoa',
  Siena: 'Genoa',
  Turin: 'Turin',
};

/** The line of a certificate's product name, such as "Milan-B0" (name, optionally a dash and the stepping). */
export function productOfName(name: string): SnpProduct | undefined {
  const [line = ''] = name.split('-', 1);
  return Object.hasOwn(LINE_OF_NAME, line) ? LINE_OF_NAME[line] : undefined;
}

/** Bytes of the hardware id in certificates, and of the non-zero part of CHIP_ID in reports. */
export function hardwareIdLength(product: SnpProduct): 8 | 64 {
  return product === 'Turin' ? 8 : 64;
}
