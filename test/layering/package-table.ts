/** The packages, as the table of ARCHITECTURE.md lists them: the layering tests go by it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export interface PackageRow {
  readonly layer: number;
  /** The package's folder under `packages`. */
  readonly folder: string;
  readonly description: string;
  /** Folders of the packages that it depends on itself. */
  readonly restsOn: readonly string[];
  /** `yes`, `no`, or what of it is. */
  readonly pure: string;
}

const ROW = /^\| (\d+) \| `packages\/([a-z-]+)` \| (.+) \| ([a-z, -]*?) ?\| ([^|]+) \|$/gm;

/** Its rows, in its order. */
export function packageTable(): readonly PackageRow[] {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  return Array.from(text.matchAll(ROW), ([, layer, folder, description, restsOn, pure]) => ({
    layer: Number(layer),
    folder: String(folder),
    description: String(description),
    restsOn: String(restsOn).split(', ').filter(Boolean),
    pure: String(pure),
  }));
}

/** A row as the table has it. */
export function rowText({ layer, folder, description, restsOn, pure }: PackageRow): string {
  const names = restsOn.length === 0 ? '' : `${restsOn.join(', ')} `;
  return `| ${layer} | \`packages/${folder}\` | ${description} | ${names}| ${pure} |`;
}
