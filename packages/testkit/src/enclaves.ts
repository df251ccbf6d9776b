/** Simulated devices of SEV-SNP, and runs of enclaves on them. */
import type { RuntimeData } from '@cloister/attestation';
import { type SimulatedSnpDevice, simulatedCrl, simulatedSnpDevice } from '@cloister/attestation/simulated';
import { type Ed25519KeyPair, x25519KeyPair } from '@cloister/crypto';
import { type AccountId, type Digest, type Measurement, toHex } from '@cloister/encoding';
import { IMAGE, MEASUREMENT } from './genesis.ts';
import { keyOf, seed } from './keys.ts';

const VALIDITY = { notBeforeMs: Date.parse('2026-01-01T00:00:00Z'), notAfterMs: Date.parse('2033-01-01T00:00:00Z') };

export const CRL: Uint8Array = simulatedCrl({
  product: 'Genoa',
  number: 7n,
  thisUpdateMs: Date.parse('2026-05-01T00:00:00Z'),
  nextUpdateMs: Date.parse('2026-09-01T00:00:00Z'),
});

const devices = new Map<string, SimulatedSnpDevice>();
export function deviceOf(label: string): SimulatedSnpDevice {
  const device =
    devices.get(label) ?? simulatedSnpDevice({ seed: seed(`device ${label}`), product: 'Genoa', validity: VALIDITY });
  devices.set(label, device);
  return device;
}

/** An enclave run: a device, fresh keys, software. */
export interface Enclave {
  readonly node: AccountId;
  readonly device: SimulatedSnpDevice;
  readonly sign: Ed25519KeyPair;
  readonly hpkeKey: string;
  readonly image: Digest;
  readonly measurement: Measurement;
}

export function enclaveOf(
  node: Ed25519KeyPair,
  changes: {
    readonly device?: string;
    readonly run?: string;
    readonly image?: Digest;
    readonly measurement?: Measurement;
  } = {},
): Enclave {
  const run = `${node.id} ${changes.run ?? 'first run'}`;
  return {
    node: node.id,
    device: deviceOf(changes.device ?? node.id),
    sign: keyOf(`sign ${run}`),
    hpkeKey: toHex(x25519KeyPair(seed(`hpke ${run}`)).publicKey),
    image: changes.image ?? IMAGE,
    measurement: changes.measurement ?? MEASUREMENT,
  };
}

/** What keysets, refreshes, requests and receipts need of an enclave, on whatever platform it runs. */
export type EnclaveKeys = Pick<Enclave, 'node' | 'sign' | 'hpkeKey' | 'image' | 'measurement'>;

/** What a test wants different about some evidence. */
export interface EvidenceChanges {
  readonly runtime?: Partial<RuntimeData>;
  readonly crls?: readonly Uint8Array[];
}
