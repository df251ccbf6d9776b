/** Bundles for browsers, with an account of what a bundle holds. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

/** Free names that Node gives and browsers do not. */
const NODE_GLOBALS = ['Buffer', 'process', 'require', 'module', 'global', '__dirname', '__filename', 'setImmediate'];
const MARK = 'NODE_GLOBAL_';

export interface BrowserBundle {
  /** A script, not a module. */
  readonly code: string;
  /** Every file that was read, from the repository's root. */
  readonly read: readonly string[];
  /** Those of which something is in `code`. */
  readonly contained: readonly string[];
  /** Modules that `code` still imports by name. */
  readonly imports: readonly string[];
  /** Names in `code` that only Node gives. */
  readonly nodeGlobals: readonly string[];
}

/** Bundles a TypeScript source as if it stood in this folder. Rejects what cannot be resolved, static imports of Node's among it. */
export async function bundleForBrowser(source: string): Promise<BrowserBundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: 'ts', sourcefile: 'entry.ts' },
    absWorkingDir: REPOSITORY,
    bundle: true,
    platform: 'browser',
    format: 'iife',
    target: 'es2024',
    write: false,
    metafile: true,
    logLevel: 'silent',
    // Replaces free names only: a variable or member of that name stays.
    define: Object.fromEntries(
      NODE_GLOBALS.flatMap((name) => [
        [name, MARK + name],
        [`globalThis.${name}`, MARK + name],
      ]),
    ),
  });
  const [output] = Object.values(metafile.outputs);
  const [file] = outputFiles;
  if (output === undefined || file === undefined) throw new Error('esbuild made no output');
  const found = file.text.matchAll(new RegExp(`\\b${MARK}(\\w+)`, 'g'));
  return {
    code: file.text,
    read: Object.keys(metafile.inputs),
    contained: Object.entries(output.inputs)
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([path]) => path),
    imports: output.imports.map(({ path }) => path),
    nodeGlobals: [...new Set(Array.from(found, ([, name]) => String(name)))],
  };
}
