/**
 * QE identity: which enclave of Intel's may make attestation keys, and what its versions are worth.
 *
 * Source: Intel PCS API v4, "Get Quoting Enclave Identity", version 2.
 */
import { equalBytes } from '@cloister/encoding';
import { count, hexBytes, mapped, openObject } from '@cloister/encoding/shape';
import type { EnclaveReport } from './enclave-report.ts';
import { instant, readStatement, statementText } from './statement-json.ts';
import { type ComponentLevel, componentLevels } from './tcb-info.ts';

/** Times are milliseconds of the Unix epoch. */
export interface QeIdentity {
  /** QE makes SGX quotes, TD_QE those of TDX. */
  readonly id: string;
  readonly version: number;
  readonly issueDateMs: number;
  readonly nextUpdateMs: number;
  readonly tcbEvaluationDataNumber: number;
  readonly miscSelect: Uint8Array;
  readonly miscSelectMask: Uint8Array;
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  /** Newest first. */
  readonly levels: readonly ComponentLevel[];
}

const qeIdentity = mapped(
  openObject({
    id: statementText,
    version: count({ max: 0xffff }),
    issueDate: instant,
    nextUpdate: instant,
    tcbEvaluationDataNumber: count({ max: 0xffff_ffff }),
    miscselect: hexBytes(4),
    miscselectMask: hexBytes(4),
    attributes: hexBytes(16),
    attributesMask: hexBytes(16),
    mrsigner: hexBytes(32),
    isvprodid: count({ max: 0xffff }),
    tcbLevels: componentLevels,
  }),
  (members): QeIdentity => ({
    id: members.id,
    version: members.version,
    issueDateMs: members.issueDate,
    nextUpdateMs: members.nextUpdate,
    tcbEvaluationDataNumber: members.tcbEvaluationDataNumber,
    miscSelect: members.miscselect,
    miscSelectMask: members.miscselectMask,
    attributes: members.attributes,
    attributesMask: members.attributesMask,
    mrSigner: members.mrsigner,
    isvProdId: members.isvprodid,
    levels: members.tcbLevels,
  }),
);

/** Reads a QE identity, or names what is not as it should be. Never throws. */
export function parseQeIdentity(bytes: Uint8Array): { readonly value: QeIdentity } | { readonly refused: string } {
  return readStatement(bytes, 'enclaveIdentity', qeIdentity);
}

/** Why an enclave is not the one that the identity describes. */
export type QeIdentityMismatch =
  | 'QE_MISCSELECT_MISMATCH'
  | 'QE_ATTRIBUTES_MISMATCH'
  | 'QE_MRSIGNER_MISMATCH'
  | 'QE_ISVPRODID_MISMATCH'
  | 'QE_DEBUG';

/** Compares the report of a quoting enclave with the identity, all but its version. */
export function checkQeReport(report: EnclaveReport, identity: QeIdentity): QeIdentityMismatch | undefined {
  if (!equalUnderMask(report.miscSelect, identity.miscSelectMask, identity.miscSelect)) return 'QE_MISCSELECT_MISMATCH';
  if (!equalUnderMask(report.attributes, identity.attributesMask, identity.attributes)) return 'QE_ATTRIBUTES_MISMATCH';
  if (!equalBytes(report.mrSigner, identity.mrSigner)) return 'QE_MRSIGNER_MISMATCH';
  if (report.isvProdId !== identity.isvProdId) return 'QE_ISVPRODID_MISMATCH';
  return report.debug ? 'QE_DEBUG' : undefined;
}

/** Whether the bits of `actual` that the mask selects are `expected`. */
export function equalUnderMask(actual: Uint8Array, mask: Uint8Array, expected: Uint8Array): boolean {
  return equalBytes(
    actual.map((byte, index) => byte & (mask[index] ?? 0)),
    expected,
  );
}
