/**
 * Answers of the vendors' services on disk, so that a restart or a service that is down costs no evidence.
 *
 * One folder, one file for an address, named by the address's digest, written beside and renamed: processes may share the
 * folder, and a reader sees a whole file or none. A file that is damaged, cut off or of another address counts as absent. When
 * an answer holds is read from its contents each time, never from the file around them.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hash, sha256 } from '@cloister/crypto';
import { ByteWriter, DecodeError, decodeWith, equalBytes, utf8 } from '@cloister/encoding';
import { EndorsementError } from './endorsement-error.ts';
import { isMissing, readBounded } from './read-bounded.ts';

/** An answer of status 200 with the headers that matter. */
export interface KeptAnswer {
  /** Milliseconds of the Unix epoch, by the clock of whoever fetched it. */
  readonly fetchedAtMs: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

const MAGIC = 'cloister/kept-endorsement/v1';
const CHECKSUM_BYTES = 32;
const MAX_FILE_BYTES: number = 4 * 1024 * 1024;
const MAX_TEXT_BYTES: number = 64 * 1024;
const MAX_HEADERS = 8;
const DEFAULT_ENTRIES_MAX = 64;
const SUFFIX = '.answer';
const PARTIAL = '.partial';
/** No writer takes so long. */
const ABANDONED_MS = 3_600_000;

export class EndorsementStore {
  readonly #directory: string;
  readonly #entriesMax: number;

  /** The folder is made, private to its owner, when the first answer is kept. The oldest beyond `entriesMax` are dropped. */
  constructor(directory: string, options: { readonly entriesMax?: number } = {}) {
    this.#directory = directory;
    this.#entriesMax = options.entriesMax ?? DEFAULT_ENTRIES_MAX;
  }

  #path(url: string): string {
    return join(this.#directory, `${hash('cloister/endorsement-address/v1', utf8(url))}${SUFFIX}`);
  }

  /** What was kept for an address; undefined when there is nothing whole. Never rejects. */
  async read(url: string): Promise<KeptAnswer | undefined> {
    const bytes = await readBounded(this.#path(url), MAX_FILE_BYTES).catch(() => undefined);
    return bytes === undefined || bytes.length > MAX_FILE_BYTES ? undefined : decodeAnswer(url, bytes);
  }

  /** Keeps an answer in place of what was kept for its address. Rejects with `EndorsementError` STORE_IO. */
  async write(url: string, answer: KeptAnswer): Promise<void> {
    const path = this.#path(url);
    const partial = `${path}.${randomBytes(8).toString('hex')}${PARTIAL}`;
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      try {
        const file = await open(partial, 'wx', 0o600);
        try {
          await file.writeFile(encodeAnswer(url, answer));
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(partial, path);
      } catch (error) {
        await rm(partial, { force: true });
        throw error;
      }
      await this.#dropOldest();
    } catch (cause) {
      throw new EndorsementError('STORE_IO', `cannot keep an endorsement in ${this.#directory}`, { cause });
    }
  }

  /** Answers beyond the bound, and what writers left that were killed. */
  async #dropOldest(): Promise<void> {
    const names = await readdir(this.#directory);
    const answers: { readonly path: string; readonly changedMs: number }[] = [];
    for (const name of names) {
      const isPartial = name.endsWith(PARTIAL);
      if (!isPartial && !name.endsWith(SUFFIX)) continue;
      const path = join(this.#directory, name);
      const changedMs = await changeTimeMs(path);
      if (changedMs === undefined) continue;
      if (!isPartial) answers.push({ path, changedMs });
      else if (changedMs < Date.now() - ABANDONED_MS) await rm(path, { force: true });
    }
    answers.sort((a, b) => b.changedMs - a.changedMs);
    for (const { path } of answers.slice(this.#entriesMax)) await rm(path, { force: true });
  }
}

/** Undefined when another process dropped or renamed it meanwhile. */
async function changeTimeMs(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function encodeAnswer(url: string, { fetchedAtMs, headers, body }: KeptAnswer): Uint8Array {
  const writer = new ByteWriter(body.length + 8192).str(MAGIC).str(url).u64(fetchedAtMs).u8(headers.size);
  for (const [name, value] of headers) writer.str(name).str(value);
  const contents = writer.var(body).finish();
  return new ByteWriter(contents.length + CHECKSUM_BYTES).fixed(contents).fixed(sha256(contents)).finish();
}

function decodeAnswer(url: string, bytes: Uint8Array): KeptAnswer | undefined {
  const contents = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_BYTES));
  if (!equalBytes(sha256(contents), bytes.subarray(contents.length))) return undefined;
  const decoded = decodeWith(contents, (reader) => {
    if (reader.str(MAGIC.length) !== MAGIC) throw new DecodeError('magic');
    if (reader.str(MAX_TEXT_BYTES) !== url) throw new DecodeError('address');
    const fetchedAtMs = reader.u64();
    const count = reader.u8();
    if (count > MAX_HEADERS) throw new DecodeError('headers');
    const headers = new Map<string, string>();
    for (let index = 0; index < count; index++) headers.set(reader.str(MAX_TEXT_BYTES), reader.str(MAX_TEXT_BYTES));
    return { fetchedAtMs, headers, body: reader.var(MAX_FILE_BYTES) };
  });
  return decoded.ok ? decoded.value : undefined;
}
