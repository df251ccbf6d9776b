/**
 * What a validator orders its platform to launch.
 */
import type { JsonValue } from '@cloister/encoding';
import { array, object, oneOf, optional, parseShape, text } from '@cloister/encoding/shape';
import { type MachineOrder, machineOrder } from '../machines/machine-order.ts';
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

const launchOrder = object<LaunchOrder>({
  imageDirectory: text(4096),
  label: text(4096),
  nodeId: text(64),
  machine: machineOrder,
  tampered: oneOf(['refuse', 'measure']),
  bubblewrap: optional(array(text(4096), { max: 16 })),
});

/** The order in a call's head, or undefined. */
export function parseLaunchOrder(head: JsonValue): LaunchOrder | undefined {
  const read = parseShape(launchOrder, head);
  return read.ok ? read.value : undefined;
}
