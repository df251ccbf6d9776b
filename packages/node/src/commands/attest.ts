/** `cloister attest verify` and `cloister attest conformance`: evidence of any format, without a network and without a node. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  CONFORMANCE_INTEL_REQUIREMENTS,
  CONFORMANCE_SNP_REQUIREMENTS,
  type EvidenceEndorsements,
  type EvidenceVerdict,
  type IntelTcbStatus,
  isIntelTcbStatus,
  parseConformanceManifest,
  readEndorsementFiles,
  runConformanceCase,
  VENDOR_ANCHORS,
  verifyEvidence,
} from '@cloister/attestation';
import type { JsonValue } from '@cloister/crypto';
import { type Command, listFlag, positional, textFlag, UsageError } from './command.ts';

async function readBytes(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path));
}

async function readEndorsements(paths: readonly string[]): Promise<EvidenceEndorsements> {
  const endorsements = readEndorsementFiles(await Promise.all(paths.map(readBytes)));
  if (!endorsements.ok) {
    const index = Number(/^file (\d+)$/.exec(endorsements.detail ?? '')?.[1] ?? 0) - 1;
    const where = paths[index] ?? endorsements.detail ?? '';
    throw new UsageError(`endorsements: ${endorsements.code} ${where}: give DER, PEM or Intel collateral in JSON`);
  }
  return endorsements.value;
}

function instantOf(text: string | undefined): number {
  const atMs = text === undefined ? Date.now() : Date.parse(text);
  if (Number.isNaN(atMs)) throw new UsageError('--at is an instant such as 2026-01-31T00:00:00Z');
  return atMs;
}

function statusesOf(words: readonly string[]): readonly IntelTcbStatus[] {
  const statuses = words.filter(isIntelTcbStatus);
  if (statuses.length !== words.length) throw new UsageError('--accept-status is a TCB status such as UpToDate');
  return statuses.length === 0 ? ['UpToDate'] : statuses;
}

export const attestVerify: Command = {
  name: 'attest verify',
  summary: "Verify a quote, report or document against its vendor's roots; exit 3 when it does not stand.",
  usage: '<file> [--endorsements FILE…] [--certificate FILE…] [--crl FILE…] [--accept-status STATUS…] [--at TIME]',
  flags: {
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
    'accept-status': {
      type: 'string',
      multiple: true,
      value: 'STATUS',
      about: 'TCB status of Intel platforms that is accepted; UpToDate.',
    },
    at: { type: 'string', value: 'TIME', about: 'Instant of the appraisal, ISO 8601; now.' },
  },
  positionals: { min: 1, max: 1 },
  async run(invocation) {
    const atMs = instantOf(textFlag(invocation, 'at'));
    const acceptedStatuses = statusesOf(listFlag(invocation, 'accept-status'));
    const files = ['endorsements', 'certificate', 'crl'].flatMap((name) => listFlag(invocation, name));
    const endorsements = await readEndorsements(files);
    const verdict = verifyEvidence({
      evidence: await readBytes(positional(invocation, 0)),
      endorsements,
      requirements: {
        sevSnp: { ...CONFORMANCE_SNP_REQUIREMENTS, requireCrl: endorsements.crls.length > 0 },
        intel: { ...CONFORMANCE_INTEL_REQUIREMENTS, acceptedStatuses },
      },
      trustAnchors: VENDOR_ANCHORS,
      atMs,
    });
    const account = accountOf(verdict, endorsements, atMs);
    invocation.output.result(account.json, account.lines.join('\n'));
    return verdict.refusal === undefined ? 0 : 3;
  },
};

type StepOutcome = 'passed' | 'failed' | 'not-reached' | 'skipped';

const MARKS: Readonly<Record<StepOutcome, string>> = {
  passed: 'passed ',
  failed: 'FAILED ',
  'not-reached': '   -   ',
  skipped: 'SKIPPED',
};

/** The verdict for programs and for people. */
function accountOf(
  verdict: EvidenceVerdict,
  endorsements: EvidenceEndorsements,
  atMs: number,
): { readonly json: JsonValue; readonly lines: readonly string[] } {
  const { format = 'unknown', refusal, steps, verified } = verdict;
  const at = new Date(atMs).toISOString();
  // AMD publishes no levels: a status of its platforms comes from a policy, of which there is none here.
  const status = format === 'sev-snp' ? undefined : verdict.status;
  const isUnchecked = format === 'sev-snp' && endorsements.crls.length === 0;
  const evidence: JsonValue = verified === undefined ? null : JSON.parse(JSON.stringify(verified.value, toPlain));
  const { code = '', detail = '' } = refusal ?? {};
  const revocation = isUnchecked ? 'NOT CHECKED: no revocation list given' : 'checked';
  const accounts = steps.map((step) => {
    const isSkipped = isUnchecked && step.name === 'revocation' && step.outcome === 'passed';
    const outcome: StepOutcome = isSkipped ? 'skipped' : step.outcome;
    return { ...step, outcome };
  });
  const json: JsonValue = {
    verified: refusal === undefined,
    format,
    at,
    ...(refusal === undefined ? {} : { code, detail }),
    ...(status === undefined ? {} : { status }),
    ...(format === 'nitro' || verified === undefined ? {} : { revocation }),
    steps: accounts,
    evidence,
  };
  const lines = [
    `${format} evidence, judged at ${at}`,
    ...accounts.map(({ outcome, claim }) => `  ${MARKS[outcome]}  ${claim}`),
    ...(status === undefined ? [] : [`TCB status: ${status}`]),
    refusal === undefined ? 'verified' : `refused: ${code} ${detail}`.trimEnd(),
    ...(refusal === undefined && isUnchecked ? [`revocation: ${revocation}`] : []),
    ...(refusal === undefined ? [JSON.stringify(evidence, null, 2)] : []),
  ];
  return { json, lines };
}

/** Left out of accounts: raw forms of what is spelled out beside them. */
const RAW_MEMBERS: readonly string[] = ['bytes', 'signed', 'certificationData', 'certificate', 'caBundle'];

function toPlain(key: string, value: unknown): unknown {
  if (RAW_MEMBERS.includes(key)) return undefined;
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (value instanceof Map) return Object.fromEntries(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

export const attestConformance: Command = {
  name: 'attest conformance',
  summary: 'Run every case of a conformance manifest; exit 1 when any disagrees.',
  usage: '<manifest>',
  flags: {},
  positionals: { min: 1, max: 1 },
  async run(invocation) {
    const path = positional(invocation, 0);
    const manifest = parseConformanceManifest(await readBytes(path));
    if (!manifest.ok) throw new UsageError(`${path}: ${manifest.code} ${manifest.detail ?? ''}`.trimEnd());
    let failed = 0;
    for (const vector of manifest.value) {
      const files = 'unreadable' in vector ? new Map() : await readNamed(dirname(path), vector);
      const outcome = runConformanceCase(vector, (name) => files.get(name));
      if (outcome.agrees) continue;
      failed++;
      const { id, verdict = null, code = null, detail = null, differences } = outcome;
      const reason = code === null ? '' : ` (${[code, detail].filter((part) => part !== null).join(' ')})`;
      invocation.output.result(
        { id, agrees: false, verdict, code, detail, differences: [...differences] },
        `${id}: ${differences.join('; ')}${reason}`,
      );
    }
    const passed = manifest.value.length - failed;
    invocation.output.result({ passed, failed }, `${passed} passed, ${failed} failed`);
    return failed === 0 ? 0 : 1;
  },
};

/** The files that a case names, without those that cannot be read. */
async function readNamed(
  directory: string,
  { evidence, endorsements }: { readonly evidence: string; readonly endorsements: readonly string[] },
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of [evidence, ...endorsements]) {
    const bytes = await readBytes(join(directory, name)).catch(() => undefined);
    if (bytes !== undefined) files.set(name, bytes);
  }
  return files;
}
