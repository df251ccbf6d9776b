/**
 * LevelDB's files, checked before LevelDB sees them.
 *
 * Found by experiment with LevelDB 1.20 as classic-level builds it: a flipped byte in a table can abort the process by
 * an assertion; one in the log drops the rest of its 32 KiB block; without CURRENT a new database replaces the old; a
 * log file that is gone is not missed. The check reads what the manifest calls part of the database, and nothing else.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LevelDamage } from './level-format.ts';
import { checkLog } from './level-log.ts';
import { type LevelVersion, readLevelManifest } from './level-manifest.ts';
import { checkTable } from './level-table.ts';

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Reads and checks one file; throws `LevelDamage` that names it. */
async function checkedFile<T>(directory: string, name: string, check: (bytes: Uint8Array) => T): Promise<T> {
  const path = join(directory, name);
  try {
    return check(await readFile(path));
  } catch (error) {
    if (isMissing(error)) throw new LevelDamage(`file ${path} is gone`);
    if (error instanceof LevelDamage) throw new LevelDamage(`file ${path}: ${error.message}`);
    throw error;
  }
}

/** The version that CURRENT leads to; undefined when there is no database. Throws `LevelDamage`. */
async function currentVersion(directory: string, names: readonly string[]): Promise<LevelVersion | undefined> {
  if (!names.includes('CURRENT')) {
    const left = names.filter((name) => /^MANIFEST-|\.(ldb|log)$/.test(name));
    if (left.length === 0) return undefined;
    throw new LevelDamage(`the file CURRENT is gone, while ${left.join(', ')} exist`);
  }
  const manifest = await checkedFile(directory, 'CURRENT', (bytes) => {
    const name = /^(MANIFEST-\d+)\n$/.exec(new TextDecoder('latin1').decode(bytes))?.[1];
    if (name === undefined) throw new LevelDamage('it names no manifest');
    return name;
  });
  return checkedFile(directory, manifest, readLevelManifest);
}

const numberOf = (name: string): number => Number.parseInt(name, 10);
const tableName = (number: number): string => `${String(number).padStart(6, '0')}.ldb`;

function checkSizedTable(table: Uint8Array, size: number): void {
  if (table.length !== size) throw new LevelDamage(`it has ${table.length} bytes instead of ${size}`);
  checkTable(table);
}

async function check(directory: string, bytesMax: number): Promise<void> {
  const names = await namesIn(directory);
  const version = await currentVersion(directory, names);
  if (version === undefined) return;
  const { logNumber } = version;
  const logs = names.filter((name) => /^\d+\.log$/.test(name) && numberOf(name) >= logNumber);
  if (logNumber > 0 && !logs.some((name) => numberOf(name) === logNumber)) {
    throw new LevelDamage(`its write-ahead log (number ${logNumber}, *.log) is gone`);
  }
  for (const name of logs) await checkedFile(directory, name, checkLog);
  let left = bytesMax;
  for (const [number, size] of [...version.tables].sort(([a], [b]) => b - a)) {
    const name = tableName(number);
    if (!names.includes(name)) throw new LevelDamage(`file ${join(directory, name)} is gone`);
    left -= size;
    if (left >= 0) await checkedFile(directory, name, (table) => checkSizedTable(table, size));
  }
}

/**
 * Says in words what is damaged in a database that nobody has open; undefined when nothing is. Checks all log files and
 * at the newest table files up to `bytesMax`.
 */
export async function checkLevelFiles(directory: string, bytesMax: number): Promise<string | undefined> {
  try {
    await check(directory, bytesMax);
    return undefined;
  } catch (error) {
    if (error instanceof LevelDamage) return error.message;
    throw error;
  }
}

/**
 * Checks every table file, one a step, also of a database that is open: tables never change, and one that compaction has
 * removed meanwhile is passed over. Yields what is damaged in words, or undefined for a sound file.
 */
export async function* scrubLevelFiles(directory: string): AsyncGenerator<string | undefined, void, undefined> {
  const version = await currentVersion(directory, await namesIn(directory));
  for (const [number, size] of version?.tables ?? []) {
    const name = tableName(number);
    try {
      await checkedFile(directory, name, (table) => checkSizedTable(table, size));
      yield undefined;
    } catch (error) {
      if (!(error instanceof LevelDamage)) throw error;
      if ((await namesIn(directory)).includes(name)) yield error.message;
    }
  }
}
