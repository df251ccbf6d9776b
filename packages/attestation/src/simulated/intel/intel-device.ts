/**
 * A simulated Intel platform: the same keys, certificates and quotes every time, from one seed.
 *
 * What it signs has the true wire format under the simulated key infrastructure. SIMULATED: whoever has the seed is the
 * platform, and the authorities' keys are public besides.
 */
import { hash, hkdfSha256 } from '@cloister/crypto';
import { toBase64, toHex, utf8 } from '@cloister/encoding';
import { type EcKey, type Validity, writeX509 } from '../certificate-writer.ts';
import { SIMULATED_QE_PRODUCTS, SIMULATED_QE_SIGNERS } from './collateral-writer.ts';
import {
  deriveP256Key,
  intelAuthorityCertificate,
  intelAuthorityKey,
  type PckStatement,
  pckFields,
} from './intel-pki.ts';
import { type QuoteParts, writeQuote } from './quote-writer.ts';
import { type EnclaveFields, writeEnclaveReport } from './report-writer.ts';

export interface SimulatedIntelDeviceOptions {
  /** At least 16 bytes; the same seed is the same platform. */
  readonly seed: Uint8Array;
  /** Validity of the PCK certificate. */
  readonly validity: Validity;
  readonly pckIssuer?: 'platform-ca' | 'processor-ca';
  /** 16 SVNs. */
  readonly components?: readonly number[];
  readonly pceSvn?: number;
  /** ISVSVN of the quoting enclaves. */
  readonly qeIsvSvn?: number;
}

export interface SimulatedQuoteFields {
  readonly version: 3 | 4 | 5;
  readonly tee: 'sgx' | 'tdx';
  /** Enclave report or TD report. */
  readonly body: Uint8Array;
  readonly authData?: Uint8Array;
  /** Fields of the quoting enclave's report that differ from the true ones. */
  readonly qe?: EnclaveFields;
  readonly certificationType?: number;
  /** In place of the PCK chain. */
  readonly certificationData?: Uint8Array;
  /** In place of the PCK key. */
  readonly pckKey?: EcKey;
}

export interface SimulatedIntelDevice {
  readonly statement: PckStatement;
  readonly pckIssuer: 'platform-ca' | 'processor-ca';
  /** Serial number of the PCK certificate. */
  readonly serial: bigint;
  /** The id in verification results. */
  readonly hardwareId: string;
  readonly pckKey: EcKey;
  /** ISVSVN of its quoting enclaves. */
  readonly qeIsvSvn: number;
  /** Leaf, intermediate, root; DER. */
  readonly certificates: readonly Uint8Array[];
  /** A signed quote. */
  quote(fields: SimulatedQuoteFields): Uint8Array;
}

/** PEM of a chain, ended by a zero byte as Intel's library writes it. */
export function pckChainText(certificates: readonly Uint8Array[]): Uint8Array {
  const blocks = certificates.map((der) => {
    const lines = toBase64(der).match(/.{1,64}/g) ?? [];
    return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  });
  return utf8(`${blocks.join('')}\0`);
}

const COMPONENTS: readonly number[] = [3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0];

/** Makes a platform. */
export function simulatedIntelDevice(options: SimulatedIntelDeviceOptions): SimulatedIntelDevice {
  const { seed, validity, pckIssuer = 'platform-ca', components = COMPONENTS, pceSvn = 13, qeIsvSvn = 4 } = options;
  const derive = (label: string, length: number): Uint8Array =>
    hkdfSha256(seed, utf8('cloister/simulated-intel/v1'), utf8(label), length);
  const statement: PckStatement = {
    ppid: derive('ppid', 16),
    components,
    pceSvn,
    pceId: new Uint8Array(2),
    fmspc: Uint8Array.of(0x90, 0xc0, 0x6f, 0, 0, 0),
    platformInstanceId: pckIssuer === 'platform-ca' ? derive('platform instance', 16) : undefined,
  };
  // As on hardware, the key changes with the TCB.
  const pckKey = deriveP256Key(seed, `pck ${components.join(' ')} ${pceSvn}`);
  const attestationKey = deriveP256Key(seed, 'attestation key');
  const serial = BigInt(`0x1${toHex(derive(`serial ${components.join(' ')} ${pceSvn}`, 8))}`);
  const leaf = writeX509(pckFields(pckIssuer, pckKey, serial, validity, statement), intelAuthorityKey(pckIssuer));
  const certificates = [leaf, intelAuthorityCertificate(pckIssuer), intelAuthorityCertificate('root')];
  return {
    statement,
    pckIssuer,
    serial,
    hardwareId: hash('cloister/hardware-id/intel-ppid', statement.ppid),
    pckKey,
    qeIsvSvn,
    certificates,
    quote: ({ version, tee, body, authData = new Uint8Array(32).fill(7), qe = {}, certificationType, ...rest }) => {
      const parts: QuoteParts = {
        version,
        tee,
        body,
        attestationKey,
        pckKey: rest.pckKey ?? pckKey,
        authData,
        qeReport: (reportData) =>
          writeEnclaveReport({
            mrSigner: SIMULATED_QE_SIGNERS[tee],
            isvProdId: SIMULATED_QE_PRODUCTS[tee],
            isvSvn: qeIsvSvn,
            reportData,
            ...qe,
          }),
        certificationData: rest.certificationData ?? pckChainText(certificates),
      };
      return writeQuote(certificationType === undefined ? parts : { ...parts, certificationType });
    },
  };
}
