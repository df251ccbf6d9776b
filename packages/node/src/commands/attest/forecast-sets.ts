/** The TCB sets to forecast against: from files, or asked of the vendor. */
import {
  detectEvidenceFormat,
  type Endorsements,
  type Evidence,
  type EvidenceEndorsements,
  endorsementsAbout,
  evidenceEndorsementsOf,
  type ForecastInput,
  type TrustAnchors,
} from '@cloister/attestation';
import { EndorsementSource, EndorsementStore, httpsFetcher, serviceHosts } from '@cloister/platform/attesters';
import { endorsementOptions } from '../../attest/enclave-launch.ts';
import { loadConfig } from '../../config/config.ts';
import { codeOf, messageOf } from '../../process/errors.ts';
import { homeLayout } from '../../process/home.ts';
import { type Flag, type Invocation, listFlag, UsageError } from '../command.ts';
import { readEndorsements } from './attest-files.ts';

const UPDATES = ['standard', 'early'] as const;
type Update = (typeof UPDATES)[number];

export const SET_FLAGS: { readonly [name: string]: Flag } = {
  standard: {
    type: 'string',
    multiple: true,
    value: 'FILE',
    about: 'Intel collateral of the standard TCB set, in JSON.',
  },
  early: { type: 'string', multiple: true, value: 'FILE', about: 'Intel collateral of the early TCB set, in JSON.' },
  fetch: { type: 'boolean', about: 'Ask Intel for both sets of platforms that no file is about.' },
};

export type Alternatives = NonNullable<ForecastInput['alternatives']>;

/** Where endorsements of one set are had: `EndorsementSource`. */
export type SetSource = {
  endorsementsFor(evidence: Evidence, nowMs: number): Promise<{ readonly endorsements: Endorsements }>;
};

/** Sets for evidence, and in words what could not be had. */
export type SetFinder = (
  evidence: Uint8Array,
  nowMs: number,
) => Promise<{ readonly alternatives: Alternatives; readonly missing: readonly string[] }>;

/** `sources` are asked only for what no file is about. */
export function setFinder(
  files: Readonly<Record<Update, readonly EvidenceEndorsements[]>>,
  sources: Readonly<Record<Update, SetSource>> | undefined,
): SetFinder {
  return async (evidence, nowMs) => {
    const platform = detectEvidenceFormat(evidence);
    const alternatives: Alternatives[number][] = [];
    const missing: string[] = [];
    if (platform !== 'sgx' && platform !== 'tdx') return { alternatives, missing };
    for (const set of UPDATES) {
      const given = endorsementsAbout(evidence, files[set]);
      if (given !== undefined) alternatives.push({ set, endorsements: given });
      else if (sources === undefined) {
        if (files[set].length > 0) missing.push(`${set} set: no file is about this platform`);
      } else {
        try {
          const { endorsements } = await sources[set].endorsementsFor({ platform, report: evidence }, nowMs);
          alternatives.push({ set, endorsements: evidenceEndorsementsOf(endorsements) });
        } catch (error) {
          missing.push(`${set} set: ${codeOf(error)} ${messageOf(error)}`);
        }
      }
    }
    return { alternatives, missing };
  };
}

/** The sets that an invocation names. */
export async function setsOf(invocation: Invocation, trustAnchors: TrustAnchors): Promise<SetFinder> {
  const read = (name: Update) => Promise.all(listFlag(invocation, name).map((path) => readEndorsements([path])));
  const files = { standard: await read('standard'), early: await read('early') };
  if (invocation.flags.fetch !== true) return setFinder(files, undefined);
  if (trustAnchors.simulated) throw new UsageError('--fetch asks Intel, who knows nothing of SIMULATED platforms');
  const layout = homeLayout(invocation.home);
  const { config } = await loadConfig({ file: layout.configFile, environment: process.env });
  const { directory, services } = endorsementOptions(layout, config);
  const store = new EndorsementStore(directory);
  const fetcher = httpsFetcher({ hosts: serviceHosts(services) });
  const source = (intelUpdate: Update): SetSource =>
    new EndorsementSource({ store, fetcher, services, trustAnchors, intelUpdate });
  return setFinder(files, { standard: source('standard'), early: source('early') });
}
