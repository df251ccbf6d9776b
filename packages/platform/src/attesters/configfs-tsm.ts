/**
 * Evidence through configfs-tsm, Linux's one interface to TDX and SEV-SNP (kernel 6.7 and later; root's alone).
 *
 * Source: Linux, Documentation/ABI/testing/configfs-tsm-report. An entry is a directory; its attributes are there as soon as
 * it is made. The interface has several steps, so that two writers to one entry can mix their requests: `generation` counts
 * writes, and evidence counts only when it moved by this request's own writes. A write that the kernel refuses shows there
 * too, and nowhere else: binary attributes are taken over when the file is closed.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseSnpReport } from '@cloister/attestation';
import { assert, utf8 } from '@cloister/encoding';
import { systemCode } from '../endorsements/read-bounded.ts';
import { AttesterError } from './attester-error.ts';
import {
  checkReportData,
  type EvidenceSource,
  type RawEvidence,
  REPORT_DATA_BYTES,
  trimmedQuote,
} from './evidence-source.ts';
import { certificatesFor, MAX_CERTIFICATE_TABLE_BYTES, parseSnpCertificateTable } from './snp-certificate-table.ts';
import { NODE_TSM_FILE_SYSTEM, type TsmFileSystem } from './tsm-file-system.ts';

export const TSM_DIRECTORY = '/sys/kernel/config/tsm/report';

/** Providers whose evidence is verified. */
export type TsmProvider = 'tdx_guest' | 'sev_guest';

export interface ConfigfsTsmOptions {
  /** `TSM_DIRECTORY` unless told otherwise. */
  readonly directory?: string;
  /** VMPL for which the report is asked, SEV-SNP only; the kernel's choice when left out. */
  readonly privilegeLevel?: 0 | 1 | 2 | 3;
  /** Entries that are tried when others interfere or the platform is busy. */
  readonly attempts?: number;
  readonly fileSystem?: TsmFileSystem;
  /** Before the next attempt. */
  readonly wait?: (ms: number) => Promise<unknown>;
}

const ATTEMPTS = 5;
const FIRST_WAIT_MS = 50;
const MAX_OUTBLOB_BYTES: number = 32 * 1024;
const MAX_TEXT_BYTES = 256;
/** Codes after which a new entry may succeed: the name is taken, or the platform is busy or slow. */
const PASSING: ReadonlySet<string> = new Set(['EEXIST', 'EBUSY', 'EAGAIN', 'EINTR', 'ETIMEDOUT']);
/** No such interface, no provider behind it, or no right to use it. */
const UNAVAILABLE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENXIO', 'ENODEV', 'EACCES', 'EPERM', 'EROFS']);

/** Another writer touched the entry, or the kernel refused a write. Never leaves this file: it starts the next attempt. */
class Interference extends Error {}

interface Outcome {
  readonly provider: TsmProvider;
  readonly outblob: Uint8Array;
  readonly auxblob: Uint8Array;
}

/** Evidence of the machine behind a configfs directory. */
export function configfsTsmSource(options: ConfigfsTsmOptions = {}): EvidenceSource {
  const { directory = TSM_DIRECTORY, attempts = ATTEMPTS, privilegeLevel } = options;
  const { fileSystem = NODE_TSM_FILE_SYSTEM, wait = delay } = options;
  return {
    async evidence(reportData) {
      assert(reportData.length === REPORT_DATA_BYTES, 'report data is not 64 bytes');
      for (let count = 1; ; count++) {
        try {
          const outcome = await withEntry(fileSystem, directory, (entry) =>
            ask(fileSystem, entry, reportData, privilegeLevel),
          );
          return rawEvidence(outcome, reportData);
        } catch (error) {
          const isPassing = error instanceof Interference || PASSING.has(systemCode(error) ?? '');
          if (!isPassing || count >= attempts) throw attesterError(error);
        }
        await wait(FIRST_WAIT_MS * 2 ** (count - 1));
      }
    },
  };
}

/** The provider behind a configfs directory, as the kernel names it. Rejects with `AttesterError`. */
export async function tsmProviderName(
  options: Pick<ConfigfsTsmOptions, 'directory' | 'fileSystem'> = {},
): Promise<string> {
  const { directory = TSM_DIRECTORY, fileSystem = NODE_TSM_FILE_SYSTEM } = options;
  try {
    return await withEntry(fileSystem, directory, (entry) => readText(fileSystem, join(entry, 'provider')));
  } catch (error) {
    throw attesterError(error);
  }
}

/** Makes an entry, uses it, and removes it whatever happens; what `use` rejects with counts more than a failed removal. */
async function withEntry<T>(
  fileSystem: TsmFileSystem,
  directory: string,
  use: (entry: string) => Promise<T>,
): Promise<T> {
  const entry = join(directory, `cloister-${process.pid}-${randomBytes(8).toString('hex')}`);
  await fileSystem.mkdir(entry);
  let value: T;
  try {
    value = await use(entry);
  } catch (error) {
    await fileSystem.rmdir(entry).catch(() => undefined);
    throw error;
  }
  await fileSystem.rmdir(entry);
  return value;
}

async function ask(
  fileSystem: TsmFileSystem,
  entry: string,
  reportData: Uint8Array,
  privilegeLevel: number | undefined,
): Promise<Outcome> {
  const provider = await readText(fileSystem, join(entry, 'provider'));
  if (provider !== 'tdx_guest' && provider !== 'sev_guest') {
    throw new AttesterError('TSM_PROVIDER_UNKNOWN', JSON.stringify(provider));
  }
  let expected = await readGeneration(fileSystem, entry);
  if (privilegeLevel !== undefined) {
    await writePrivilegeLevel(fileSystem, entry, privilegeLevel);
    expected++;
  }
  await fileSystem.write(join(entry, 'inblob'), reportData);
  expected++;
  // Without this the blobs of a refused write would be those of an empty request.
  await expectGeneration(fileSystem, entry, expected);
  const outblob = await readBlob(fileSystem, join(entry, 'outblob'), MAX_OUTBLOB_BYTES);
  const auxblob = provider === 'sev_guest' ? await readAuxblob(fileSystem, join(entry, 'auxblob')) : new Uint8Array();
  await expectGeneration(fileSystem, entry, expected);
  return { provider, outblob, auxblob };
}

async function writePrivilegeLevel(fileSystem: TsmFileSystem, entry: string, level: number): Promise<void> {
  try {
    await fileSystem.write(join(entry, 'privlevel'), utf8(String(level)));
  } catch (cause) {
    const code = systemCode(cause);
    // The attribute is not there, or the level is below the floor.
    if (code !== 'ENOENT' && code !== 'EINVAL') throw cause;
    throw new AttesterError('TSM_PRIVILEGE_LEVEL_UNSUPPORTED', `level ${level}`, { cause });
  }
}

async function readText(fileSystem: TsmFileSystem, path: string): Promise<string> {
  return Buffer.from(await readBlob(fileSystem, path, MAX_TEXT_BYTES))
    .toString('latin1')
    .trimEnd();
}

async function readBlob(fileSystem: TsmFileSystem, path: string, bytesMax: number): Promise<Uint8Array> {
  const bytes = await fileSystem.read(path, bytesMax);
  if (bytes.length > bytesMax) throw new AttesterError('TSM_BLOB_TOO_LARGE', `${path}: more than ${bytesMax} bytes`);
  return bytes;
}

/** Absent where the provider has none. */
async function readAuxblob(fileSystem: TsmFileSystem, path: string): Promise<Uint8Array> {
  try {
    return await readBlob(fileSystem, path, MAX_CERTIFICATE_TABLE_BYTES);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return new Uint8Array();
    throw error;
  }
}

async function readGeneration(fileSystem: TsmFileSystem, entry: string): Promise<bigint> {
  const text = await readText(fileSystem, join(entry, 'generation'));
  if (!/^\d{1,20}$/.test(text)) throw new AttesterError('TSM_IO', `generation ${JSON.stringify(text)}`);
  return BigInt(text);
}

async function expectGeneration(fileSystem: TsmFileSystem, entry: string, expected: bigint): Promise<void> {
  const generation = await readGeneration(fileSystem, entry);
  if (generation !== expected) throw new Interference(`generation ${generation}, expected ${expected}`);
}

function rawEvidence({ provider, outblob, auxblob }: Outcome, reportData: Uint8Array): RawEvidence {
  if (provider === 'tdx_guest') {
    const evidence = { platform: 'tdx', report: trimmedQuote(outblob) } as const;
    checkReportData(evidence, reportData);
    return { evidence, certificates: [] };
  }
  const evidence = { platform: 'sev-snp', report: outblob } as const;
  checkReportData(evidence, reportData);
  const report = parseSnpReport(outblob);
  assert(report.ok, 'a report that was just read');
  const table = parseSnpCertificateTable(auxblob);
  if (!table.ok) throw new AttesterError('CERTIFICATE_TABLE_REFUSED', `${table.code} ${table.detail ?? ''}`.trimEnd());
  return { evidence, certificates: certificatesFor(table.value, report.value.signingKey) };
}

function attesterError(cause: unknown): unknown {
  if (cause instanceof AttesterError) return cause;
  if (cause instanceof Interference) return new AttesterError('TSM_INTERFERENCE', cause.message, { cause });
  const code = systemCode(cause);
  if (code === undefined) return cause;
  return new AttesterError(UNAVAILABLE.has(code) ? 'TSM_UNAVAILABLE' : 'TSM_IO', `configfs-tsm: ${code}`, { cause });
}
