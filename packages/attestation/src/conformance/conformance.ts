/**
 * Runs one case of a conformance manifest under the conformance policy: vendor roots; debug refused; every measurement,
 * product, VMPL and report data allowed; AMD revocation unchecked where no CRL is given; Intel's CRLs required.
 */

import type { EvidenceRequirements } from '../appraisal/requirements.ts';
import { readEndorsementFiles } from '../endorsements/endorsement-files.ts';
import { type EvidenceVerdict, verifyEvidence } from '../evidence/verify-evidence.ts';
import { parseIntelQuote } from '../formats/intel/quote.ts';
import { ANY_SVNS } from '../formats/intel/requirements.ts';
import { INTEL_TCB_STATUSES } from '../formats/intel/tcb-status.ts';
import { isQuoteSigned, verifyIntelSignatures } from '../formats/intel/verify.ts';
import type { SnpTcb } from '../formats/sev-snp/tcb.ts';
import { VENDOR_ANCHORS } from '../policy/trust-anchors.ts';
import type { ConformanceCase, ConformanceExpectation, UnreadableCase } from './conformance-manifest.ts';

const NO_TCB: SnpTcb = { fmc: 0, bootLoader: 0, tee: 0, snp: 0, microcode: 0 };
const ANY_TCB = { minimumTcb: NO_TCB, upToDateTcb: NO_TCB };

const ANY_INTEL = {
  barredFmspcs: [],
  minimumTcbEvaluationDataNumber: 0,
  minimumComponents: ANY_SVNS,
  minimumPceSvn: 0,
  minimumQeIsvSvn: 0,
};

/** The conformance policy; a status that a policy may accept is none of a refusal. */
export const CONFORMANCE_REQUIREMENTS: EvidenceRequirements = {
  acceptedStatuses: INTEL_TCB_STATUSES.filter((status) => status !== 'Revoked' && status !== 'TcbNotSupported'),
  acceptedAdvisories: null,
  barredHardwareIds: [],
  allowedHardwareIds: [],
  sevSnp: {
    products: { Milan: ANY_TCB, Genoa: ANY_TCB, Turin: ANY_TCB },
    requireCrl: false,
    allowVlek: true,
    allowMaskedChipId: true,
    allowMigrationAgent: true,
    maximumVmpl: 3,
    requireAliasCheck: false,
    requireCiphertextHiding: false,
    refuseSmt: false,
    idKeyDigests: [],
  },
  sgx: ANY_INTEL,
  tdx: {
    ...ANY_INTEL,
    minimumTeeTcbSvn: ANY_SVNS,
    allowMigration: true,
    allowServiceTd: true,
    requireSeptVeDisable: false,
    allowPerformanceMonitoring: true,
  },
  nitro: { imageSigners: [] },
};

/** Verdicts of a conformance run. */
export type ConformanceVerdict =
  | 'accept'
  | 'policy'
  | 'reject'
  | 'signature-only'
  | 'signature-unverifiable'
  | 'reject-or-needs-pck-lookup';

export interface ConformanceOutcome {
  readonly id: string;
  readonly agrees: boolean;
  /** Undefined for a case that could not be run. */
  readonly verdict: ConformanceVerdict | undefined;
  /** Why it was refused, if it was. */
  readonly code: string | undefined;
  readonly detail: string | undefined;
  /** What disagrees, one sentence each. */
  readonly differences: readonly string[];
}

/** `readFile` gives the bytes of a file named in the manifest, or undefined when there is none. Never throws by itself. */
export function runConformanceCase(
  vector: ConformanceCase | UnreadableCase,
  readFile: (path: string) => Uint8Array | undefined,
): ConformanceOutcome {
  if ('unreadable' in vector) return notRun(vector.id, `the case is unreadable: ${vector.unreadable}`);
  const evidence = readFile(vector.evidence);
  if (evidence === undefined) return notRun(vector.id, `no file ${vector.evidence}`);
  const files: Uint8Array[] = [];
  for (const path of vector.endorsements) {
    const bytes = readFile(path);
    if (bytes === undefined) return notRun(vector.id, `no file ${path}`);
    files.push(bytes);
  }
  const { expect } = vector;
  const atMs = vector.atMs ?? 0;
  const endorsements = readEndorsementFiles(files);
  if (!endorsements.ok) {
    const { code, detail } = endorsements;
    return outcome(vector.id, 'reject', { code, detail }, compareVerdict(expect.verdict, 'reject'));
  }
  const verdict = verifyEvidence({
    evidence,
    endorsements: endorsements.value,
    requirements: CONFORMANCE_REQUIREMENTS,
    trustAnchors: VENDOR_ANCHORS,
    atMs,
  });
  const judged = judge(verdict, evidence, atMs);
  const differences = [
    ...compareVerdict(expect.verdict, judged),
    ...compareStatuses(expect, verdict),
    ...compareSignature(expect, evidence),
  ];
  return outcome(vector.id, judged, verdict.refusal, differences);
}

function notRun(id: string, difference: string): ConformanceOutcome {
  return { id, agrees: false, verdict: undefined, code: undefined, detail: undefined, differences: [difference] };
}

function outcome(
  id: string,
  verdict: ConformanceVerdict,
  refusal: { readonly code: string; readonly detail?: string | undefined } | undefined,
  differences: readonly string[],
): ConformanceOutcome {
  const { code, detail } = refusal ?? {};
  return { id, agrees: differences.length === 0, verdict, code, detail, differences };
}

function judge({ refusal, status }: EvidenceVerdict, evidence: Uint8Array, atMs: number): ConformanceVerdict {
  switch (refusal?.code) {
    case undefined:
      return status === undefined || status === 'UpToDate' ? 'accept' : 'policy';
    case 'ENDORSEMENTS_MISSING':
      return 'signature-unverifiable';
    case 'PCK_CHAIN_ABSENT':
      return 'reject-or-needs-pck-lookup';
    case 'COLLATERAL_MISSING':
      return verifyIntelSignatures({ quote: evidence, trustAnchors: VENDOR_ANCHORS, atMs }).ok
        ? 'signature-only'
        : 'reject';
    default:
      return 'reject';
  }
}

const REFUSALS: readonly ConformanceVerdict[] = [
  'reject',
  'signature-only',
  'signature-unverifiable',
  'reject-or-needs-pck-lookup',
];

/** A plain rejection may be reached for whatever reason; every other verdict must be met as it stands. */
function compareVerdict(expected: string, verdict: ConformanceVerdict): readonly string[] {
  if (expected === 'either' || expected === verdict) return [];
  if (expected === 'reject' && REFUSALS.includes(verdict)) return [];
  return [`verdict ${verdict}, expected ${expected}`];
}

function compareStatuses(expect: ConformanceExpectation, { verified }: EvidenceVerdict): readonly string[] {
  const tcb = verified?.format === 'sgx' || verified?.format === 'tdx' ? verified.value.tcb : undefined;
  const differences: string[] = [];
  const compare = (name: string, expected: string | null | undefined, actual: string | undefined): void => {
    if (expected === undefined || (expected ?? undefined) === actual) return;
    differences.push(`${name} ${actual ?? 'none'}, expected ${expected ?? 'none'}`);
  };
  compare('tcb_status', expect.tcbStatus, tcb?.status);
  compare('platform_status', expect.platformStatus, tcb?.platformStatus);
  compare('tdx_module_status', expect.tdxModuleStatus, tcb?.tdxModuleStatus);
  compare('qe_status', expect.qeStatus, tcb?.qeStatus);
  if (expect.advisories !== undefined) {
    const expected = [...new Set(expect.advisories)].sort().join(' ');
    const actual = tcb?.advisories.join(' ') ?? '';
    if (expected !== actual) differences.push(`advisory_ids [${actual}], expected [${expected}]`);
  }
  return differences;
}

function compareSignature({ signatureValid }: ConformanceExpectation, evidence: Uint8Array): readonly string[] {
  if (signatureValid === undefined) return [];
  const quote = parseIntelQuote(evidence);
  // Of other formats the manifest says nothing that their verdict does not say.
  if (!quote.ok) return [];
  const actual = isQuoteSigned(quote.value);
  return actual === signatureValid ? [] : [`signature_valid ${actual}, expected ${signatureValid}`];
}
