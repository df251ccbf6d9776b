/** `cloister genesis …`: makes, checks and shows a genesis. */
import { readFile, writeFile } from 'node:fs/promises';
import {
  type AppraisalPolicy,
  PLATFORMS,
  SIMULATED_ANCHORS,
  type TrustAnchors,
  trustAnchorsFromJson,
} from '@cloister/attestation';
import { simulatedAppraisalPolicy } from '@cloister/attestation/simulated';
import { type AccountId, type Measurement, parseAccountId, parseJson, parseMeasurement } from '@cloister/encoding';
import { bool, member, parseShape } from '@cloister/encoding/shape';
import {
  DEFAULT_PARAMS,
  GENESIS_SCHEMA,
  type GenesisReferenceValue,
  MAX_GENESIS_BYTES,
  makeGenesis,
  type ParsedGenesis,
  parseGenesis,
} from '@cloister/ledger';
import { type ImageInspection, inspectImage } from '@cloister/platform';
import { NodeError } from '../../process/errors.ts';
import { homeLayout } from '../../process/home.ts';
import { platformFlag, platformsGiven, simulatedMeasurements } from '../../process/platforms.ts';
import { readPolicy } from '../attest/attest-files.ts';
import { type CliCommand, type Invocation, listFlag, requiredFlag, textFlag, UsageError } from '../command.ts';

/** 'name:id' or 'name:weight:id'. */
function namedId(text: string): { name: string; id: AccountId; weight: number } {
  const parts = text.split(':');
  const id = parseAccountId(parts.at(-1));
  const weight = parts.length === 3 ? Number(parts[1]) : 1;
  if (id === undefined || parts.length < 2 || parts.length > 3 || !Number.isSafeInteger(weight) || weight < 1) {
    throw new UsageError(`'${text}' is not name:id or name:weight:id`);
  }
  return { name: String(parts[0]), id, weight };
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}

function referenceKey({ platform, measurement, image }: GenesisReferenceValue): string {
  return `${platform} ${measurement} ${image}`;
}

export type GenesisPlan = {
  readonly name: string;
  readonly timeMs: number;
  readonly validators: readonly { readonly id: AccountId; readonly name: string; readonly weight: number }[];
  readonly accounts: readonly { readonly id: AccountId; readonly name: string }[];
  readonly governance: { readonly members: readonly AccountId[]; readonly threshold: number };
  readonly images: readonly GenesisReferenceValue[];
  readonly trustAnchors?: TrustAnchors;
  readonly appraisalPolicy?: AppraisalPolicy;
};

/** A genesis, under SIMULATED trust anchors unless it names others. @throws NodeError GENESIS_INVALID */
export function planGenesis(plan: GenesisPlan): ParsedGenesis {
  const made = makeGenesis({
    schema: GENESIS_SCHEMA,
    name: plan.name,
    timeMs: plan.timeMs,
    params: DEFAULT_PARAMS,
    validators: [...plan.validators].sort(byId),
    accounts: [...plan.accounts].sort(byId),
    governance: { ...plan.governance, members: [...plan.governance.members].sort() },
    trustAnchors: plan.trustAnchors ?? SIMULATED_ANCHORS,
    referenceValues: [...plan.images].sort((a, b) => (referenceKey(a) < referenceKey(b) ? -1 : 1)),
    appraisalPolicy:
      plan.appraisalPolicy ??
      simulatedAppraisalPolicy({ maxAgeBlocks: 7_200, refreshWindowBlocks: 600, nonceWindowBlocks: 64 }),
  });
  if (!made.ok)
    throw new NodeError('GENESIS_INVALID', `${made.code}${made.detail === undefined ? '' : `: ${made.detail}`}`);
  return made.value;
}

export const genesisCreate: CliCommand = {
  name: 'genesis create',
  summary: "Make a genesis under vendors' trust anchors, or under SIMULATED ones.",
  usage:
    '--name NAME --validator name:weight:ID… --governance ID… --image DIR… [--vendor VENDOR… --base SPEC… --policy FILE | --platform PLATFORM… --policy FILE] --out FILE',
  flags: {
    name: { type: 'string', value: 'NAME', about: 'Name of the network.' },
    validator: { type: 'string', multiple: true, value: 'SPEC', about: 'name:id or name:weight:id.' },
    account: { type: 'string', multiple: true, value: 'SPEC', about: 'name:id of a tenant, owner or governor.' },
    governance: { type: 'string', multiple: true, value: 'ID', about: 'Who governs; all of them together.' },
    image: { type: 'string', multiple: true, value: 'DIR', about: 'Enclave image that is allowed from the start.' },
    platform: platformFlag('SIMULATED platform on which the images are allowed; all four: nitro, sev-snp, sgx, tdx.'),
    vendor: {
      type: 'string',
      multiple: true,
      value: 'VENDOR',
      about: 'amd, intel or aws: whose pinned roots are the trust anchors, in place of SIMULATED ones.',
    },
    base: {
      type: 'string',
      multiple: true,
      value: 'SPEC',
      about: 'platform:measurement of a base that enforces the images, as `attest verify` prints it; with --vendor.',
    },
    policy: { type: 'string', value: 'FILE', about: 'Appraisal policy in JSON; needed with --vendor.' },
    out: { type: 'string', value: 'FILE', about: 'Where to write it.' },
  },
  positionals: { min: 0, max: 0 },
  chain: 'always',
  async run(invocation) {
    const trust = await trustOf(invocation);
    const images = await Promise.all(listFlag(invocation, 'image').map(inspectWhole));
    const members = listFlag(invocation, 'governance').map((id) => parseAccountId(id) ?? invalidId(id));
    const { genesis, bytes, chainId } = planGenesis({
      name: requiredFlag(invocation, 'name'),
      timeMs: Date.now(),
      validators: listFlag(invocation, 'validator').map(namedId),
      accounts: listFlag(invocation, 'account').map((text) => {
        const { id, name } = namedId(text);
        return { id, name };
      }),
      governance: { members, threshold: members.length },
      images: images.flatMap(({ measurement, image, manifest }) => {
        const name = `${manifest.name} ${manifest.version}`;
        return trust.bases(measurement).map((one) => ({ ...one, image, name }));
      }),
      ...trust.plan,
    });
    const out = requiredFlag(invocation, 'out');
    await writeFile(out, bytes, { flag: 'wx' });
    invocation.output.ofChain(genesis.trustAnchors.simulated);
    invocation.output.result(
      { chainId, file: out, validators: genesis.validators.length },
      `genesis hash ${chainId}\nwritten to   ${out}${trust.note === '' ? '' : `\n${trust.note}`}`,
    );
    return 0;
  },
};

interface Trust {
  readonly plan: Pick<GenesisPlan, 'trustAnchors' | 'appraisalPolicy'>;
  /** Measured bases that enforce an image with this launch digest. */
  readonly bases: (launchDigest: Measurement) => readonly Pick<GenesisReferenceValue, 'platform' | 'measurement'>[];
  readonly note: string;
}

/** Vendors with measured bases and a policy of the network's own, or SIMULATED platforms, which measure the images themselves. */
async function trustOf(invocation: Invocation): Promise<Trust> {
  const vendors = listFlag(invocation, 'vendor');
  const policyFile = textFlag(invocation, 'policy');
  const appraisalPolicy = policyFile === undefined ? {} : { appraisalPolicy: await readPolicy(policyFile) };
  const bases = listFlag(invocation, 'base').map(measuredBase);
  if (vendors.length === 0) {
    if (bases.length > 0)
      throw new UsageError('--base goes with --vendor: SIMULATED platforms measure the image itself');
    const platforms = platformsGiven(invocation);
    return { plan: appraisalPolicy, bases: (digest) => simulatedMeasurements(digest, platforms), note: '' };
  }
  const trustAnchors = trustAnchorsFromJson({ simulated: false, vendors: [...vendors] });
  if (!trustAnchors.ok) throw new UsageError(`--vendor is amd, intel or aws, each once: ${trustAnchors.code}`);
  if (policyFile === undefined)
    throw new UsageError('--policy is needed with --vendor: nobody else can say what to accept');
  if (listFlag(invocation, 'platform').length > 0) throw new UsageError('--platform goes with SIMULATED trust anchors');
  const note = `trust anchors: the pinned roots of ${vendors.join(', ')}`;
  return { plan: { trustAnchors: trustAnchors.value, ...appraisalPolicy }, bases: () => bases, note };
}

/** 'platform:measurement'. */
function measuredBase(text: string): Pick<GenesisReferenceValue, 'platform' | 'measurement'> {
  const [name, hex, ...rest] = text.split(':');
  const platform = PLATFORMS.find((one) => one === name);
  const measurement = parseMeasurement(hex);
  if (platform === undefined || measurement === undefined || rest.length > 0) {
    throw new UsageError(`'${text}' is not platform:measurement (96 lower-case hexadecimal digits)`);
  }
  return { platform, measurement };
}

/** An image that is not for debugging and whose files are as its manifest says. */
async function inspectWhole(folder: string): Promise<ImageInspection> {
  const inspected = await inspectImage(folder);
  const [first] = inspected.deviations;
  if (first !== undefined) throw new NodeError('GENESIS_INVALID', `${folder}: ${first.path} is ${first.kind}`);
  if (inspected.manifest.debug) throw new NodeError('GENESIS_INVALID', `${folder}: a debug image is allowed nowhere`);
  return inspected;
}

function invalidId(text: string): never {
  throw new UsageError(`'${text}' is not an id (64 lower-case hexadecimal digits)`);
}

async function readGiven(invocation: Invocation): Promise<{ path: string; bytes: Uint8Array }> {
  const path = invocation.positionals[0] ?? homeLayout(invocation.home).genesisFile;
  try {
    return { path, bytes: await readFile(path) };
  } catch (cause) {
    throw new NodeError('GENESIS_MISSING', `cannot read ${path}`, { cause });
  }
}

export const genesisValidate: CliCommand = {
  name: 'genesis validate',
  summary: 'Check a genesis file and print its hash; exit 3 when it is refused.',
  usage: '[FILE] [--expect HASH]',
  flags: { expect: { type: 'string', value: 'HASH', about: 'The hash that it must have.' } },
  positionals: { min: 0, max: 1 },
  chain: 'sometimes',
  async run(invocation) {
    const { path, bytes } = await readGiven(invocation);
    const parsed = parseGenesis(bytes);
    if (!parsed.ok) {
      const { code, detail = '' } = parsed;
      invocation.output.result({ valid: false, code, detail }, `${path}: refused: ${code} ${detail}`.trimEnd());
      return 3;
    }
    const { chainId, genesis } = parsed.value;
    invocation.output.ofChain(genesis.trustAnchors.simulated);
    const expected = textFlag(invocation, 'expect');
    const valid = expected === undefined || expected === chainId;
    const text = valid
      ? `${path}: valid, hash ${chainId}`
      : `${path}: valid, but its hash is ${chainId}, not ${expected}`;
    invocation.output.result({ valid, chainId }, text);
    return valid ? 0 : 3;
  },
};

export const genesisShow: CliCommand = {
  name: 'genesis show',
  summary: 'Print a genesis file in readable form.',
  usage: '[FILE]',
  flags: {},
  positionals: { min: 0, max: 1 },
  chain: 'always',
  async run(invocation) {
    const { path, bytes } = await readGiven(invocation);
    const json = parseJson(bytes, { maxBytes: MAX_GENESIS_BYTES, maxDepth: 16 });
    if (!json.ok) throw new NodeError('GENESIS_INVALID', `${path}: ${json.code}`);
    const { value } = json;
    // Printed although it may be invalid; what does not say that it is real counts as simulated.
    const simulated = parseShape(member('trustAnchors', member('simulated', bool)), value);
    invocation.output.ofChain(!simulated.ok || simulated.value);
    invocation.output.result(value, JSON.stringify(value, null, 2));
    return 0;
  },
};
