/** `cloister attest verify`: evidence of any format, found by its bytes, without a network and without a node. */
import {
  type AppraisalPolicy,
  CONFORMANCE_REQUIREMENTS,
  checkBundleBinding,
  type EvidenceBundle,
  type EvidenceEndorsements,
  type EvidenceRequirements,
  type EvidenceVerdict,
  type IntelTcbStatus,
  isIntelTcbStatus,
  policyDigest,
  softwareOf,
  type TrustAnchors,
  VENDOR_ANCHORS,
  type VerifiedEvidence,
  verifyEvidence,
} from '@cloister/attestation';
import { type JsonValue, ZERO_DIGEST } from '@cloister/encoding';
import { type CliCommand, type Invocation, listFlag, positional, textFlag, UsageError } from '../command.ts';
import {
  ENDORSEMENT_FLAGS,
  instantOf,
  POLICY_FLAGS,
  readEvidenceFile,
  readGenesisFile,
  readPolicy,
} from './attest-files.ts';

/** Members of a policy that are about an attestation on a ledger, or about several, and not about a file. */
const NOT_OF_A_FILE: readonly (keyof AppraisalPolicy)[] = [
  'maxAgeBlocks',
  'refreshWindowBlocks',
  'nonceWindowBlocks',
  'minimumDistinctPlatforms',
];

function statusesOf(words: readonly string[]): readonly IntelTcbStatus[] {
  const statuses = words.filter(isIntelTcbStatus);
  if (statuses.length !== words.length) throw new UsageError('--accept-status is a TCB status such as UpToDate');
  return statuses.length === 0 ? ['UpToDate'] : statuses;
}

type Rules = {
  readonly trustAnchors: TrustAnchors;
  readonly requirements: EvidenceRequirements;
  /** Undefined: the default requirements, which are nobody's policy. */
  readonly policy: AppraisalPolicy | undefined;
};

/** By which rules: a policy, that of a genesis, or genuine and of an accepted status. */
async function rulesOf(invocation: Invocation, { crls }: EvidenceEndorsements): Promise<Rules> {
  const [policyPath, genesisPath] = [textFlag(invocation, 'policy'), textFlag(invocation, 'genesis')];
  const words = listFlag(invocation, 'accept-status');
  const genesis = genesisPath === undefined ? undefined : (await readGenesisFile(genesisPath)).genesis;
  const trustAnchors = genesis?.trustAnchors ?? VENDOR_ANCHORS;
  const policy = policyPath === undefined ? genesis?.appraisalPolicy : await readPolicy(policyPath);
  if (policy !== undefined) {
    if (words.length > 0) throw new UsageError('--accept-status is part of a policy where one is given');
    return { trustAnchors, requirements: policy, policy };
  }
  const { sevSnp } = CONFORMANCE_REQUIREMENTS;
  const requirements = {
    ...CONFORMANCE_REQUIREMENTS,
    acceptedStatuses: statusesOf(words),
    sevSnp: sevSnp === null ? null : { ...sevSnp, requireCrl: crls.length > 0 },
  };
  return { trustAnchors, requirements, policy };
}

export const attestVerify: CliCommand = {
  name: 'attest verify',
  summary: "Verify a quote, report, document or bundle against its vendor's roots; exit 3 when it does not stand.",
  usage:
    '<file> [--endorsements FILE…] [--certificate FILE…] [--crl FILE…] [--policy FILE | --accept-status STATUS…] [--genesis FILE] [--at TIME]',
  flags: {
    ...ENDORSEMENT_FLAGS,
    ...POLICY_FLAGS,
    'accept-status': {
      type: 'string',
      multiple: true,
      value: 'STATUS',
      about: 'TCB status of Intel platforms that is accepted where no policy says; UpToDate.',
    },
  },
  positionals: { min: 1, max: 1 },
  chain: 'never',
  async run(invocation) {
    const atMs = instantOf(textFlag(invocation, 'at'));
    const { evidence, endorsements, bundle } = await readEvidenceFile(invocation, positional(invocation, 0));
    const rules = await rulesOf(invocation, endorsements);
    const verdict = withBinding(verifyEvidence({ evidence, endorsements, ...rules, atMs }), bundle);
    const account = accountOf(verdict, endorsements, rules, atMs);
    invocation.output.result(account.json, account.lines.join('\n'));
    return verdict.refusal === undefined ? 0 : 3;
  },
};

type Refusal = { readonly code: string; readonly detail: string | undefined };
type Verdict = Omit<EvidenceVerdict, 'refusal'> & { readonly refusal: Refusal | undefined };

/** The step by which a bundle's runtime data belongs to its evidence. */
function withBinding(verdict: EvidenceVerdict, bundle: EvidenceBundle | undefined): Verdict {
  if (bundle === undefined) return verdict;
  const bound = verdict.refusal === undefined ? checkBundleBinding(bundle) : undefined;
  const outcome = bound === undefined ? 'not-reached' : bound.ok ? 'passed' : 'failed';
  const claim = 'the evidence binds the runtime data and the image that the bundle names';
  const steps = [...verdict.steps, { name: 'runtime-data', claim, outcome } as const];
  if (bound === undefined || bound.ok) return { ...verdict, steps };
  return { ...verdict, steps, refusal: { code: bound.code, detail: bound.detail } };
}

type StepOutcome = 'passed' | 'failed' | 'not-reached' | 'skipped';

const MARKS: Readonly<Record<StepOutcome, string>> = {
  passed: 'passed ',
  failed: 'FAILED ',
  'not-reached': '   -   ',
  skipped: 'SKIPPED',
};

/** The verdict for programs and for people. */
function accountOf(
  verdict: Verdict,
  endorsements: EvidenceEndorsements,
  { trustAnchors: { simulated }, policy }: Rules,
  atMs: number,
): { readonly json: JsonValue; readonly lines: readonly string[] } {
  const { format = 'unknown', refusal, steps, verified } = verdict;
  const at = new Date(atMs).toISOString();
  // AMD publishes no levels: a status of its platforms comes from a policy alone.
  const status = format === 'sev-snp' && policy === undefined ? undefined : verdict.status;
  const isUnchecked = format === 'sev-snp' && endorsements.crls.length === 0;
  const evidence: JsonValue = verified === undefined ? null : JSON.parse(JSON.stringify(verified.value, toPlain));
  const software = verified === undefined ? undefined : softwareShown(verified);
  const { code = '', detail = '' } = refusal ?? {};
  const revocation = isUnchecked ? 'NOT CHECKED: no revocation list given' : 'checked';
  const accounts = steps.map((step) => {
    const isSkipped = isUnchecked && step.name === 'revocation' && step.outcome === 'passed';
    const outcome: StepOutcome = isSkipped ? 'skipped' : step.outcome;
    return { ...step, outcome };
  });
  const notJudged = policy === undefined ? [] : NOT_OF_A_FILE.map((name) => `${name} ${policy[name]}`);
  const json: JsonValue = {
    verified: refusal === undefined,
    format,
    at,
    simulated,
    policy: policy === undefined ? null : policyDigest(policy),
    ...(refusal === undefined ? {} : { code, detail }),
    ...(status === undefined ? {} : { status }),
    ...(format === 'nitro' || verified === undefined ? {} : { revocation }),
    ...(policy === undefined ? {} : { notJudged }),
    ...(software === undefined ? {} : { software }),
    steps: accounts,
    evidence,
  };
  const lines = [
    ...(simulated ? ['SIMULATED trust anchors: whatever follows proves nothing'] : []),
    `${format} evidence, judged at ${at}`,
    ...(policy === undefined ? [] : [`by the appraisal policy ${policyDigest(policy)}`]),
    ...accounts.map(({ outcome, claim }) => `  ${MARKS[outcome]}  ${claim}`),
    ...(status === undefined ? [] : [`TCB status: ${status}`]),
    ...(policy === undefined
      ? []
      : [`not to be judged by a file: ${notJudged.join(', ')}, and which software is allowed`]),
    ...(software === undefined ? [] : [`measurement: ${software.measurement}`, `image:       ${software.image}`]),
    refusal === undefined ? `verified${simulated ? ' (SIMULATED)' : ''}` : `refused: ${code} ${detail}`.trimEnd(),
    ...(refusal === undefined && isUnchecked ? [`revocation: ${revocation}`] : []),
    ...(refusal === undefined ? [JSON.stringify(evidence, null, 2)] : []),
  ];
  return { json, lines };
}

/** What a reference value would name. A Nitro document has its image digest in a register, which shows nobody its contents. */
function softwareShown(verified: VerifiedEvidence): { readonly measurement: string; readonly image: string } {
  const { measurement, imageFor } = softwareOf(verified);
  if (verified.format === 'nitro') return { measurement, image: 'extended into PCR16' };
  return { measurement, image: imageFor(ZERO_DIGEST) ?? 'none: the field holds something else' };
}

/** Left out of accounts: raw forms of what is spelled out beside them. */
const RAW_MEMBERS: readonly string[] = ['bytes', 'signed', 'certificationData', 'certificate', 'caBundle'];

function toPlain(key: string, value: unknown): unknown {
  if (RAW_MEMBERS.includes(key)) return undefined;
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (value instanceof Map) return Object.fromEntries(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}
