/**
 * The simulated SEV-SNP device of one platform, with the endorsements that AMD's key server would give.
 *
 * SIMULATED: the device's seed lies in an operator's file and the authorities' keys are public.
 */
import { readFile, stat } from 'node:fs/promises';
import type { CollectedEvidence, SnpProduct } from '@cloister/attestation';
import { type SimulatedSnpDevice, simulatedCrl, simulatedSnpDevice } from '@cloister/attestation/simulated';
import { type Digest, fromHex, type Measurement, parseHex } from '@cloister/crypto';

/** Certificates of simulated devices: 2025-01-01 to 2045-01-01, so that one seed has one certificate. */
const VALIDITY = { notBeforeMs: Date.UTC(2025, 0, 1), notAfterMs: Date.UTC(2045, 0, 1) };
const DAY_MS: number = 24 * 3_600_000;
const WEEK_MS: number = 7 * DAY_MS;
/** A revocation list is issued every week, for all devices the same, and holds for eight. */
const CRL_WEEKS = 8;
/** A new list is used from this long after its issue on: block time may be behind the platform's clock. */
const CRL_DELAY_MS: number = DAY_MS;
const SEED_BYTES = 32;

export class DeviceSeedError extends Error {
  override readonly name = 'DeviceSeedError';
  readonly code: 'DEVICE_SEED_UNREADABLE' | 'DEVICE_SEED_EXPOSED' | 'DEVICE_SEED_MALFORMED';
  constructor(code: DeviceSeedError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Reads a seed of 32 bytes in hex from a file that nobody else can read. Throws `DeviceSeedError`. */
export async function readDeviceSeed(file: string): Promise<Uint8Array> {
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) throw new DeviceSeedError('DEVICE_SEED_EXPOSED', `${file} can be read by others`);
    text = await readFile(file, 'latin1');
  } catch (cause) {
    if (cause instanceof DeviceSeedError) throw cause;
    throw new DeviceSeedError('DEVICE_SEED_UNREADABLE', `cannot read ${file}`, { cause });
  }
  const seed = parseHex(text.trim(), SEED_BYTES);
  if (seed === undefined) throw new DeviceSeedError('DEVICE_SEED_MALFORMED', `${file} does not hold 32 bytes in hex`);
  return seed;
}

/** A device that signs for one launch alone. */
export class LaunchedDevice {
  readonly #device: SimulatedSnpDevice;
  readonly #measurement: Uint8Array;
  readonly #hostData: Uint8Array;
  #crl: { readonly week: number; readonly der: Uint8Array } | undefined;

  /** `measurement` and `image` of what this platform launched: the only things it ever signs for. */
  constructor(seed: Uint8Array, product: SnpProduct, launched: { measurement: Measurement; image: Digest }) {
    this.#device = simulatedSnpDevice({ seed, product, validity: VALIDITY });
    this.#measurement = fromHex(launched.measurement);
    this.#hostData = fromHex(launched.image);
  }

  /** Evidence over 64 bytes, with endorsements as of `nowMs`. */
  collect(reportData: Uint8Array, nowMs: number): CollectedEvidence {
    const report = this.#device.report({ reportData, measurement: this.#measurement, hostData: this.#hostData });
    const { certificates } = this.#device;
    return { evidence: { platform: 'sev-snp', report }, endorsements: { certificates, crls: [this.#crlAt(nowMs)] } };
  }

  #crlAt(nowMs: number): Uint8Array {
    const week = Math.floor((nowMs - CRL_DELAY_MS) / WEEK_MS);
    if (this.#crl?.week !== week) {
      const thisUpdateMs = week * WEEK_MS;
      const nextUpdateMs = thisUpdateMs + CRL_WEEKS * WEEK_MS;
      const { product } = this.#device;
      this.#crl = { week, der: simulatedCrl({ product, number: BigInt(week), thisUpdateMs, nextUpdateMs }) };
    }
    return this.#crl.der;
  }
}
