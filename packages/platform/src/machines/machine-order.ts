/**
 * The machine that an enclave is launched on, as a validator orders it.
 */
import { PLATFORMS, type Platform, SNP_PRODUCTS, type SnpProduct } from '@cloister/attestation';
import { literal, object, oneOf, optional, refined, type Shape, text, variant } from '@cloister/encoding/shape';
import type { EndorsementServices } from '../endorsements/endorsement-source.ts';
import type { IntelUpdate } from '../endorsements/intel-pcs.ts';

/** SIMULATED: a machine of any platform, from a seed. */
export interface SimulatedMachineOrder {
  readonly kind: 'simulated';
  /** 32 bytes in hex, mode 0600: who the machine is. */
  readonly deviceSeedFile: string;
  readonly platform: Platform;
  /** Product line of an SEV-SNP machine; absent on every other platform. */
  readonly product?: SnpProduct;
}

/** The machine that this process runs in, through one of its interfaces. */
export interface HardwareOrder {
  readonly kind: 'configfs-tsm' | 'dstack';
  /** Directory of configfs-tsm, or the agent's socket. */
  readonly path: string;
  readonly endorsements: {
    /** Where they are kept. */
    readonly directory: string;
    readonly update: IntelUpdate;
    readonly services: EndorsementServices;
  };
}

export type MachineOrder = SimulatedMachineOrder | HardwareOrder;

const path = text(4096);
const address = text(2048);

/** A product line is named for SEV-SNP and for nothing else. */
const simulatedOrder = refined(
  object<SimulatedMachineOrder>({
    kind: literal('simulated'),
    deviceSeedFile: path,
    platform: oneOf(PLATFORMS),
    product: optional(oneOf(SNP_PRODUCTS)),
  }),
  ({ platform, product }) => (platform === 'sev-snp') === (product !== undefined),
  'a product line of SEV-SNP alone',
);

const hardwareOrder = object<HardwareOrder>({
  kind: oneOf(['configfs-tsm', 'dstack']),
  path,
  endorsements: object<HardwareOrder['endorsements']>({
    directory: path,
    update: oneOf(['standard', 'early']),
    services: object<EndorsementServices>({ pcs: address, rootCrl: address, kds: address }),
  }),
});

/** The order in a call. */
export const machineOrder: Shape<MachineOrder> = variant<MachineOrder>('kind', {
  simulated: simulatedOrder,
  'configfs-tsm': hardwareOrder,
  dstack: hardwareOrder,
});
