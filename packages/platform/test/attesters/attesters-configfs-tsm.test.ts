import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { concatBytes, toHex } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  configfsTsmSource,
  NODE_TSM_FILE_SYSTEM,
  type TsmFileSystem,
  tsmProviderName,
} from '../../src/attesters/index.ts';
import { certificateTable, GUIDS } from './certificate-table.ts';
import { FakeTsm, type FakeTsmOptions, systemError } from './fake-tsm.ts';
import { genoa, genoaVlek, REPORT_DATA, sgxQuote, snpReport, tdxQuote } from './vendor-services.ts';

const directory = '/config/tsm/report';
const [vcek = new Uint8Array(), ask = new Uint8Array(), ark = new Uint8Array()] = genoa.certificates;
const table = certificateTable([
  [GUIDS.ARK, ark],
  [GUIDS.ASK, ask],
  [GUIDS.VCEK, vcek],
]);

function tdxTsm(overrides: Partial<FakeTsmOptions> = {}): FakeTsm {
  return new FakeTsm({ directory, provider: 'tdx_guest', outblob: (inblob) => tdxQuote(inblob), ...overrides });
}

function snpTsm(overrides: Partial<FakeTsmOptions> = {}): FakeTsm {
  return new FakeTsm({
    directory,
    provider: 'sev_guest',
    outblob: (inblob) => snpReport(genoa, inblob),
    auxblob: table,
    privilegeLevelFloor: 0,
    ...overrides,
  });
}

/** A source over the fake that does not wait; and how long it would have. */
function sourceOf(fileSystem: TsmFileSystem, privilegeLevel?: 0 | 1 | 2 | 3) {
  const waits: number[] = [];
  const wait = async (ms: number): Promise<void> => {
    waits.push(ms);
  };
  const level = privilegeLevel === undefined ? {} : { privilegeLevel };
  return { ...configfsTsmSource({ directory, fileSystem, wait, ...level }), waits };
}

describe('configfs-tsm', () => {
  it('collects a TDX quote over the report data and leaves nothing behind', async () => {
    const tsm = tdxTsm();
    expect(await sourceOf(tsm).evidence(REPORT_DATA)).toEqual({
      evidence: { platform: 'tdx', report: tdxQuote(REPORT_DATA) },
      certificates: [],
    });
    expect(tsm.made).toBe(1);
    expect(tsm.entries.size).toBe(0);
  });

  it('cuts the zeros after a quote, and not the one that ends the PEM text inside', async () => {
    const quote = tdxQuote(REPORT_DATA);
    expect(quote.at(-1)).toBe(0);
    const tsm = tdxTsm({ outblob: () => concatBytes(quote, new Uint8Array(8000 - quote.length)) });
    const { evidence } = await sourceOf(tsm).evidence(REPORT_DATA);
    expect(toHex(evidence.report)).toBe(toHex(quote));
  });

  it('collects an SEV-SNP report with the certificates of the host, the key first', async () => {
    expect(await sourceOf(snpTsm()).evidence(REPORT_DATA)).toEqual({
      evidence: { platform: 'sev-snp', report: snpReport(genoa, REPORT_DATA) },
      certificates: [vcek, ask, ark],
    });
  });

  it('offers no certificates when the key that signs has none', async () => {
    const tsm = snpTsm({ outblob: (inblob) => snpReport(genoaVlek, inblob) });
    expect((await sourceOf(tsm).evidence(REPORT_DATA)).certificates).toEqual([]);
  });

  it('does without auxblob', async () => {
    const outblob = (inblob: Uint8Array): Uint8Array => snpReport(genoa, inblob);
    const bare = new FakeTsm({ directory, provider: 'sev_guest', outblob });
    expect((await sourceOf(bare).evidence(REPORT_DATA)).certificates).toEqual([]);
    expect((await sourceOf(snpTsm({ auxblob: new Uint8Array() })).evidence(REPORT_DATA)).certificates).toEqual([]);
  });

  it('asks at a privilege level, which counts as a write', async () => {
    const levels: number[] = [];
    const tsm = snpTsm({
      outblob: (inblob, level) => {
        levels.push(level);
        return snpReport(genoa, inblob);
      },
    });
    await sourceOf(tsm, 2).evidence(REPORT_DATA);
    expect(levels).toEqual([2]);
  });

  it.each([
    ['below the floor', snpTsm({ privilegeLevelFloor: 2 })],
    ['of a provider without levels', tdxTsm()],
  ])('refuses a privilege level %s', async (_, tsm) => {
    await expect(sourceOf(tsm, 1).evidence(REPORT_DATA)).rejects.toMatchObject({
      code: 'TSM_PRIVILEGE_LEVEL_UNSUPPORTED',
    });
    expect(tsm.entries.size).toBe(0);
  });

  it('tries a new entry when another writer moved the generation', async () => {
    const tsm = tdxTsm();
    const waits: number[] = [];
    let interfered = 0;
    tsm.before = (operation, entry) => {
      // Between the request and the quote: a valid quote, over somebody else's report data.
      if (operation === 'read outblob' && interfered++ < 2) {
        entry.inblob = new Uint8Array(64).fill(9);
        entry.generation++;
      }
    };
    const source = sourceOf(tsm);
    const { evidence } = await source.evidence(REPORT_DATA);
    waits.push(...source.waits);
    expect(toHex(evidence.report)).toBe(toHex(tdxQuote(REPORT_DATA)));
    expect([tsm.made, tsm.entries.size]).toEqual([3, 0]);
    expect(waits).toEqual([50, 100]);
  });

  it('notices a generation that moved even if the quote is the one asked for', async () => {
    const tsm = tdxTsm();
    tsm.before = (operation, entry) => {
      if (operation === 'read outblob' && tsm.made === 1) entry.generation++;
    };
    await sourceOf(tsm).evidence(REPORT_DATA);
    expect(tsm.made).toBe(2);
  });

  it('gives up when every entry is interfered with', async () => {
    const tsm = tdxTsm();
    tsm.before = (operation, entry) => {
      if (operation === 'write inblob') entry.generation++;
    };
    await expect(sourceOf(tsm).evidence(REPORT_DATA)).rejects.toMatchObject({ code: 'TSM_INTERFERENCE' });
    expect([tsm.made, tsm.entries.size]).toEqual([5, 0]);
  });

  it('notices a request that the kernel dropped without a word', async () => {
    const tsm = tdxTsm();
    const dropping: TsmFileSystem = {
      mkdir: (path) => tsm.mkdir(path),
      rmdir: (path) => tsm.rmdir(path),
      read: (path, bytesMax) => tsm.read(path, bytesMax),
      write: async () => undefined,
    };
    await expect(sourceOf(dropping).evidence(REPORT_DATA)).rejects.toMatchObject({ code: 'TSM_INTERFERENCE' });
    expect(tsm.entries.size).toBe(0);
  });

  it.each(['mkdir', 'read provider', 'write inblob', 'read outblob'])('waits when %s is busy', async (operation) => {
    const tsm = tdxTsm();
    tsm.failures.set(operation, ['EBUSY', 'EBUSY']);
    const source = sourceOf(tsm);
    await source.evidence(REPORT_DATA);
    expect(source.waits).toEqual([50, 100]);
    expect(tsm.entries.size).toBe(0);
  });

  const failures: readonly (readonly [string, string, string])[] = [
    ['mkdir', 'ENXIO', 'TSM_UNAVAILABLE'],
    ['mkdir', 'EACCES', 'TSM_UNAVAILABLE'],
    ['read outblob', 'EIO', 'TSM_IO'],
    ['read auxblob', 'EIO', 'TSM_IO'],
    ['write inblob', 'EINVAL', 'TSM_IO'],
    ['read generation', 'EIO', 'TSM_IO'],
    ['rmdir', 'EIO', 'TSM_IO'],
  ];
  it.each(failures)('tells %s that fails with %s as %s', async (operation, code, expected) => {
    const tsm = snpTsm();
    tsm.failures.set(operation, [code]);
    await expect(sourceOf(tsm).evidence(REPORT_DATA)).rejects.toMatchObject({ code: expected });
    expect(tsm.entries.size).toBe(operation === 'rmdir' ? 1 : 0);
  });

  it('tells why there is no evidence rather than that the entry could not be removed', async () => {
    const tsm = snpTsm();
    tsm.failures.set('read outblob', ['ENXIO']).set('rmdir', ['EIO']);
    await expect(sourceOf(tsm).evidence(REPORT_DATA)).rejects.toMatchObject({ code: 'TSM_UNAVAILABLE' });
  });

  const hostile: readonly (readonly [string, FakeTsm, string])[] = [
    ['an unknown provider', tdxTsm({ provider: 'arm_cca_guest' }), 'TSM_PROVIDER_UNKNOWN'],
    ['a quote over other report data', tdxTsm({ outblob: () => tdxQuote(new Uint8Array(64)) }), 'REPORT_DATA_MISMATCH'],
    [
      'a report over other report data',
      snpTsm({ outblob: () => snpReport(genoa, new Uint8Array(64)) }),
      'REPORT_DATA_MISMATCH',
    ],
    ['no quote at all', tdxTsm({ outblob: () => new Uint8Array(4000) }), 'EVIDENCE_MALFORMED'],
    ['a quote of SGX', tdxTsm({ outblob: (inblob) => sgxQuote(inblob) }), 'EVIDENCE_MALFORMED'],
    ['a cut quote', tdxTsm({ outblob: (inblob) => tdxQuote(inblob).subarray(0, 1500) }), 'EVIDENCE_MALFORMED'],
    ['a report in place of a quote', tdxTsm({ outblob: (inblob) => snpReport(genoa, inblob) }), 'EVIDENCE_MALFORMED'],
    ['a quote in place of a report', snpTsm({ outblob: (inblob) => tdxQuote(inblob) }), 'EVIDENCE_MALFORMED'],
    ['a blob without end', tdxTsm({ outblob: () => new Uint8Array(32 * 1024 + 1) }), 'TSM_BLOB_TOO_LARGE'],
    ['a table without end', snpTsm({ auxblob: new Uint8Array(64 * 1024 + 1) }), 'TSM_BLOB_TOO_LARGE'],
    ['a spoilt table', snpTsm({ auxblob: table.subarray(0, 60) }), 'CERTIFICATE_TABLE_REFUSED'],
  ];
  it.each(hostile)('refuses %s', async (_, tsm, code) => {
    await expect(sourceOf(tsm).evidence(REPORT_DATA)).rejects.toMatchObject({ code });
    expect(tsm.entries.size).toBe(0);
  });

  it('gives each of many requests at the same time its own quote', async () => {
    const tsm = tdxTsm();
    const source = sourceOf(tsm);
    const all = Array.from({ length: 8 }, (_, index) => new Uint8Array(64).fill(index + 1));
    const quotes = await Promise.all(all.map((reportData) => source.evidence(reportData)));
    expect(quotes.map(({ evidence }) => toHex(evidence.report))).toEqual(all.map((one) => toHex(tdxQuote(one))));
    expect([tsm.made, tsm.entries.size]).toEqual([8, 0]);
  });

  it('names the provider and removes the entry', async () => {
    const tsm = tdxTsm({ provider: 'arm_cca_guest' });
    expect(await tsmProviderName({ directory, fileSystem: tsm })).toBe('arm_cca_guest');
    expect([tsm.made, tsm.entries.size]).toEqual([1, 0]);
  });

  it('works on real files', async () => {
    const root = await mkdtemp(join(tmpdir(), 'cloister-tsm-'));
    try {
      // A plain folder lacks what configfs does by itself: attributes that come with the entry, and counted writes.
      const fileSystem: TsmFileSystem = {
        ...NODE_TSM_FILE_SYSTEM,
        mkdir: async (path) => {
          await mkdir(path);
          const files = { provider: 'tdx_guest\n', generation: '0\n', inblob: '', outblob: '' };
          for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
        },
        write: async (path, bytes) => {
          await NODE_TSM_FILE_SYSTEM.write(path, bytes);
          if (basename(path) !== 'inblob') throw systemError('EACCES');
          await writeFile(join(dirname(path), 'generation'), '1\n');
          await writeFile(join(dirname(path), 'outblob'), tdxQuote(await readFile(path)));
        },
        rmdir: (path) => rm(path, { recursive: true }),
      };
      const source = configfsTsmSource({ directory: root, fileSystem });
      const { evidence } = await source.evidence(REPORT_DATA);
      expect(toHex(evidence.report)).toBe(toHex(tdxQuote(REPORT_DATA)));
      expect(await readdir(root)).toEqual([]);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it('says that a machine without configfs-tsm has none', async () => {
    const source = configfsTsmSource({ directory: join(tmpdir(), 'no such', 'tsm') });
    await expect(source.evidence(REPORT_DATA)).rejects.toMatchObject({ code: 'TSM_UNAVAILABLE' });
  });
});
