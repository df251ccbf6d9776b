/** `cloister policy propose`, `measurement` and `endorsements`: what changes by which rules a network takes evidence. */
import {
  appraisalPolicyToJson,
  type Endorsements,
  type EvidenceEndorsements,
  encodeEndorsements,
  endorsementsOfCollateral,
  PLATFORMS,
  policyDigest,
  verifyEndorsements,
} from '@cloister/attestation';
import type { GovernedTransaction } from '@cloister/client';
import { asHeight, parseDigest, parseMeasurement, toBase64 } from '@cloister/encoding';
import type { EndorsedPlatform, SetMeasurementPayload } from '@cloister/ledger';
import { readEndorsements, readPolicy } from '../attest/attest-files.ts';
import { type CliCommand, type Invocation, numberFlag, positional, requiredFlag, UsageError } from '../command.ts';
import { CLIENT_FLAGS, connectClient, operatorApi } from '../network/connect.ts';
import { readRules } from './network-rules.ts';

type Proposed = GovernedTransaction<'set-policy'> | GovernedTransaction<'set-measurement'>;

/** How far a proposal is, in one line. */
function describe({ event, height, transaction }: Proposed): string {
  const where = `in block ${height}, transaction ${transaction}`;
  switch (event.type) {
    case 'GovernanceApproved':
      return `approved by ${event.approvals} of ${event.threshold}, ${where}; lapses after block ${event.lapsesHeight}`;
    case 'AppraisalPolicyScheduled': {
      const from =
        event.effectiveHeight === event.height ? 'in force at once' : `from block ${event.effectiveHeight} on`;
      const looser = event.loosenings.length === 0 ? 'loosens nothing' : `loosens ${event.loosenings.join(', ')}`;
      return `carried ${where}: ${from}; ${looser}`;
    }
    case 'MeasurementAllowed':
      return `carried ${where}: allowed from block ${event.effectiveHeight} on`;
    case 'MeasurementGraced':
      return `carried ${where}: counts until block ${event.graceUntilHeight}`;
    case 'MeasurementRevoked':
      return `carried ${where}: revoked`;
  }
}

function report({ output }: Invocation, done: Proposed, members: { readonly [name: string]: string } = {}): void {
  const { transaction, height, sequence, event } = done;
  output.result(
    {
      ...members,
      transaction,
      height,
      sequence,
      event: event.type,
      carried: event.type !== 'GovernanceApproved',
    },
    describe(done),
  );
}

export const policyPropose: CliCommand = {
  name: 'policy propose',
  summary: 'Approve a policy as a member of governance; it is carried by the approval that reaches the threshold.',
  usage: '<file> --key NAME',
  flags: CLIENT_FLAGS,
  positionals: { min: 1, max: 1 },
  chain: 'always',
  async run(invocation) {
    const policy = await readPolicy(positional(invocation, 0));
    const { client } = await connectClient(invocation);
    const done = await client.submitGoverned('set-policy', { policy: appraisalPolicyToJson(policy) });
    report(invocation, done, { policyDigest: policyDigest(policy) });
    return 0;
  },
};

const STATUS_OF = { allow: 'allowed', grace: 'grace-until', revoke: 'revoked' } as const;

function measurementPayload(invocation: Invocation): SetMeasurementPayload {
  const word = positional(invocation, 0);
  if (!Object.hasOwn(STATUS_OF, word)) throw new UsageError('say allow, grace or revoke');
  const status = STATUS_OF[word as keyof typeof STATUS_OF];
  const platform = PLATFORMS.find((name) => name === requiredFlag(invocation, 'platform'));
  if (platform === undefined) throw new UsageError(`--platform is one of ${PLATFORMS.join(', ')}`);
  const measurement = parseMeasurement(requiredFlag(invocation, 'measurement'));
  if (measurement === undefined) throw new UsageError('--measurement is 96 lower-case hexadecimal digits');
  const image = parseDigest(requiredFlag(invocation, 'image'));
  if (image === undefined) throw new UsageError('--image is 64 lower-case hexadecimal digits');
  const until = numberFlag(invocation, 'until', { min: 1, max: Number.MAX_SAFE_INTEGER });
  if ((until !== undefined) !== (status === 'grace-until')) {
    throw new UsageError('--until HEIGHT belongs to grace, which needs it');
  }
  const graceUntilHeight = until === undefined ? null : asHeight(until);
  return { platform, measurement, image, status, graceUntilHeight, name: requiredFlag(invocation, 'name') };
}

export const policyMeasurement: CliCommand = {
  name: 'policy measurement',
  summary: 'Approve that software may hold keys, may until a block, or may no longer.',
  usage: '<allow|grace|revoke> --platform P --measurement HEX --image DIGEST --name NAME [--until HEIGHT] --key NAME',
  flags: {
    ...CLIENT_FLAGS,
    platform: { type: 'string', value: 'P', about: `One of ${PLATFORMS.join(', ')}.` },
    measurement: { type: 'string', value: 'HEX', about: "Of the base, as 'enclave measure' prints it." },
    image: { type: 'string', value: 'DIGEST', about: 'Digest of the image manifest.' },
    name: { type: 'string', value: 'NAME', about: 'Name of the software; the same in every approval.' },
    until: { type: 'string', value: 'HEIGHT', about: 'Last block at which software in grace counts.' },
  },
  positionals: { min: 1, max: 1 },
  chain: 'always',
  async run(invocation) {
    const payload = measurementPayload(invocation);
    const { client } = await connectClient(invocation);
    report(invocation, await client.submitGoverned('set-measurement', payload));
    return 0;
  },
};

const ENDORSED: readonly EndorsedPlatform[] = ['sev-snp', 'sgx', 'tdx'];

/** The form that stands alone: AMD's lists with their root, Intel's collateral with the issuer of PCK certificates. */
export function standAloneEndorsements(platform: EndorsedPlatform, files: EvidenceEndorsements): Endorsements {
  const { certificates, crls, collateral } = files;
  if (platform === 'sev-snp') return { certificates, crls };
  const made = endorsementsOfCollateral(collateral ?? {});
  const issuer = collateral?.pckCrlIssuerChain?.[0];
  if (!made.ok || issuer === undefined) {
    const code = made.ok ? 'COLLATERAL_INCOMPLETE' : made.code;
    throw new UsageError(`${code}: TCB info, QE identity, both revocation lists and their chains belong in one file`);
  }
  return { ...made.value, certificates: [...made.value.certificates, issuer] };
}

export const policyEndorsements: CliCommand = {
  name: 'policy endorsements',
  summary: "Hand in newer endorsements of a vendor; exit 3 when they do not stand by the network's anchors.",
  usage: '<file>… --platform P --key NAME',
  flags: {
    ...CLIENT_FLAGS,
    platform: { type: 'string', value: 'P', about: `One of ${ENDORSED.join(', ')}.` },
  },
  positionals: { min: 1, max: 8 },
  chain: 'always',
  async run(invocation) {
    const platform = ENDORSED.find((name) => name === requiredFlag(invocation, 'platform'));
    if (platform === undefined) throw new UsageError(`--platform is one of ${ENDORSED.join(', ')}`);
    const endorsements = standAloneEndorsements(platform, await readEndorsements(invocation.positionals));
    const { trustAnchors, atMs } = await readRules(invocation.output, await operatorApi(invocation));
    const verified = verifyEndorsements({ platform, endorsements, trustAnchors, atMs });
    if (!verified.ok) {
      const { code, detail = '' } = verified;
      invocation.output.result({ accepted: false, code, detail }, `refused here: ${code} ${detail}`.trimEnd());
      return 3;
    }
    const { client } = await connectClient(invocation);
    const { transaction, height, sequence, event } = await client.submitGoverned('submit-endorsements', {
      platform,
      endorsements: toBase64(encodeEndorsements(endorsements)),
    });
    const { crls, statements } = event;
    const names = statements.map(({ name }) => name).join(', ');
    const text = `accepted in block ${height}, transaction ${transaction}: ${crls.length} revocation lists${names === '' ? '' : `, ${names}`}`;
    invocation.output.result(
      {
        accepted: true,
        transaction,
        height,
        sequence,
        crls: crls.length,
        statements: statements.map(({ name }) => name),
      },
      text,
    );
    return 0;
  },
};
