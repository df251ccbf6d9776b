/**
 * What a validator orders its platform to launch.
 */
import type { JsonValue } from '@cloister/encoding';
import { type MachineOrder, parseMachineOrder } from '../machines/machine-order.ts';
import type { TamperedImage } from './sealed-image.ts';

export interface LaunchOrder {
  readonly imageDirectory: string;
  /** Stands in the command lines of vault and engines. */
  readonly label: string;
  readonly nodeId: string;
  readonly machine: MachineOrder;
  readonly tampered: TamperedImage;
  /** Paths of bubblewrap to try; absent for the usual ones, empty for no sandbox. */
  readonly bubblewrap?: readonly string[];
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** The order in a call's head, or undefined. */
export function parseLaunchOrder(head: JsonValue): LaunchOrder | undefined {
  if (head === null || typeof head !== 'object' || Array.isArray(head)) return undefined;
  const fields = head as { readonly [name: string]: JsonValue };
  const { imageDirectory, label, nodeId, tampered, bubblewrap } = fields;
  if (!isText(imageDirectory) || !isText(label) || !isText(nodeId)) return undefined;
  const machine = parseMachineOrder(fields.machine);
  if (machine === undefined || (tampered !== 'refuse' && tampered !== 'measure')) return undefined;
  const order = { imageDirectory, label, nodeId, machine, tampered } as const;
  if (bubblewrap === undefined) return order;
  return Array.isArray(bubblewrap) && bubblewrap.every(isText) ? { ...order, bubblewrap } : undefined;
}
