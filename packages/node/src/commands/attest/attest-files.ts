/** Files that the attestation commands are given: evidence, endorsements, policies, genesis files. */
import { readFile } from 'node:fs/promises';
import {
  type AppraisalPolicy,
  appraisalPolicyFromJson,
  decodeEvidenceBundle,
  type EvidenceBundle,
  type EvidenceEndorsements,
  evidenceEndorsementsOf,
  readEndorsementFiles,
} from '@cloister/attestation';
import { parseJson } from '@cloister/encoding';
import { type ParsedGenesis, parseGenesis } from '@cloister/ledger';
import { type Flag, type Invocation, listFlag, UsageError } from '../command.ts';

const MAX_POLICY_BYTES = 1024 * 1024;

export const ENDORSEMENT_FLAGS: { readonly [name: string]: Flag } = {
  endorsements: {
    type: 'string',
    multiple: true,
    value: 'FILE',
    about: 'Intel collateral in JSON, certificates and revocation lists in DER or PEM.',
  },
  certificate: {
    type: 'string',
    multiple: true,
    value: 'FILE',
    about: 'VCEK or VLEK, ASK or ASVK, ARK; DER or PEM.',
  },
  crl: { type: 'string', multiple: true, value: 'FILE', about: "AMD's revocation list of the product line." },
};

export const POLICY_FLAGS: { readonly [name: string]: Flag } = {
  policy: { type: 'string', value: 'FILE', about: 'Appraisal policy in JSON.' },
  genesis: {
    type: 'string',
    value: 'FILE',
    about: 'Genesis whose trust anchors, and policy where none is given, are used; needed for SIMULATED evidence.',
  },
  at: { type: 'string', value: 'TIME', about: 'Instant of the appraisal, ISO 8601; now.' },
};

export async function readFileBytes(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path));
}

export async function readEndorsements(paths: readonly string[]): Promise<EvidenceEndorsements> {
  const endorsements = readEndorsementFiles(await Promise.all(paths.map(readFileBytes)));
  if (!endorsements.ok) {
    const index = Number(/^file (\d+)$/.exec(endorsements.detail ?? '')?.[1] ?? 0) - 1;
    const where = paths[index] ?? endorsements.detail ?? '';
    throw new UsageError(`endorsements: ${endorsements.code} ${where}: give DER, PEM or Intel collateral in JSON`);
  }
  return endorsements.value;
}

export type GivenEvidence = {
  readonly evidence: Uint8Array;
  readonly endorsements: EvidenceEndorsements;
  /** The bundle, if the file holds a whole one as the ledger does. */
  readonly bundle: EvidenceBundle | undefined;
};

/** Raw evidence, or a bundle with its endorsements, in whose place those of `ENDORSEMENT_FLAGS` stand when there are any. */
export async function readEvidenceFile(invocation: Invocation, path: string): Promise<GivenEvidence> {
  const files = Object.keys(ENDORSEMENT_FLAGS).flatMap((name) => listFlag(invocation, name));
  const given = await readEndorsements(files);
  const bytes = await readFileBytes(path);
  const decoded = decodeEvidenceBundle(bytes);
  if (!decoded.ok) return { evidence: bytes, endorsements: given, bundle: undefined };
  const bundle = decoded.value;
  const endorsements = files.length === 0 ? evidenceEndorsementsOf(bundle.endorsements) : given;
  return { evidence: bundle.evidence.report, endorsements, bundle };
}

export function instantOf(text: string | undefined): number {
  const atMs = text === undefined ? Date.now() : Date.parse(text);
  if (Number.isNaN(atMs)) throw new UsageError('--at is an instant such as 2026-01-31T00:00:00Z');
  return atMs;
}

/** A policy, or why the file holds none. */
export type PolicyFile =
  | { readonly ok: true; readonly policy: AppraisalPolicy }
  | { readonly ok: false; readonly code: string; readonly detail: string };

export async function readPolicyFile(path: string): Promise<PolicyFile> {
  const json = parseJson(await readFileBytes(path), { maxBytes: MAX_POLICY_BYTES, maxDepth: 8 });
  if (!json.ok) return { ok: false, code: json.code, detail: json.detail ?? '' };
  const policy = appraisalPolicyFromJson(json.value);
  return policy.ok ? { ok: true, policy: policy.value } : { ok: false, code: policy.code, detail: policy.detail ?? '' };
}

/** @throws UsageError for a file that holds no policy. */
export async function readPolicy(path: string): Promise<AppraisalPolicy> {
  const read = await readPolicyFile(path);
  if (!read.ok) throw new UsageError(`${path} is no appraisal policy: ${read.code} ${read.detail}`.trimEnd());
  return read.policy;
}

/** @throws UsageError for a file that is no genesis. */
export async function readGenesisFile(path: string): Promise<ParsedGenesis> {
  const parsed = parseGenesis(await readFileBytes(path));
  if (!parsed.ok) throw new UsageError(`${path} is no genesis: ${parsed.code} ${parsed.detail ?? ''}`.trimEnd());
  return parsed.value;
}
