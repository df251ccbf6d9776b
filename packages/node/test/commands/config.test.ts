import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PLATFORMS } from '@cloister/attestation';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.ts';
import { configToml, DEFAULT_CONFIG_TOML } from '../../src/config/config-file.ts';
import { CONFIG_KEYS, CONFIG_OPTIONS, flagOf, variableOf } from '../../src/config/config-options.ts';
import { temporaryFolder } from '../samples.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  file = join(folder.path, 'config.toml');
});
afterEach(() => folder.remove());

describe('configuration', () => {
  it('takes flags over variables over the file over defaults, and says where each value comes from', async () => {
    await writeFile(file, '[api]\nport = 1\nhost = "localhost"\n[node]\nname = "file"\n');
    const { config, effective } = await loadConfig({
      file,
      environment: { CLOISTER_API_PORT: '2', CLOISTER_NODE_NAME: 'environment', CLOISTER_HOME: '/x', PATH: '/bin' },
      flags: { 'api-port': '3', 'network-listen': '/ip4/127.0.0.1/tcp/0, /ip4/127.0.0.1/tcp/1' },
    });
    expect(config['api.port']).toBe(3);
    expect(config['node.name']).toBe('environment');
    expect(config['api.host']).toBe('localhost');
    expect(config['network.listen']).toEqual(['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/1']);
    const origins = Object.fromEntries(effective.map(({ key, origin, source }) => [key, [origin, source]]));
    expect(origins['api.port']).toEqual(['flag', '--api-port']);
    expect(origins['node.name']).toEqual(['environment', 'CLOISTER_NODE_NAME']);
    expect(origins['api.host']).toEqual(['file', file]);
    expect(origins['log.verify']).toEqual(['default', '']);
  });

  it('takes each platform for the simulated enclave', async () => {
    for (const platform of PLATFORMS) {
      const { config } = await loadConfig({ file, flags: { 'enclave-platform': platform } });
      expect(config['enclave.platform']).toBe(platform);
    }
    expect((await loadConfig({ file })).config['enclave.platform']).toBe('sev-snp');
  });

  it('is all defaults without a file, and with the file that init writes', async () => {
    const none = await loadConfig({ file });
    await writeFile(file, DEFAULT_CONFIG_TOML);
    const written = await loadConfig({ file });
    expect(written.config).toEqual(none.config);
    for (const key of CONFIG_KEYS) expect(none.config[key]).toEqual(CONFIG_OPTIONS[key].default);
  });

  it('reads back what configToml writes', async () => {
    await writeFile(
      file,
      configToml({ 'api.port': 0, 'network.seeds': ['/ip4/1.2.3.4/tcp/5/p2p/x'], 'api.enabled': false }),
    );
    const { config } = await loadConfig({ file });
    expect(config).toMatchObject({
      'api.port': 0,
      'network.seeds': ['/ip4/1.2.3.4/tcp/5/p2p/x'],
      'api.enabled': false,
    });
  });

  const wrong: [string, string, string, string | undefined][] = [
    ['an unknown key', '[api]\nprot = 1\n', 'CONFIG_UNKNOWN_KEY', 'api.prot'],
    ['an unknown section', '[apis]\nport = 1\n', 'CONFIG_UNKNOWN_KEY', 'apis.port'],
    ['a key outside of sections', 'port = 1\n', 'CONFIG_UNKNOWN_KEY', 'port'],
    ['text for a number', '[api]\nport = "1"\n', 'CONFIG_INVALID_VALUE', undefined],
    ['a number out of bounds', '[api]\nport = 70000\n', 'CONFIG_INVALID_VALUE', undefined],
    ['a choice that is none', '[node]\nlog_level = "loud"\n', 'CONFIG_INVALID_VALUE', undefined],
    ['a platform that does not exist', '[enclave]\nplatform = "sev"\n', 'CONFIG_INVALID_VALUE', undefined],
    ['a list with a number', '[network]\nseeds = [1]\n', 'CONFIG_INVALID_VALUE', undefined],
    ['a repeated key', '[api]\nport = 1\nport = 2\n', 'CONFIG_SYNTAX', undefined],
    ['no TOML', '{"api": 1}', 'CONFIG_SYNTAX', undefined],
  ];
  it.each(wrong)('refuses %s', async (_, text, code, key) => {
    await writeFile(file, text);
    const error = await loadConfig({ file }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ code, ...(key === undefined ? {} : { key }) });
    expect((error as Error).message).toContain(file);
  });

  it('refuses unknown variables and flags', async () => {
    await expect(loadConfig({ environment: { CLOISTER_API_PROT: '1' } })).rejects.toMatchObject({
      code: 'CONFIG_UNKNOWN_VARIABLE',
    });
    await expect(loadConfig({ flags: { 'api-prot': '1' } })).rejects.toMatchObject({ code: 'CONFIG_UNKNOWN_FLAG' });
    await expect(loadConfig({ flags: { 'api-port': '1.5' } })).rejects.toMatchObject({ code: 'CONFIG_INVALID_VALUE' });
    const { config } = await loadConfig({
      environment: { CLOISTER_OUTPUT: 'json' },
      otherVariables: ['CLOISTER_OUTPUT'],
    });
    expect(config['api.port']).toBe(7480);
  });

  it('fails with a ConfigError and nothing else, whatever the file holds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.constantFrom(...CONFIG_KEYS).map((key) => `[${key}]\nx = {}`),
        ),
        async (text) => {
          await writeFile(file, text);
          const error = await loadConfig({ file }).then(
            () => undefined,
            (caught: unknown) => caught,
          );
          expect(error === undefined || error instanceof ConfigError).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('has no option that touches what is trusted', () => {
    const names = CONFIG_KEYS.join(' ');
    expect(names).not.toMatch(/skip|insecure|trust|anchor|policy|measurement|verify_attest|allow_/);
    expect(new Set(CONFIG_KEYS.map(flagOf)).size).toBe(CONFIG_KEYS.length);
    expect(new Set(CONFIG_KEYS.map(variableOf)).size).toBe(CONFIG_KEYS.length);
  });
});
