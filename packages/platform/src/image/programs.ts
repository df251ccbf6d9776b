/**
 * Where the programs of an image come from: one set of bytes, however this package got here.
 *
 * A checkout bundles them from its sources. A published package carries what the checkout bundled when it was packed
 * (`scripts/pack-image.ts`), and the manifest of that image beside it: compiled files would bundle to other bytes, and the
 * dependencies that a later install picks might differ from the lockfile's.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IMAGE_MANIFEST_FILE, type ImageManifest, parseImageManifest } from '@cloister/confidential';
import { ImageError } from './image-error.ts';
import { ENCLAVE_PROGRAM, ENGINE_PROGRAM, type ImageProgram } from './program-names.ts';

const IS_CHECKOUT: boolean = import.meta.filename.endsWith('.ts');
const PACKED: string = join(import.meta.dirname, '..', '..', 'programs');

export async function imagePrograms(): Promise<readonly ImageProgram[]> {
  if (IS_CHECKOUT) return (await import('./bundle.ts')).bundlePrograms();
  const read = async (name: string): Promise<ImageProgram> => ({ name, bytes: await readFile(join(PACKED, name)) });
  return Promise.all([ENCLAVE_PROGRAM, ENGINE_PROGRAM].map(read));
}

type Inputs = Pick<ImageManifest, 'files' | 'node'>;

/** Throws `IMAGE_INPUT_CHANGED` when a published package would build from other bytes than it was packed with. */
export async function checkPackedInputs(built: Inputs): Promise<void> {
  if (IS_CHECKOUT) return;
  const packed = parseImageManifest(await readFile(join(PACKED, IMAGE_MANIFEST_FILE)));
  if (!packed.ok) throw new ImageError('IMAGE_INPUT_CHANGED', `${IMAGE_MANIFEST_FILE} of this package is damaged`);
  const changed = changedInput(built, packed.value);
  if (changed !== undefined) throw new ImageError('IMAGE_INPUT_CHANGED', `${changed} is not what was packed`);
}

/** The first input that differs. */
export function changedInput(built: Inputs, packed: Inputs): string | undefined {
  if (built.node.sha384 !== packed.node.sha384) return `Node.js ${built.node.version}`;
  const promised = new Map(packed.files.map(({ path, sha384 }) => [path, sha384]));
  return built.files.find(({ path, sha384 }) => promised.get(path) !== sha384)?.path;
}
