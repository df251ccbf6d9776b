/**
 * What a validator orders its platform to launch.
 */
import type { SnpProduct } from '@cloister/attestation';
import type { JsonValue } from '@cloister/crypto';
import type { TamperedImage } from './private-copy.ts';

export interface LaunchOrder {
  readonly imageDirectory: string;
  /** The platform's copies go below it; made with mode 0700 when missing. */
  readonly dataDirectory: string;
  /** 32 bytes in hex, readable by its owner alone. */
  readonly deviceSeedFile: string;
  readonly nodeId: string;
  readonly product: SnpProduct;
  readonly tampered: TamperedImage;
  /** Paths of bubblewrap to try; absent for the usual ones, empty for no sandbox. */
  readonly bubblewrap?: readonly string[];
}

const PRODUCTS: readonly SnpProduct[] = ['Milan', 'Genoa', 'Turin'];

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** The order in a call's head, or undefined. */
export function parseLaunchOrder(head: JsonValue): LaunchOrder | undefined {
  if (head === null || typeof head !== 'object' || Array.isArray(head)) return undefined;
  const fields: Record<string, unknown> = { ...head };
  const { imageDirectory, dataDirectory, deviceSeedFile, nodeId, product, tampered, bubblewrap } = fields;
  if (!isText(imageDirectory) || !isText(dataDirectory) || !isText(deviceSeedFile) || !isText(nodeId)) return undefined;
  const known = PRODUCTS.find((name) => name === product);
  if (known === undefined || (tampered !== 'refuse' && tampered !== 'measure')) return undefined;
  const order = { imageDirectory, dataDirectory, deviceSeedFile, nodeId, product: known, tampered } as const;
  if (bubblewrap === undefined) return order;
  return Array.isArray(bubblewrap) && bubblewrap.every(isText) ? { ...order, bubblewrap } : undefined;
}
