/**
 * LevelDB's manifest: which files make up the database now. A crash leaves others beside them, half-written tables among
 * them, which LevelDB removes on opening.
 */
import { LevelDamage, LevelReader } from './level-format.ts';
import { recordsOf } from './level-log.ts';

export interface LevelVersion {
  /** The oldest log file that is still needed; 0 in a database that was never written. */
  readonly logNumber: number;
  /** Number and size in bytes of each table. */
  readonly tables: ReadonlyMap<number, number>;
}

/** Tags of a version edit's fields (db/version_edit.cc). */
const COMPARATOR = 1;
const LOG_NUMBER = 2;
const NEXT_FILE_NUMBER = 3;
const LAST_SEQUENCE = 4;
const COMPACT_POINTER = 5;
const DELETED_FILE = 6;
const NEW_FILE = 7;
const PREVIOUS_LOG_NUMBER = 9;

/** The version that a manifest's edits lead to. Throws `LevelDamage`. */
export function readLevelManifest(manifest: Uint8Array): LevelVersion {
  let logNumber = 0;
  const tables = new Map<number, number>();
  for (const edit of recordsOf(manifest)) {
    // Within one edit, deletions come before additions, whatever their order: a table can move to another level.
    const added: [number, number][] = [];
    for (const reader = new LevelReader(edit); !reader.atEnd; ) {
      const tag = reader.number();
      switch (tag) {
        case COMPARATOR:
          reader.skipString();
          break;
        case LOG_NUMBER:
          logNumber = reader.number();
          break;
        case NEXT_FILE_NUMBER:
        case LAST_SEQUENCE:
        case PREVIOUS_LOG_NUMBER:
          reader.number();
          break;
        case COMPACT_POINTER:
          reader.number();
          reader.skipString();
          break;
        case DELETED_FILE:
          reader.number();
          tables.delete(reader.number());
          break;
        case NEW_FILE: {
          reader.number();
          const number = reader.number();
          added.push([number, reader.number()]);
          reader.skipString();
          reader.skipString();
          break;
        }
        default:
          throw new LevelDamage(`it has a field of unknown kind ${tag}`);
      }
    }
    for (const [number, size] of added) tables.set(number, size);
  }
  return { logNumber, tables };
}
