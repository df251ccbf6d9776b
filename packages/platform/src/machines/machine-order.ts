/**
 * The machine that an enclave is launched on, as a validator orders it.
 */
import { PLATFORMS, type Platform, type SnpProduct } from '@cloister/attestation';
import type { JsonValue } from '@cloister/encoding';
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

const PRODUCTS: readonly SnpProduct[] = ['Milan', 'Genoa', 'Turin'];

type Fields = { readonly [name: string]: JsonValue };

function fieldsOf(value: JsonValue | undefined): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** The members when all of them are texts. */
function texts<K extends string>(fields: Fields | undefined, names: readonly K[]): Record<K, string> | undefined {
  if (fields === undefined || !names.every((name) => typeof fields[name] === 'string')) return undefined;
  return fields as Record<K, string>;
}

/** The order in a call, or undefined. */
export function parseMachineOrder(value: JsonValue | undefined): MachineOrder | undefined {
  const fields = fieldsOf(value);
  switch (fields?.kind) {
    case 'simulated':
      return simulatedOrder(fields);
    case 'configfs-tsm':
    case 'dstack': {
      const path = texts(fields, ['path'])?.path;
      const endorsements = endorsementsOrder(fieldsOf(fields.endorsements));
      return path === undefined || endorsements === undefined ? undefined : { kind: fields.kind, path, endorsements };
    }
    default:
      return undefined;
  }
}

/** A product line is named for SEV-SNP and for nothing else. */
function simulatedOrder(fields: Fields): SimulatedMachineOrder | undefined {
  const platform = PLATFORMS.find((name) => name === fields.platform);
  const deviceSeedFile = texts(fields, ['deviceSeedFile'])?.deviceSeedFile;
  if (platform === undefined || deviceSeedFile === undefined) return undefined;
  const order = { kind: 'simulated', deviceSeedFile, platform } as const;
  if (platform !== 'sev-snp') return fields.product === undefined ? order : undefined;
  const product = PRODUCTS.find((name) => name === fields.product);
  return product === undefined ? undefined : { ...order, product };
}

function endorsementsOrder(fields: Fields | undefined): HardwareOrder['endorsements'] | undefined {
  const directory = texts(fields, ['directory'])?.directory;
  const services = texts(fieldsOf(fields?.services), ['pcs', 'rootCrl', 'kds']);
  const update = fields?.update;
  if (directory === undefined || services === undefined) return undefined;
  return update === 'standard' || update === 'early' ? { directory, services, update } : undefined;
}
