/**
 * Bundles the two programs of the image from a checkout's sources, each into one file, without paths of the machine, times or
 * comments. Published packages carry the result and not this file: see programs.ts.
 *
 * esbuild's output is a function of its input; everything that could carry a checkout's location into the bytes is
 * switched off, and onnxruntime-node's native binding comes from the image (engine/native-binding.ts).
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { utf8 } from '@cloister/encoding';
import { build, type Metafile, type Plugin } from 'esbuild';
import { ImageError } from './image-error.ts';
import { ENCLAVE_PROGRAM, ENGINE_PROGRAM, type ImageProgram } from './program-names.ts';

/** The enclave's sources, as they lie in the checkout. */
const ENCLAVE_SOURCES: string = dirname(fileURLToPath(import.meta.resolve('@cloister/enclave')));

/** Where onnxruntime-node picks its binding; the version is pinned, and a change of it fails the build. */
const BINDING_IMPORT =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: source text that is looked for.
  'require(`../bin/napi-v6/${process.platform}/${process.arch}/onnxruntime_binding.node`)';
/** What takes its place. */
const BINDING_MODULE: string = join(ENCLAVE_SOURCES, 'engine', 'native-binding.ts');
/** Bundled CommonJS asks for Node's own modules by `require`. */
const REQUIRE_BANNER =
  "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);";

interface BundledProgram extends ImageProgram {
  /** Modules in it, as package paths such as "@cloister/encoding/src/ids.ts", in ascending order. */
  readonly modules: readonly string[];
}

const nativeBinding: Plugin = {
  name: 'native-binding',
  setup({ onLoad }) {
    onLoad({ filter: /onnxruntime-node[\\/]dist[\\/]binding\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      if (source.split(BINDING_IMPORT).length !== 2) {
        throw new ImageError('IMAGE_BUILD_FAILED', 'onnxruntime-node loads its binding in an unknown way');
      }
      return {
        contents: source.replace(BINDING_IMPORT, `require(${JSON.stringify(BINDING_MODULE)}).nativeBinding`),
        loader: 'js',
      };
    });
  },
};

/** Modules of this project do nothing by being imported, so what is not used of them stays out of the image. */
const ownModules: Plugin = {
  name: 'own-modules',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^(@cloister\/|\.)/ }, async ({ path, pluginData, ...origin }) => {
      if (pluginData === ownModules || origin.kind === 'entry-point') return undefined;
      const { resolveDir, importer, kind } = origin;
      const resolved = await resolve(path, { resolveDir, importer, kind, pluginData: ownModules });
      const isOwn = resolved.errors.length === 0 && !/[\\/]node_modules[\\/]/.test(resolved.path);
      return isOwn ? { ...resolved, sideEffects: false } : resolved;
    });
  },
};

/** "…/node_modules/.pnpm/x@1/node_modules/x/lib/y.js" → "x/lib/y.js"; "packages/encoding/src/ids.ts" → "@cloister/encoding/src/ids.ts". */
function moduleName(path: string): string {
  const parts = path.split(/[\\/]/);
  const installed = parts.lastIndexOf('node_modules');
  if (installed >= 0) return parts.slice(installed + 1).join('/');
  const source = parts.indexOf('src');
  return ['@cloister', ...parts.slice(Math.max(0, source - 1))].join('/');
}

/** Modules that left something in the output. */
function modulesOf({ outputs }: Metafile): string[] {
  const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs));
  return inputs
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => moduleName(path))
    .sort();
}

/** Where a package manager keeps an installed package; it stands in the names of bundled CommonJS modules. */
const INSTALLED_PREFIX: RegExp = /"(?:\.\.\/)*(?:[^"\s]*\/)?node_modules\//g;

async function bundle(entry: string, name: string): Promise<BundledProgram> {
  // Two levels up: the directory that holds all packages, so that names start with a package's directory.
  const root = join(ENCLAVE_SOURCES, '..', '..');
  try {
    const result = await build({
      absWorkingDir: root,
      entryPoints: [join(ENCLAVE_SOURCES, entry)],
      outfile: join(root, name),
      write: false,
      metafile: true,
      bundle: true,
      platform: 'node',
      target: 'node26',
      format: 'esm',
      charset: 'utf8',
      legalComments: 'none',
      minifyWhitespace: true,
      minifySyntax: true,
      sourcemap: false,
      logLevel: 'silent',
      treeShaking: true,
      banner: { js: REQUIRE_BANNER },
      external: ['*.node'],
      plugins: [ownModules, nativeBinding],
      tsconfigRaw: {},
    });
    const [output] = result.outputFiles;
    if (output === undefined) throw new ImageError('IMAGE_BUILD_FAILED', `${name}: no output`);
    return { name, bytes: utf8(output.text.replace(INSTALLED_PREFIX, '"')), modules: modulesOf(result.metafile) };
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new ImageError('IMAGE_BUILD_FAILED', `cannot bundle ${name}`, { cause });
  }
}

/** The programs of the image. */
export async function bundlePrograms(): Promise<readonly BundledProgram[]> {
  return [
    await bundle(join('inside', 'main.ts'), ENCLAVE_PROGRAM),
    await bundle(join('engine', 'main.ts'), ENGINE_PROGRAM),
  ];
}

/** What is in the image: program → modules. Each of them changes the measurement, so a test pins the list. */
export async function imageModules(): Promise<Readonly<Record<string, readonly string[]>>> {
  const programs = await bundlePrograms();
  return Object.fromEntries(programs.map(({ name, modules }) => [name, modules]));
}
