/**
 * TCB versions: eight bytes whose meaning depends on the product line.
 *
 * Milan and Genoa: [0] boot loader, [1] TEE, [6] SNP, [7] microcode. Turin: [0] FMC, [1] boot loader, [2] TEE, [3] SNP,
 * [7] microcode. The remaining bytes are reserved; certificates number them as further components ("SPL"), and a report
 * must agree with its certificate on those too. Source: SEV-SNP ABI (56860) table 3, KDS specification (57230) table 11.
 */

import type { SnpProduct } from './product.ts';

/** Named components, each 0–255. `fmc` is 0 on lines without it. */
export interface SnpTcb {
  readonly fmc: number;
  readonly bootLoader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}

export const SNP_TCB_COMPONENTS: readonly (keyof SnpTcb)[] = ['fmc', 'bootLoader', 'tee', 'snp', 'microcode'];

/** Byte of each component; undefined where the line does not have it. */
type TcbLayout = Readonly<Record<keyof SnpTcb, number | undefined>>;

const MILAN_GENOA: TcbLayout = { fmc: undefined, bootLoader: 0, tee: 1, snp: 6, microcode: 7 };
const TURIN: TcbLayout = { fmc: 0, bootLoader: 1, tee: 2, snp: 3, microcode: 7 };

/** Last arc of the certificate extension 1.3.6.1.4.1.3704.1.3.x that certifies each byte of the TCB version. */
export const SPL_ARCS: Readonly<Record<SnpProduct, readonly number[]>> = {
  Milan: [1, 2, 4, 5, 6, 7, 3, 8],
  Genoa: [1, 2, 4, 5, 6, 7, 3, 8],
  Turin: [9, 1, 2, 3, 5, 6, 7, 8],
};

/** SPL arcs that every certificate of the line must carry; the others certify reserved bytes and count as 0 when absent. */
export function requiredSplArcs(product: SnpProduct): readonly number[] {
  return product === 'Turin' ? [1, 2, 3, 8, 9] : [1, 2, 3, 8];
}

function layoutOf(product: SnpProduct): TcbLayout {
  return product === 'Turin' ? TURIN : MILAN_GENOA;
}

/** Components of the eight bytes as they stand in a report. */
export function parseTcb(bytes: Uint8Array, product: SnpProduct): SnpTcb {
  const layout = layoutOf(product);
  const component = (name: keyof SnpTcb): number => {
    const index = layout[name];
    return index === undefined ? 0 : (bytes[index] ?? 0);
  };
  return {
    fmc: component('fmc'),
    bootLoader: component('bootLoader'),
    tee: component('tee'),
    snp: component('snp'),
    microcode: component('microcode'),
  };
}

/** Inverse of `parseTcb`, reserved bytes zero. */
export function encodeTcb(tcb: SnpTcb, product: SnpProduct): Uint8Array {
  const layout = layoutOf(product);
  const bytes = new Uint8Array(8);
  for (const name of SNP_TCB_COMPONENTS) {
    const index = layout[name];
    if (index !== undefined) bytes[index] = tcb[name];
  }
  return bytes;
}

/** The first component of `tcb` below that of `floor`, if any. */
export function componentBelow(tcb: SnpTcb, floor: SnpTcb): keyof SnpTcb | undefined {
  return SNP_TCB_COMPONENTS.find((name) => tcb[name] < floor[name]);
}

/** The TCB versions of a report. */
export interface SnpTcbVersions {
  readonly reported: SnpTcb;
  readonly committed: SnpTcb;
  readonly current: SnpTcb;
  readonly launch: SnpTcb;
}
