/**
 * What the page offers and Node does as well: verification and conformance cases, their outcomes as text in which every
 * difference shows.
 */
import {
  CONFORMANCE_REQUIREMENTS,
  parseConformanceManifest,
  readEndorsementFiles,
  runConformanceCase,
  trustAnchorsFromJson,
  verifyEvidence,
} from '@cloister/attestation';
import { type JsonValue, parseBase64, toHex } from '@cloister/encoding';

/** Files and evidence in base64. */
export interface VerificationRequest {
  readonly evidence: string;
  readonly endorsementFiles: readonly string[];
  /** The genesis form, as a JSON text. */
  readonly trustAnchors: string;
  /** Milliseconds of the Unix epoch. */
  readonly atMs: number;
}

/** Contents in base64 by path from the manifest's folder. */
export interface VectorFiles {
  readonly [path: string]: string;
}

/** The whole verdict under the conformance policy, or why the endorsements or anchors could not be read. */
export function verifyRequest(request: VerificationRequest): string {
  const trustAnchors = trustAnchorsFromJson(JSON.parse(request.trustAnchors) as JsonValue);
  if (!trustAnchors.ok) return exactText(trustAnchors);
  const endorsements = readEndorsementFiles(request.endorsementFiles.map(bytesOf));
  if (!endorsements.ok) return exactText(endorsements);
  const verdict = verifyEvidence({
    evidence: bytesOf(request.evidence),
    endorsements: endorsements.value,
    requirements: CONFORMANCE_REQUIREMENTS,
    trustAnchors: trustAnchors.value,
    atMs: request.atMs,
  });
  return exactText(verdict);
}

/** The outcome of the case at `index` of the manifest among `files`. */
export function conformanceOutcome(files: VectorFiles, index: number): string {
  const readFile = (path: string): Uint8Array | undefined => {
    const text = files[path];
    return text === undefined ? undefined : bytesOf(text);
  };
  const cases = parseConformanceManifest(readFile('manifest.json') ?? new Uint8Array());
  if (!cases.ok) return exactText(cases);
  const vector = cases.value[index];
  return exactText(vector === undefined ? 'no such case' : runConformanceCase(vector, readFile));
}

function bytesOf(base64: string): Uint8Array {
  const bytes = parseBase64(base64);
  if (bytes === undefined) throw new Error('not base64');
  return bytes;
}

/** JSON in which bytes, big integers, maps, sets and undefined members show as what they are. */
function exactText(value: unknown): string {
  const replace = (_key: string, member: unknown): unknown => {
    if (member === undefined) return { undefined: true };
    if (typeof member === 'bigint') return { bigint: member.toString() };
    if (member instanceof Uint8Array) return { bytes: toHex(member) };
    if (member instanceof Map) return { map: [...member] };
    if (member instanceof Set) return { set: [...member] };
    return member;
  };
  return JSON.stringify(value, replace, 1);
}
