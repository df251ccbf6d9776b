/** The version that a package.json states. */
import { readFile } from 'node:fs/promises';

export async function packageVersion(packageFile: string): Promise<string> {
  const { version } = JSON.parse(await readFile(packageFile, 'utf8')) as { version: string };
  return version;
}
