/**
 * A headless Chromium to run a page in: the machine's own where there is one, else the one of an npm package.
 *
 * Everything that it writes goes into one temporary folder, which `close` removes; runs at the same time share nothing.
 */
import { execFile } from 'node:child_process';
import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, type Page, chromium as playwright } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The package holds a binary for this platform only. */
const PACKAGED = process.platform === 'linux' && process.arch === 'x64';

export interface RunningChromium {
  readonly browser: Browser;
  /** Where the binary comes from, for people. */
  readonly origin: string;
  /** Ends the browser and removes its files. */
  close(): Promise<void>;
}

interface Binary {
  readonly path: string;
  readonly origin: string;
  readonly env?: { readonly [name: string]: string };
}

/**
 * Starts the Chromium that the variable CHROMIUM names; without it the first of the machine's own that starts, else the
 * packaged one. Throws the last failure when none starts.
 */
export async function startChromium(): Promise<RunningChromium> {
  const folder = await mkdtemp(join(tmpdir(), 'cloister-chromium-'));
  try {
    const browser = await firstThatStarts(folder);
    return {
      ...browser,
      close: async () => {
        await browser.browser.close();
        await remove(folder);
      },
    };
  } catch (error) {
    await remove(folder);
    throw error;
  }
}

function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function firstThatStarts(folder: string): Promise<Omit<RunningChromium, 'close'>> {
  const named = process.env.CHROMIUM;
  // Playwright leaves folders behind when there is no such file.
  if (named) await access(named, constants.X_OK);
  const own = named ? [named] : await ownBinaries();
  for (const path of own) {
    try {
      return await launch({ path, origin: path }, folder);
    } catch (error) {
      // Some distributions install a script that only says how to get the browser.
      if (named) throw error;
      console.warn(`${path} does not start: ${String(error).split('\n', 1)[0]}`);
    }
  }
  if (!PACKAGED) throw new Error('no Chromium on this machine: name one in the variable CHROMIUM');
  return await launch(await packagedBinary(folder), folder);
}

async function launch({ path, origin, env = {} }: Binary, folder: string): Promise<Omit<RunningChromium, 'close'>> {
  // Playwright makes a profile of its own for each launch and removes it.
  const browser = await playwright.launch({
    executablePath: path,
    args: FLAGS,
    env: { ...process.env, HOME: folder, TMPDIR: folder, ...env },
  });
  return { browser, origin: `${origin}, ${browser.version()}` };
}

async function ownBinaries(): Promise<readonly string[]> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = await Promise.all(
    paths.map((path) =>
      access(path, constants.X_OK).then(
        () => [path],
        () => [],
      ),
    ),
  );
  return found.flat();
}

/** The package unpacks into the temporary folder of its process, hence a process with a folder of its own. */
async function packagedBinary(folder: string): Promise<Binary> {
  const script = fileURLToPath(new URL('unpack-chromium.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], {
    env: { ...process.env, TMPDIR: folder },
  });
  const { binary, libraries } = JSON.parse(stdout) as { binary: string; libraries: string };
  return { path: binary, origin: '@sparticuz/chromium', env: { LD_LIBRARY_PATH: libraries } };
}

export interface ScriptedPage {
  readonly page: Page;
  /** URLs that the page asked for. */
  readonly requests: readonly string[];
  /** What the page's scripts threw and nobody caught. */
  readonly errors: readonly string[];
}

/** An empty page, off line, that has run `script`. */
export async function openScriptedPage(browser: Browser, script: string): Promise<ScriptedPage> {
  const context = await browser.newContext({ offline: true, serviceWorkers: 'block' });
  const page = await context.newPage();
  const requests: string[] = [];
  const errors: string[] = [];
  context.on('request', (request) => requests.push(request.url()));
  page.on('websocket', (socket) => requests.push(socket.url()));
  page.on('pageerror', (error) => errors.push(error.message));
  await page.addScriptTag({ content: script });
  return { page, requests, errors };
}

/** A page of a server of this machine, which has run `script`. */
export async function openServedPage(
  browser: Browser,
  url: string,
  script: string,
): Promise<Pick<ScriptedPage, 'page' | 'errors'>> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(url);
  await page.addScriptTag({ content: script });
  return { page, errors };
}
