/**
 * Manifests of conformance vectors: evidence with endorsements, an instant, and what is expected then.
 *
 * Members that say nothing about the verdict (provenance, spelling of errors) are passed over.
 */
import { fail, type JsonValue, ok, parseJson, type Result } from '@cloister/encoding';
import {
  anyJson,
  array,
  mapped,
  member,
  openObject,
  parseShape,
  refuse,
  type Shape,
  text,
} from '@cloister/encoding/shape';
import { parseInstant } from '../x509/instants.ts';

/** What a case expects; a status that is undefined is not compared, one that is null must not be there. */
export interface ConformanceExpectation {
  readonly verdict: string;
  readonly tcbStatus: string | null | undefined;
  readonly platformStatus: string | null | undefined;
  readonly tdxModuleStatus: string | null | undefined;
  readonly qeStatus: string | null | undefined;
  readonly advisories: readonly string[] | undefined;
  /** Whether the attestation key signed the quote. */
  readonly signatureValid: boolean | undefined;
}

/** Paths are relative to the manifest. */
export interface ConformanceCase {
  readonly id: string;
  readonly evidence: string;
  readonly endorsements: readonly string[];
  /** Undefined where no instant matters. */
  readonly atMs: number | undefined;
  readonly expect: ConformanceExpectation;
}

/** A case that cannot be run: why. */
export interface UnreadableCase {
  readonly id: string;
  readonly unreadable: string;
}

const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
const MAX_CASES = 1_000_000;

const anyText = text(MAX_MANIFEST_BYTES);
const cases = member('cases', array(anyJson, { max: MAX_CASES }));
const anInstant: Shape<number | undefined> = (value, path) => {
  if (value === undefined || value === null) return undefined;
  return (typeof value === 'string' ? parseInstant(value) : undefined) ?? refuse(path, 'an instant in UTC');
};

/** One path, a list of them, or none. */
const paths: Shape<readonly string[]> = (value, path) => {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? array(anyText, { max: MAX_CASES })(value, path) : [anyText(value, path)];
};

/** What says nothing that can be compared is not compared. */
const textOrNull: Shape<string | null | undefined> = (value) =>
  typeof value === 'string' || value === null ? value : undefined;

const expectation = mapped(
  openObject({
    verdict: anyText,
    tcb_status: textOrNull,
    platform_status: textOrNull,
    tdx_module_status: textOrNull,
    qe_status: textOrNull,
    advisory_ids: ((value) =>
      Array.isArray(value) ? value.filter((id) => typeof id === 'string') : undefined) as Shape<
      readonly string[] | undefined
    >,
    signature_valid: ((value) => (typeof value === 'boolean' ? value : undefined)) as Shape<boolean | undefined>,
  }),
  (members): ConformanceExpectation => ({
    verdict: members.verdict,
    tcbStatus: members.tcb_status,
    platformStatus: members.platform_status,
    tdxModuleStatus: members.tdx_module_status,
    qeStatus: members.qe_status,
    advisories: members.advisory_ids,
    signatureValid: members.signature_valid,
  }),
);

const conformanceCase = mapped(
  openObject({ evidence: anyText, collateral: paths, endorsements: paths, at: anInstant, expect: expectation }),
  ({ evidence, collateral, endorsements, at, expect }) => ({
    evidence,
    endorsements: [...collateral, ...endorsements],
    atMs: at,
    expect,
  }),
);

/** The cases of a manifest, unreadable ones among them so that they are counted. Never throws. */
export function parseConformanceManifest(
  bytes: Uint8Array,
): Result<readonly (ConformanceCase | UnreadableCase)[], 'MANIFEST_MALFORMED'> {
  const parsed = parseJson(bytes, { maxBytes: MAX_MANIFEST_BYTES, maxDepth: 32 });
  if (!parsed.ok) return fail('MANIFEST_MALFORMED', parsed.detail ?? parsed.code);
  const read = parseShape(cases, parsed.value);
  if (!read.ok) return fail('MANIFEST_MALFORMED', read.detail);
  return ok(read.value.map((value, index) => readCase(value, `case ${index + 1}`)));
}

function readCase(value: JsonValue, fallbackId: string): ConformanceCase | UnreadableCase {
  const named = parseShape(member('id', anyText), value);
  const id = named.ok ? named.value : fallbackId;
  const read = parseShape(conformanceCase, value);
  return read.ok ? { id, ...read.value } : { id, unreadable: read.detail ?? read.code };
}
