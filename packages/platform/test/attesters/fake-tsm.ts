/**
 * A fake of configfs-tsm: entries with their attributes, generations, and writes that are taken over upon close or silently
 * dropped, as Linux does it.
 */
import { basename, dirname } from 'node:path';
import { utf8 } from '@cloister/encoding';
import type { TsmFileSystem } from '../../src/attesters/index.ts';

interface Entry {
  inblob: Uint8Array;
  privilegeLevel: number;
  generation: number;
}

export interface FakeTsmOptions {
  readonly directory: string;
  readonly provider: string;
  readonly outblob: (inblob: Uint8Array, privilegeLevel: number) => Uint8Array;
  /** Undefined: the attribute is not there. */
  readonly auxblob?: Uint8Array;
  /** Undefined: the provider knows no levels. */
  readonly privilegeLevelFloor?: number;
}

export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export class FakeTsm implements TsmFileSystem {
  readonly #options: FakeTsmOptions;
  readonly entries = new Map<string, Entry>();
  made = 0;
  /** Codes with which the next operations "kind attribute" fail, such as "read outblob" or "mkdir"; one a call. */
  readonly failures = new Map<string, string[]>();
  /** Called before each operation on an attribute: what others do meanwhile. */
  before: (operation: string, entry: Entry) => void | Promise<void> = () => undefined;

  constructor(options: FakeTsmOptions) {
    this.#options = options;
  }

  #fail(operation: string): void {
    const code = this.failures.get(operation)?.shift();
    if (code !== undefined) throw systemError(code);
  }

  async mkdir(path: string): Promise<void> {
    this.#fail('mkdir');
    if (dirname(path) !== this.#options.directory) throw systemError('ENOENT');
    if (this.entries.has(path)) throw systemError('EEXIST');
    this.made++;
    this.entries.set(path, { inblob: new Uint8Array(), privilegeLevel: 0, generation: 0 });
  }

  async rmdir(path: string): Promise<void> {
    this.#fail('rmdir');
    if (!this.entries.delete(path)) throw systemError('ENOENT');
  }

  #entry(path: string): Entry {
    const entry = this.entries.get(dirname(path));
    if (entry === undefined) throw systemError('ENOENT');
    return entry;
  }

  async read(path: string, bytesMax: number): Promise<Uint8Array> {
    const entry = this.#entry(path);
    const attribute = basename(path);
    await this.before(`read ${attribute}`, entry);
    this.#fail(`read ${attribute}`);
    return this.#contents(attribute, entry).slice(0, bytesMax + 1);
  }

  #contents(attribute: string, { inblob, privilegeLevel, generation }: Entry): Uint8Array {
    const { provider, outblob, auxblob } = this.#options;
    switch (attribute) {
      case 'provider':
        return utf8(`${provider}\n`);
      case 'generation':
        return utf8(`${generation}\n`);
      case 'outblob':
      case 'auxblob':
        if (attribute === 'auxblob' && auxblob === undefined) throw systemError('ENOENT');
        if (inblob.length === 0) throw systemError('EINVAL');
        return attribute === 'outblob' ? outblob(inblob, privilegeLevel) : (auxblob ?? new Uint8Array());
      default:
        throw systemError('ENOENT');
    }
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const entry = this.#entry(path);
    const attribute = basename(path);
    await this.before(`write ${attribute}`, entry);
    this.#fail(`write ${attribute}`);
    if (attribute === 'privlevel') {
      const { privilegeLevelFloor } = this.#options;
      if (privilegeLevelFloor === undefined) throw systemError('ENOENT');
      const level = Number(new TextDecoder().decode(bytes));
      if (level < privilegeLevelFloor || level > 3) throw systemError('EINVAL');
      entry.privilegeLevel = level;
    } else if (attribute === 'inblob') {
      // The error of a binary attribute's takeover is lost with close.
      if (bytes.length > 64) return;
      entry.inblob = bytes.slice();
    } else throw systemError('EACCES');
    entry.generation++;
  }
}
