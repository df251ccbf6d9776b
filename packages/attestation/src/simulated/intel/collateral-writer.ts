/**
 * Simulated collateral: TCB info and QE identity signed with the public key of the simulated signer, and both CRLs.
 *
 * Able to say anything about any platform, statuses among it that no public quote shows.
 */

import { signEcdsa } from '@cloister/crypto';
import { type JsonValue, toHex, utf8 } from '@cloister/encoding';
import type { IntelCollateral, IntelSignedStatement } from '../../formats/intel/collateral.ts';
import type { ComponentStatus, PlatformStatus } from '../../formats/intel/tcb-status.ts';
import { formatInstant } from '../../x509/instants.ts';
import type { EcKey } from '../certificate-writer.ts';
import { intelAuthorityCertificate, intelAuthorityKey, simulatedIntelCrl } from './intel-pki.ts';

/** Who makes simulated attestation keys: mrsigner of the simulated quoting enclaves. */
export const SIMULATED_QE_SIGNERS: Readonly<Record<'sgx' | 'tdx', Uint8Array>> = {
  sgx: new Uint8Array(32).fill(0xe5),
  tdx: new Uint8Array(32).fill(0xed),
};
export const SIMULATED_QE_PRODUCTS: Readonly<Record<'sgx' | 'tdx', number>> = { sgx: 1, tdx: 2 };

export interface SimulatedPlatformLevel {
  readonly sgx: readonly number[];
  readonly tdx?: readonly number[];
  readonly pceSvn: number;
  readonly status: PlatformStatus;
  readonly advisories?: readonly string[];
}

export interface SimulatedComponentLevel {
  readonly isvSvn: number;
  readonly status: ComponentStatus;
  readonly advisories?: readonly string[];
}

export interface SimulatedCollateral {
  readonly tee: 'sgx' | 'tdx';
  /** Milliseconds of the Unix epoch, whole seconds. */
  readonly issuedMs: number;
  readonly nextUpdateMs: number;
  readonly fmspc: Uint8Array;
  readonly pceId: Uint8Array;
  readonly tcbEvaluationDataNumber: number;
  /** Newest first; components that are left out are zero. */
  readonly platformLevels: readonly SimulatedPlatformLevel[];
  /** Levels by major version of the TDX module. */
  readonly moduleLevels: ReadonlyMap<number, readonly SimulatedComponentLevel[]>;
  readonly qeLevels: readonly SimulatedComponentLevel[];
  readonly pckIssuer: 'platform-ca' | 'processor-ca';
  /** Number of both CRLs; 1 when not given. */
  readonly crlNumber?: bigint;
  readonly revokedByRoot?: readonly bigint[];
  readonly revokedPcks?: readonly bigint[];
  /** Members that stand in place of those above in the signed texts. */
  readonly tcbInfoMembers?: { readonly [key: string]: JsonValue };
  readonly qeIdentityMembers?: { readonly [key: string]: JsonValue };
}

const ANY_DATE = '2025-01-01T00:00:00Z';

function sixteen(svns: readonly number[]): readonly number[] {
  return Array.from({ length: 16 }, (_, index) => svns[index] ?? 0);
}

function componentLevels(levels: readonly SimulatedComponentLevel[]): JsonValue {
  return levels.map(({ isvSvn, status, advisories }) => ({
    tcb: { isvsvn: isvSvn },
    tcbDate: ANY_DATE,
    tcbStatus: status,
    ...(advisories === undefined ? {} : { advisoryIDs: [...advisories] }),
  }));
}

const MODULE = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) };

function tcbInfoMembers(options: SimulatedCollateral): { readonly [key: string]: JsonValue } {
  const isTdx = options.tee === 'tdx';
  const identities = [...options.moduleLevels].map(([major, levels]) => ({
    id: `TDX_${major.toString(16).padStart(2, '0').toUpperCase()}`,
    ...MODULE,
    tcbLevels: componentLevels(levels),
  }));
  return {
    id: isTdx ? 'TDX' : 'SGX',
    version: 3,
    issueDate: formatInstant(options.issuedMs),
    nextUpdate: formatInstant(options.nextUpdateMs),
    fmspc: toHex(options.fmspc).toUpperCase(),
    pceId: toHex(options.pceId),
    tcbType: 0,
    tcbEvaluationDataNumber: options.tcbEvaluationDataNumber,
    ...(isTdx ? { tdxModule: MODULE, tdxModuleIdentities: identities } : {}),
    tcbLevels: options.platformLevels.map(({ sgx, tdx = [], pceSvn, status, advisories }) => ({
      tcb: {
        sgxtcbcomponents: sixteen(sgx).map((svn) => ({ svn })),
        pcesvn: pceSvn,
        ...(isTdx ? { tdxtcbcomponents: sixteen(tdx).map((svn) => ({ svn })) } : {}),
      },
      tcbDate: ANY_DATE,
      tcbStatus: status,
      ...(advisories === undefined ? {} : { advisoryIDs: [...advisories] }),
    })),
    ...options.tcbInfoMembers,
  };
}

function qeIdentityMembers(options: SimulatedCollateral): { readonly [key: string]: JsonValue } {
  return {
    id: options.tee === 'tdx' ? 'TD_QE' : 'QE',
    version: 2,
    issueDate: formatInstant(options.issuedMs),
    nextUpdate: formatInstant(options.nextUpdateMs),
    tcbEvaluationDataNumber: options.tcbEvaluationDataNumber,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '01000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: toHex(SIMULATED_QE_SIGNERS[options.tee]).toUpperCase(),
    isvprodid: SIMULATED_QE_PRODUCTS[options.tee],
    tcbLevels: componentLevels(options.qeLevels),
    ...options.qeIdentityMembers,
  };
}

/** Signs a text as TCB info and QE identity are signed. */
export function signStatement(text: string, key: EcKey = intelAuthorityKey('tcb-signing')): IntelSignedStatement {
  const bytes = utf8(text);
  return {
    bytes,
    signature: signEcdsa({ curve: key.curve, hash: key.hash, secretKey: key.secretKey, message: bytes }),
    issuerChain: [intelAuthorityCertificate('tcb-signing'), intelAuthorityCertificate('root')],
  };
}

/** Collateral for a simulated platform. Deterministic. */
export function simulatedCollateral(options: SimulatedCollateral): IntelCollateral {
  const { issuedMs: thisUpdateMs, nextUpdateMs, pckIssuer, revokedByRoot = [], revokedPcks = [] } = options;
  const times = { number: options.crlNumber ?? 1n, thisUpdateMs, nextUpdateMs };
  return {
    tcbInfo: signStatement(JSON.stringify(tcbInfoMembers(options))),
    qeIdentity: signStatement(JSON.stringify(qeIdentityMembers(options))),
    rootCrl: simulatedIntelCrl({ by: 'root', ...times, revoked: revokedByRoot }),
    pckCrl: simulatedIntelCrl({ by: pckIssuer, ...times, revoked: revokedPcks }),
    pckCrlIssuerChain: [intelAuthorityCertificate(pckIssuer), intelAuthorityCertificate('root')],
  };
}
