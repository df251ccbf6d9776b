/** The version that this package has. */
import { readFile } from 'node:fs/promises';

export async function nodePackageVersion(): Promise<string> {
  const file = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(await readFile(file, 'utf8')) as { readonly version: string };
  return version;
}
