/** The client in a browser: it does there what it does in Node, and neither it nor what it depends on has a native module. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as client from '@cloister/client';
import { genesisWith } from '@cloister/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BrowserBundle, bundleForBrowser } from './bundle.ts';
import { openServedPage, type RunningChromium, startChromium } from './chromium.ts';
import { type ClientCalls, callClient } from './client-calls.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));

let bundle: BrowserBundle;
beforeAll(async () => {
  bundle = await bundleForBrowser(`import './client-page.ts';`);
});

describe('the bundle of the client', () => {
  it('holds nothing of Node', () => {
    // @hpke/core asks for Node's in a branch that runs where there is no `globalThis.crypto`, which Node 18 lacks.
    expect(new Set(bundle.imports)).toEqual(new Set(['crypto']));
    expect(bundle.nodeGlobals).toEqual([]);
    expect(bundle.read).not.toContain('packages/crypto/src/backends/backend-node.ts');
    expect(bundle.contained).toContain('packages/client/src/client.ts');
  });

  it('holds of the project what a client needs, and of others noble and HPKE alone', () => {
    const packages = bundle.read.map(
      (path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split('/').slice(0, 2).join('/'),
    );
    expect([...new Set(packages)].sort()).toEqual([
      '@hpke/common',
      '@hpke/core',
      '@noble/ciphers',
      '@noble/curves',
      '@noble/hashes',
      'packages/attestation',
      'packages/client',
      'packages/confidential',
      'packages/consensus',
      'packages/crypto',
      'packages/encoding',
      'packages/event-log',
      'packages/ledger',
      'packages/proof',
      'test/browser',
    ]);
  });
});

describe('the client, installed', () => {
  it('brings no native module and runs no script', () => {
    const installed = closure(join(repository, 'packages', 'client'));
    expect(installed.map(({ name }) => name)).toContain('@cloister/ledger');
    for (const { name, native } of installed) expect(native, name).toEqual([]);
  });

  it('would be seen to bring one', () => {
    const native = (folder: string): string[] =>
      closure(join(repository, 'packages', folder)).flatMap((one) => (one.native.length > 0 ? one.name : []));
    expect(native('store-level')).toContain('classic-level');
    expect(native('platform')).toContain('onnxruntime-node');
  });
});

interface Installed {
  readonly name: string;
  /** What of it is native, or runs when it is installed. */
  readonly native: readonly string[];
}

interface Manifest {
  readonly name: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: object;
  readonly optionalDependencies?: object;
  readonly peerDependencies?: object;
}

/** A package and everything that is installed with it, each once. */
function closure(folder: string, found: Map<string, Installed> = new Map()): readonly Installed[] {
  if (found.has(folder)) return [];
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  const scripts = ['preinstall', 'install', 'postinstall'].filter((name) => manifest.scripts?.[name] !== undefined);
  const own = folder.startsWith(join(repository, 'packages'));
  const files = own ? [] : readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const native = files.filter((path) => /\.(node|gyp|so|dylib|dll)$|\.so\.\d+$/.test(path));
  found.set(folder, { name: manifest.name, native: [...scripts, ...native] });
  const { dependencies, optionalDependencies, peerDependencies } = manifest;
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    const next = whereInstalled(name, folder);
    if (next !== undefined) closure(next, found);
  }
  return [...found.values()];
}

/** Where Node.js finds a package from a folder; undefined for an optional one of another platform. */
function whereInstalled(name: string, from: string): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name);
    if (existsSync(path)) return realpathSync(path);
  }
  return undefined;
}

describe('in a page', () => {
  const genesis = genesisWith({});
  let chromium: RunningChromium;
  let server: Server;
  let calls: ClientCalls;

  beforeAll(async () => {
    // The page and the API of a node, from one origin.
    server = createServer((request, response) => {
      if (request.url === '/v1/genesis') response.end(genesis.bytes);
      else response.setHeader('content-type', 'text/html').end('<!doctype html><title>client</title>');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const onnx = readFileSync(join(repository, 'packages/node/models/digits.onnx')).toString('base64');
    calls = { baseUrl: `http://127.0.0.1:${port}`, chainId: genesis.chainId, onnx };
    chromium = await startChromium();
  });

  afterAll(async () => {
    await chromium?.close();
    server?.closeAllConnections();
    server?.close();
  });

  it('connects by fetch, seals and opens as in Node', async () => {
    const { page, errors } = await openServedPage(chromium.browser, calls.baseUrl, bundle.code);
    const inNode = await callClient(calls);
    expect(JSON.parse(inNode)).toMatchObject({ simulated: true, otherChain: 'GENESIS_MISMATCH', opened: 'a text' });
    expect(await page.evaluate((asked) => globalThis.cloisterClient.callClient(asked), calls)).toBe(inNode);
    expect(await page.evaluate(() => globalThis.cloisterClient.exported)).toEqual(Object.keys(client).sort());
    expect(errors).toEqual([]);
  });
});
