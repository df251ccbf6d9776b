/**
 * What of a process can be seen from outside it: what tests list of platform, vault and engine.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface Surface {
  /** What each open descriptor leads to. */
  readonly descriptors: readonly string[];
  /** Names of the environment. */
  readonly environment: readonly string[];
  readonly workingFolder: string;
  /** Files whose contents are mapped. */
  readonly mapped: readonly string[];
  readonly coreBytesMax: string;
  readonly fileBytesMax: string;
  readonly descriptorsMax: string;
}

export async function surfaceOf(pid: number): Promise<Surface> {
  const directory = `/proc/${pid}`;
  const names = await readdir(`${directory}/fd`);
  const program = await readlink(`${directory}/exe`);
  const descriptors = await Promise.all(names.map((name) => targetOf(directory, name, program)));
  const environment = (await readFile(`${directory}/environ`, 'latin1')).split('\0').filter(Boolean);
  const maps = (await readFile(`${directory}/maps`, 'latin1')).split('\n');
  const limits = await readFile(`${directory}/limits`, 'latin1');
  const limit = (name: string): string => new RegExp(`^Max ${name}\\s+\\S+\\s+(\\S+)`, 'm').exec(limits)?.[1] ?? '';
  return {
    descriptors: descriptors.filter((target) => target !== ''),
    environment: environment.map((entry) => entry.split('=')[0] ?? '').sort(),
    workingFolder: await readlink(`${directory}/cwd`),
    mapped: [...new Set(maps.flatMap((line) => /\s(\/.*)$/.exec(line)?.[1] ?? []))],
    coreBytesMax: limit('core file size'),
    fileBytesMax: limit('file size'),
    descriptorsMax: limit('open files'),
  };
}

/** Empty for a descriptor that was closed meanwhile, and for the own program, which Node.js reads for a moment as it starts. */
async function targetOf(directory: string, name: string, program: string): Promise<string> {
  try {
    const target = await readlink(`${directory}/fd/${name}`);
    if (target !== program) return target;
    const flags = /^flags:\s+(\d+)/m.exec(await readFile(`${directory}/fdinfo/${name}`, 'latin1'))?.[1];
    const isReadOnly = flags !== undefined && (Number.parseInt(flags, 8) & 0o3) === 0;
    return isReadOnly ? '' : target;
  } catch {
    return '';
  }
}

/** Processes below one, parents first. */
export async function descendants(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1');
  const children = text.split(' ').filter(Boolean).map(Number);
  return (await Promise.all(children.map(async (child) => [child, ...(await descendants(child))]))).flat();
}

/** What a platform, a vault or an engine may have open; sockets are counted by whoever knows how many there are. */
export const OWN_TARGET: RegExp = /^(socket:|pipe:|anon_inode:|\/dev\/null$|\/memfd:)/;
/** What they may have mapped: Node.js, libraries of the system, sealed memory. */
export const OWN_MAPPING: RegExp =
  /^(\/(usr\/)?lib(64)?\/|\/memfd:|\/node$|\/etc\/ld\.so\.cache$|\/anon_hugepage|\/dev\/zero)|\/bin\/node$|\/bwrap$/;
