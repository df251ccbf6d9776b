/**
 * Manifests of conformance vectors: evidence with endorsements, an instant, and what is expected then.
 *
 * Members that say nothing about the verdict (provenance, spelling of errors) are passed over.
 */
import { fail, type JsonValue, ok, parseJson, type Result } from '@cloister/encoding';
import { jsonObject } from '../policy/json-fields.ts';
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

type Members = { readonly [key: string]: JsonValue };

/** The cases of a manifest, unreadable ones among them so that they are counted. Never throws. */
export function parseConformanceManifest(
  bytes: Uint8Array,
): Result<readonly (ConformanceCase | UnreadableCase)[], 'MANIFEST_MALFORMED'> {
  const parsed = parseJson(bytes, { maxBytes: MAX_MANIFEST_BYTES, maxDepth: 32 });
  if (!parsed.ok) return fail('MANIFEST_MALFORMED', parsed.detail ?? parsed.code);
  const cases = jsonObject(parsed.value)?.cases;
  if (!Array.isArray(cases)) return fail('MANIFEST_MALFORMED', 'no list of cases');
  return ok(cases.map((value: JsonValue, index) => readCase(value, `case ${index + 1}`)));
}

function readCase(value: JsonValue, fallbackId: string): ConformanceCase | UnreadableCase {
  const members = jsonObject(value);
  if (members === undefined) return { id: fallbackId, unreadable: 'not an object' };
  const id = typeof members.id === 'string' ? members.id : fallbackId;
  const { evidence, at } = members;
  if (typeof evidence !== 'string') return { id, unreadable: 'no evidence' };
  const endorsements = readPaths(members);
  if (endorsements === undefined) return { id, unreadable: 'collateral or endorsements' };
  const atMs = typeof at === 'string' ? parseInstant(at) : undefined;
  if (atMs === undefined && at !== undefined && at !== null) return { id, unreadable: 'at is no instant in UTC' };
  const expect = readExpectation(jsonObject(members.expect));
  return expect === undefined ? { id, unreadable: 'expect' } : { id, evidence, endorsements, atMs, expect };
}

/** One file of collateral, a list of endorsements, either, both or none. */
function readPaths({ collateral, endorsements }: Members): readonly string[] | undefined {
  const paths: string[] = [];
  for (const value of [collateral, endorsements]) {
    if (value === undefined || value === null) continue;
    for (const path of Array.isArray(value) ? (value as readonly JsonValue[]) : [value]) {
      if (typeof path !== 'string') return undefined;
      paths.push(path);
    }
  }
  return paths;
}

function readExpectation(members: Members | undefined): ConformanceExpectation | undefined {
  if (members === undefined || typeof members.verdict !== 'string') return undefined;
  const { advisory_ids: advisoryIds, signature_valid: signatureValid } = members;
  return {
    verdict: members.verdict,
    tcbStatus: textOrNull(members.tcb_status),
    platformStatus: textOrNull(members.platform_status),
    tdxModuleStatus: textOrNull(members.tdx_module_status),
    qeStatus: textOrNull(members.qe_status),
    advisories: Array.isArray(advisoryIds) ? advisoryIds.filter((id) => typeof id === 'string') : undefined,
    signatureValid: typeof signatureValid === 'boolean' ? signatureValid : undefined,
  };
}

function textOrNull(value: JsonValue | undefined): string | null | undefined {
  return typeof value === 'string' || value === null ? value : undefined;
}
