/** The orders that a validator gives its platform, for both of them. */
import { bytesUpTo, type Call, type CallTable, type Nothing } from '@cloister/enclave';
import type { AccountId, Digest, Measurement } from '@cloister/encoding';
import { account, array, bool, count, digest, measurement, nullable, oneOf, text } from '@cloister/encoding/shape';
import { MAX_GENESIS_BYTES } from '@cloister/ledger';
import { type MachineOrder, machineOrder } from '../machines/machine-order.ts';
import type { TamperedImage } from './sealed-image.ts';

export interface LaunchOrder {
  readonly imageDirectory: string;
  /** Stands in the command lines of vault and engines. */
  readonly label: string;
  readonly nodeId: AccountId;
  readonly machine: MachineOrder;
  readonly tampered: TamperedImage;
  /** Paths of bubblewrap to try; null for the usual ones, empty for no sandbox. */
  readonly bubblewrap: readonly string[] | null;
  readonly genesis: Uint8Array;
}

/** The enclave that was launched. */
export interface LaunchAnswer {
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly isolated: boolean;
  readonly enclavePid: number;
}

export interface PlatformOrders {
  readonly launch: Call<LaunchOrder, LaunchAnswer>;
  /** Process ids of the engines that run now. */
  readonly pids: Call<Nothing, { readonly engines: readonly number[] }>;
}

/** More than an enclave ever has. */
const ENGINES_LISTED_MAX = 1_024;

export const PLATFORM_ORDERS: CallTable<PlatformOrders> = {
  launch: {
    argument: {
      imageDirectory: text(4096),
      label: text(4096),
      nodeId: account,
      machine: machineOrder,
      tampered: oneOf(['refuse', 'measure']),
      bubblewrap: nullable(array(text(4096), { max: 16 })),
      genesis: bytesUpTo(MAX_GENESIS_BYTES),
    },
    answer: { measurement, image: digest, isolated: bool, enclavePid: count() },
  },
  pids: {
    argument: {},
    answer: { engines: array(count(), { max: ENGINES_LISTED_MAX }) },
  },
};
