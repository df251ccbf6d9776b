/** Documents name files: each path that one of them names is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const ROOTS = readdirSync(root).filter((name) => !name.startsWith('.'));
const PACKAGES = readdirSync(join(root, 'packages'));

const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...PACKAGES.map((name) => `packages/${name}/README.md`),
];

/** Paths in backticks, from the root or from `packages/`; those with a wildcard or a placeholder say so themselves. */
function pathsIn(text: string): string[] {
  const quoted = [...text.matchAll(/`([\w@.-]+(?:\/[\w@.-]+)+\/?)`/g)].map(([, path]) => String(path));
  return quoted.filter((path) => {
    const [first = ''] = path.split('/');
    const isFile = /\.(ts|mjs|md|json|txt|toml|onnx)$/.test(path) || path.includes('/src') || path.includes('/test');
    return isFile && (ROOTS.includes(first) || PACKAGES.includes(first));
  });
}

describe.each(documents)('%s', (document) => {
  it('names only files that there are', () => {
    const text = readFileSync(join(root, document), 'utf8');
    const missing = pathsIn(text).filter(
      (path) => ![path, `packages/${path}`].some((one) => existsSync(join(root, one))),
    );
    expect(missing).toEqual([]);
  });
});

it('finds a path that is not there', () => {
  expect(pathsIn('as `packages/ledger/src/nowhere.ts` and `ledger/test/no.test.ts` say; `a/b`')).toEqual([
    'packages/ledger/src/nowhere.ts',
    'ledger/test/no.test.ts',
  ]);
});

/** The steps of a journey in ARCHITECTURE.md: a numbered line that begins with a file and what is defined in it. */
function stepsIn(text: string): { readonly path: string; readonly name: string }[] {
  return [...text.matchAll(/^\d+\. `(packages\/[^`]+\.ts)` `(\w+)`: /gm)].map(([, path, name]) => ({
    path: String(path),
    name: String(name),
  }));
}

/** Whether the source exports what a step names. */
function defines(source: string, name: string): boolean {
  return new RegExp(`^export (?:async )?(?:function\\*?|class|const) ${name}\\b`, 'm').test(source);
}

describe('ARCHITECTURE.md', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const journeys = [...text.matchAll(/^## (How (?:a|an) \w+ travels)\n([\s\S]*?)(?=^## )/gm)];

  it('tells how a vote, a transaction and an inference travel, each with a diagram', () => {
    expect(journeys.map(([, title]) => title)).toEqual([
      'How a vote travels',
      'How a transaction travels',
      'How an inference travels',
    ]);
    for (const [, , body = ''] of journeys) expect(body).toContain('```mermaid\nsequenceDiagram\n');
  });

  it.each(journeys.map(([, title, body]) => [title, body]))(
    '%s through files that define what it names',
    (_, body = '') => {
      const steps = stepsIn(body);
      expect(steps).toHaveLength([...body.matchAll(/^\d+\. /gm)].length);
      expect(steps.length).toBeGreaterThan(5);
      const wrong = steps.filter(({ path, name }) => {
        const file = join(root, path);
        return !existsSync(file) || !defines(readFileSync(file, 'utf8'), name);
      });
      expect(wrong).toEqual([]);
    },
  );

  it('is found out when a file no longer defines what a step names', () => {
    const [step] = stepsIn('3. `packages/x/src/y.ts` `run`: runs');
    expect(step).toEqual({ path: 'packages/x/src/y.ts', name: 'run' });
    expect(defines('export async function run(): void {', 'run')).toBe(true);
    expect(defines('function run(): void {', 'run')).toBe(false);
  });
});

/** Commands in code spans and code blocks: scripts of the root, and verbs of the command line. */
function commandsIn(text: string): { readonly scripts: string[]; readonly verbs: string[] } {
  const code = [...text.matchAll(/```[\s\S]*?```|`[^`\n]+`|^ {4}.*$/gm)].map(([span]) => span).join('\n');
  const scripts = [...code.matchAll(/npx -y pnpm@12 ([a-z:]+)/g)].map(([, name = '']) => name);
  const verbs = [...code.matchAll(/(?:^|`|\$ |pnpm@12 |^ {4})cloister ([a-z-]+(?: [a-z-]+)?)/gm)].map(
    ([, verb = '']) => verb,
  );
  return { scripts, verbs };
}

describe('commands in documents', () => {
  const scripts = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts);
  const folder = join(root, 'packages/node/src/commands');
  const verbs = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => [...readFileSync(join(folder, name), 'utf8').matchAll(/^ {2}name: '([a-z -]+)',$/gm)])
    .map(([, name = '']) => name);

  /** Whether the words begin with a command; `help` is of the command line itself. */
  function isVerb(words: string): boolean {
    const [first = ''] = words.split(' ');
    return first === 'help' || verbs.includes(words) || verbs.includes(first);
  }

  it.each(documents)('%s names only scripts and verbs that there are', (document) => {
    const named = commandsIn(readFileSync(join(root, document), 'utf8'));
    expect(named.scripts.filter((name) => !scripts.includes(name))).toEqual([]);
    expect(named.verbs.filter((words) => !isVerb(words))).toEqual([]);
  });

  it('finds a script and a verb that are not there', () => {
    const named = commandsIn('run `npx -y pnpm@12 nothing` or\n\n    npx -y pnpm@12 cloister model paint x\n');
    expect(named.scripts).toEqual(['nothing', 'cloister']);
    expect(named.verbs.filter((words) => !isVerb(words))).toEqual(['model paint']);
    expect(isVerb('genesis create')).toBe(true);
  });
});

describe('docs/glossary.md', () => {
  const anchors = new Set(
    [...readFileSync(join(root, 'docs/glossary.md'), 'utf8').matchAll(/^### (.+)$/gm)].map(([, term = '']) =>
      term.toLowerCase().replaceAll(' ', '-'),
    ),
  );

  it.each(documents)('has what %s links to', (document) => {
    const links = [...readFileSync(join(root, document), 'utf8').matchAll(/glossary\.md#([\w-]+)/g)];
    const broken = links.filter(([, anchor = '']) => !anchors.has(anchor));
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it('has what it links to itself', () => {
    const links = [...readFileSync(join(root, 'docs/glossary.md'), 'utf8').matchAll(/\]\(#([\w-]+)\)/g)];
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter(([, anchor = '']) => !anchors.has(anchor))).toEqual([]);
  });

  it.each(['README.md', 'ARCHITECTURE.md', 'docs/protocol.md', 'docs/limits.md', 'docs/threat-model.md'])(
    'is linked where %s first uses its words',
    (document) => {
      expect(readFileSync(join(root, document), 'utf8').match(/glossary\.md#/g)?.length).toBeGreaterThan(9);
    },
  );

  it('has no word twice', () => {
    const terms = readFileSync(join(root, 'docs/glossary.md'), 'utf8').match(/^### .+$/gm) ?? [];
    expect(terms.length).toBe(anchors.size);
  });
});

/** Words for documents that are not in the repository. */
const ELSEWHERE = /\b(operations guide|design (?:page|document|doc)s?|internal wiki)\b/i;

it('refers to no document that is not in the repository', () => {
  const folders = ['packages', 'network-sim', 'scripts', 'docs'];
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|md)$/.test(name) && !/(^|\/)(node_modules|dist)\//.test(name))
      .map((name) => `${folder}/${name}`),
  );
  expect(files.length).toBeGreaterThan(100);
  const texts = [...documents, ...files].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
  expect(texts.filter(({ text }) => ELSEWHERE.test(text)).map(({ path }) => path)).toEqual([]);
  expect('as the design page says').toMatch(ELSEWHERE);
});

/** Tests that the rows of docs/limits.md cite: a file, and in quotes words of the test's name, which may end with `…`. */
function citationsIn(row: string): { readonly file: string; readonly names: string[] }[] {
  return [...row.matchAll(/`([\w./-]+\.test\.ts)`((?:,? "[^"|]+")*)/g)].map(([, file = '', quoted = '']) => ({
    file,
    names: [...quoted.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name.replace(/ ?…$/, '')),
  }));
}

describe('docs/limits.md', () => {
  const tests = ['packages', 'network-sim', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts') && !/(^|\/)(node_modules|dist)\//.test(name))
      .map((name) => `${folder}/${name}`),
  );
  const text = readFileSync(join(root, 'docs/limits.md'), 'utf8');
  const tables = text.split(/^## /m).filter((section) => section.includes('| what |'));
  const rows = tables.flatMap((section) => section.match(/^\| (?!what |---).+$/gm) ?? []);

  /** The cited names that no test has. A row may give the end of a path. */
  function unknownIn(row: string): string[] {
    return citationsIn(row).flatMap(({ file, names }) => {
      const sources = tests
        .filter((path) => path === file || path.endsWith(`/${file}`))
        .map((path) => readFileSync(join(root, path), 'utf8'));
      if (sources.length === 0) return [file];
      return names.filter((name) => !sources.some((source) => source.includes(name))).map((name) => `${file} ${name}`);
    });
  }

  it('cites tests that there are, by names that they have', () => {
    expect(rows.length).toBeGreaterThan(100);
    expect(rows.flatMap(unknownIn)).toEqual([]);
  });

  it('cites a test in each row, or says that none fills it', () => {
    const [cited, silent] = [rows.filter((row) => citationsIn(row).length > 0), /\bnone\b|\bno test\b/];
    expect(rows.filter((row) => !cited.includes(row) && !silent.test(row))).toEqual([]);
  });

  it('is found out when it cites a file or a name that is not there', () => {
    expect(unknownIn('| a | b | c | `nowhere.test.ts` "x" |')).toEqual(['nowhere.test.ts']);
    expect(unknownIn('| a | b | c | `bounded-map.test.ts` "no such", "holds" |')).toContain(
      'bounded-map.test.ts no such',
    );
  });
});
