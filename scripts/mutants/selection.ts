/** Which checks a short run takes: those of the files that differ from the last commit, or a sample of all. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { ASKED, planOf, ROOT } from './plan.ts';

/** The empty text where there is no repository: in an archive of the sources. */
function git(...args: readonly string[]): string {
  try {
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

/** Sources of deciding packages that differ from the last commit, or are new. */
export function changedFiles(): readonly string[] {
  const names = [git('diff', '--name-only', 'HEAD'), git('ls-files', '--others', '--exclude-standard')].join('\n');
  return names.split('\n').filter((name) => {
    const [folder, owner, src] = name.split('/');
    return folder === 'packages' && src === 'src' && owner !== undefined && owner in ASKED && name.endsWith('.ts');
  });
}

/** Packages whose own tests come to their end within a short run. */
const QUICK_PACKAGES = ['confidential', 'event-log', 'ledger', 'proof'] as const;

export interface Sample {
  readonly packages: readonly string[];
  readonly files: readonly string[];
  takes(id: number, of: number): boolean;
}

/**
 * A sample of about `size` checks: of the files given, or of a file of one package with quick tests. The last commit's digest says which,
 * so that a failure is found again by running again, and each commit looks elsewhere.
 */
export function sampleOf(size: number, files: readonly string[]): Sample {
  const seed = createHash('sha256').update(git('rev-parse', 'HEAD')).digest();
  if (files.length > 0) {
    const owners = [...new Set(files.map((file) => file.split('/')[1] ?? ''))];
    return { packages: owners, files, takes: (id, of) => (id + seed.readUInt8(0)) % Math.ceil(of / size) === 0 };
  }
  const name = QUICK_PACKAGES[seed.readUInt32BE(0) % QUICK_PACKAGES.length] ?? QUICK_PACKAGES[0];
  const all = planOf([name], { files: [], tests: [], own: true });
  const names = Object.keys(all.sources);
  const file = names[seed.readUInt32BE(4) % names.length] ?? '';
  return { packages: [name], files: [file.slice(ROOT.length)], takes: (id) => id < size };
}
