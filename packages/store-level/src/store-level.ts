/**
 * The store on disk: LevelDB through classic-level.
 *
 * LevelDB has options that make it refuse damage (paranoid checks, checksums on read); classic-level 3 does not expose
 * them. A damaged table can abort the process, a damaged log loses entries in silence, a lost CURRENT starts a new
 * database. So opening looks at the files first (`level-files.ts`), and everything above keeps its own checksums and a
 * count outside of LevelDB's log.
 */

import {
  type OrderedStore,
  RESYNC_ADVICE,
  type ReadableStore,
  StoreError,
  type StoreOp,
  type StoreRange,
} from '@cloister/event-log';
import { ClassicLevel } from 'classic-level';
import { checkLevelFiles } from './level-files.ts';
import { describeHolder, isHeld, removePidFile, writePidFile } from './pid-file.ts';

type Database = ClassicLevel<Uint8Array, Uint8Array>;

/** Bounds of what one call of an iterator fetches. */
const PAGE_ENTRIES = 1_000;
const PAGE_BYTES: number = 1024 * 1024;
const CACHE_BYTES: number = 8 * 1024 * 1024;

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The innermost error: classic-level wraps what LevelDB said on opening. */
function rootOf(error: unknown): { readonly code: string; readonly message: string } {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  if (!(root instanceof Error)) return { code: '', message: String(root) };
  const { code } = root as { code?: unknown };
  return { code: typeof code === 'string' ? code : '', message: root.message };
}

/** A database and what to tell its operator when it is damaged. */
interface Place {
  readonly directory: string;
  readonly recovery: string;
}

function corrupt({ directory, recovery }: Place, what: string, cause?: unknown): StoreError {
  return new StoreError('STORE_CORRUPT', `database ${directory} is damaged: ${what}. ${recovery}`, { cause });
}

/** LevelDB reports a table or manifest that is gone or cut as one of these, under the code of an I/O error. */
const DAMAGE_AS_IO_ERROR = /No such file or directory|Invalid argument/;

async function asStoreError(place: Place, error: unknown): Promise<StoreError> {
  const { directory } = place;
  if (error instanceof StoreError) return error;
  const { code, message } = rootOf(error);
  switch (code) {
    case 'LEVEL_LOCKED': {
      const holder = await describeHolder(directory);
      return new StoreError('STORE_LOCKED', `database ${directory} is in use by ${holder}`, { cause: error });
    }
    case 'LEVEL_CORRUPTION':
      return corrupt(place, message, error);
    case 'LEVEL_DATABASE_NOT_OPEN':
    case 'LEVEL_ITERATOR_NOT_OPEN':
      return new StoreError('STORE_CLOSED', `database ${directory} is closed`, { cause: error });
    default:
      return code === 'LEVEL_IO_ERROR' && DAMAGE_AS_IO_ERROR.test(message)
        ? corrupt(place, message, error)
        : new StoreError('STORE_IO', `database ${directory}: ${message}`, { cause: error });
  }
}

class LevelReader implements ReadableStore {
  readonly #database: Database;
  readonly #place: Place;

  constructor(database: Database, place: Place) {
    this.#database = database;
    this.#place = place;
  }

  protected async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await asStoreError(this.#place, error);
    }
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.guarded(async () => {
      const value = await this.#database.get(key);
      return value === undefined ? undefined : plain(value);
    });
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.guarded(async () => {
      const values = await this.#database.getMany([...keys]);
      return values.map((value) => (value === undefined ? undefined : plain(value)));
    });
  }

  async *range(range: StoreRange): AsyncGenerator<[Uint8Array, Uint8Array], void, undefined> {
    const { gte, lt, reverse = false, limit = -1 } = range;
    try {
      const iterator = this.#database.iterator({
        ...(gte === undefined ? {} : { gte }),
        ...(lt === undefined ? {} : { lt }),
        reverse,
        limit,
        highWaterMarkBytes: PAGE_BYTES,
      });
      try {
        for (;;) {
          const page = await iterator.nextv(PAGE_ENTRIES);
          if (page.length === 0) return;
          for (const [key, value] of page) yield [plain(key), plain(value)];
        }
      } finally {
        await iterator.close();
      }
    } catch (error) {
      throw await asStoreError(this.#place, error);
    }
  }

  async close(): Promise<void> {
    if (this.#database.status === 'closed') return;
    await this.guarded(() => this.#database.close());
  }
}

class LevelStore extends LevelReader implements OrderedStore {
  readonly #database: Database;
  readonly #directory: string;

  constructor(database: Database, place: Place) {
    super(database, place);
    this.#database = database;
    this.#directory = place.directory;
  }

  batch(ops: readonly StoreOp[], options: { readonly sync: boolean }): Promise<void> {
    return this.guarded(() => this.#database.batch([...ops], { sync: options.sync }));
  }

  override async close(): Promise<void> {
    if (this.#database.status === 'closed') return;
    await super.close();
    await removePidFile(this.#directory);
  }
}

export interface LevelOptions {
  /** Told to the operator with STORE_CORRUPT; `RESYNC_ADVICE` by default, which fits a chain database. */
  readonly recovery?: string | undefined;
  /** How much of the table files to check before opening, the newest first; 1 GiB by default. */
  readonly checkedBytesMax?: number | undefined;
  /** Other threads of this process may read it too, by `openLevelReader`. */
  readonly shared?: boolean | undefined;
}

const CHECKED_BYTES_MAX: number = 1024 * 1024 * 1024;

function levelAt(directory: string, shared: boolean): Database {
  return new ClassicLevel<Uint8Array, Uint8Array>(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    cacheSize: CACHE_BYTES,
    // One LevelDB for all threads of the process; it is closed when the last of them has closed it.
    multithreading: shared,
  });
}

/**
 * A second way into a database that another thread of this process holds open as `shared`, to read it. It sees
 * everything that was written before the call. Throws `StoreError` STORE_LOCKED when nobody shares it.
 */
export async function openLevelReader(directory: string): Promise<ReadableStore> {
  const database = levelAt(directory, true);
  try {
    await database.open({ createIfMissing: false });
    return new LevelReader(database, { directory, recovery: RESYNC_ADVICE });
  } catch (error) {
    throw await asStoreError({ directory, recovery: RESYNC_ADVICE }, error);
  }
}

/**
 * Opens the database in `directory`, creating it when there is none. Throws `StoreError`: STORE_LOCKED names the
 * process that holds it, STORE_CORRUPT says what is damaged and how to recover.
 */
export async function openLevelStore(directory: string, options: LevelOptions = {}): Promise<OrderedStore> {
  const place: Place = { directory, recovery: options.recovery ?? RESYNC_ADVICE };
  try {
    const damage = await checkLevelFiles(directory, options.checkedBytesMax ?? CHECKED_BYTES_MAX);
    // The files of a database in use change under the check: then LevelDB's lock has the first word.
    if (damage !== undefined && !(await isHeld(directory))) throw corrupt(place, damage);
    const database = levelAt(directory, options.shared === true);
    await database.open();
    try {
      if (damage !== undefined) throw corrupt(place, damage);
      await writePidFile(directory);
    } catch (error) {
      await database.close();
      throw error;
    }
    return new LevelStore(database, place);
  } catch (error) {
    throw await asStoreError(place, error);
  }
}
