/** The engine's package, onnxruntime-node, as it is installed beside this one. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageVersion } from './package-version.ts';

/** As manifests of images and models name it. */
export const ENGINE_NAME = 'onnxruntime-node';

export function engineDirectory(): string {
  return dirname(createRequire(import.meta.url).resolve(`${ENGINE_NAME}/package.json`));
}

export function engineVersion(): Promise<string> {
  return packageVersion(join(engineDirectory(), 'package.json'));
}
