/** Every fuzzing target by the name of its format. */
import { createEndorsementCache } from '../../src/index.ts';
import { intelTarget } from './intel-subjects.ts';
import { nitroTarget } from './nitro-subjects.ts';
import { snpTarget } from './snp-subjects.ts';
import type { Target } from './target.ts';

export const FUZZED_FORMATS = ['sgx', 'tdx', 'sev-snp', 'nitro'] as const;

export type FuzzedFormat = (typeof FUZZED_FORMATS)[number];

export function isFuzzedFormat(name: string): name is FuzzedFormat {
  return FUZZED_FORMATS.some((format) => format === name);
}

/** Makes a target with a cache of its own. */
export function makeTarget(format: FuzzedFormat): Target {
  switch (format) {
    case 'sgx':
    case 'tdx':
      return intelTarget(format, createEndorsementCache());
    case 'sev-snp':
      return snpTarget(createEndorsementCache());
    case 'nitro':
      return nitroTarget(createEndorsementCache());
  }
}
