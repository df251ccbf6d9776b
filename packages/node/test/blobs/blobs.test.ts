import { access, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contentDigest } from '@cloister/confidential';
import { type AccountId, concatBytes, type Digest } from '@cloister/encoding';
import { v0, v1 } from '@cloister/testkit';
import { BlobUnavailable } from '@cloister/validator';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlobExchange } from '../../src/blobs/blob-exchange.ts';
import {
  BLOB_PIECE_BYTES,
  decodeBlobAnswer,
  decodeBlobRequest,
  encodeBlobAnswer,
  encodeBlobRequest,
} from '../../src/blobs/blob-messages.ts';
import { BlobStore } from '../../src/blobs/blob-store.ts';
import { damage } from '../http/fake-context.ts';
import { temporaryFolder } from '../samples.ts';

const LIMITS = { quotaBytes: 100, blobBytesMax: 60, accountBytesMax: 70, retentionMs: 10_000 };
const bytes = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let nowMs: number;
let named: Map<Digest, AccountId>;
const open = (limits = LIMITS, name = 'blobs'): Promise<BlobStore> =>
  BlobStore.open(join(folder.path, name), {
    limits,
    nowMs: () => nowMs,
    named: (digest) => named.has(digest),
    ownerOf: (digest) => named.get(digest),
  });

beforeEach(async () => {
  folder = await temporaryFolder();
  nowMs = Date.now();
  named = new Map();
});
afterEach(() => folder.remove());

describe('blobs on disk', () => {
  it('are found again under their digest, also after a restart', async () => {
    const digest = await (await open()).put(bytes(50));
    expect(digest).toBe(contentDigest(bytes(50)));
    const again = await open();
    expect(await again.get(digest)).toEqual(bytes(50));
    expect(again.bytes).toBe(50);
  });

  it('keep to size and quota, and count a blob once', async () => {
    const store = await open();
    await Promise.all([store.put(bytes(60)), store.put(bytes(60))]);
    expect(store.bytes).toBe(60);
    await expect(store.put(bytes(61))).rejects.toMatchObject({ code: 'BLOB_TOO_LARGE' });
    await expect(store.put(bytes(41, 2))).rejects.toMatchObject({ code: 'BLOB_QUOTA_EXCEEDED' });
    await store.put(bytes(40, 3));
    expect(store.bytes).toBe(100);
  });

  it('are dropped when their file was changed, and half-written ones when found', async () => {
    const store = await open();
    const digest = await store.put(bytes(50));
    const shelf = join(folder.path, 'blobs', digest.slice(0, 2));
    await writeFile(join(shelf, digest), bytes(50, 9));
    expect(await store.get(digest)).toBeUndefined();
    expect(store.bytes).toBe(0);
    await writeFile(join(shelf, `${digest}.abcd.tmp`), bytes(3));
    expect((await open()).count).toBe(0);
    expect(await readdir(shelf)).toEqual([]);
  });

  it('go after their time unless needed', async () => {
    const store = await open();
    const kept = await store.put(bytes(10, 1));
    const lapsed = await store.put(bytes(10, 2));
    named.set(kept, v0.id);
    nowMs += 10_001;
    expect(await store.sweep()).toBe(1);
    expect([store.has(kept), store.has(lapsed)]).toEqual([true, false]);
    // Its time begins when it is named no longer.
    named.clear();
    expect(await store.sweep()).toBe(0);
    nowMs += 10_001;
    expect(await store.sweep()).toBe(1);
    expect(store.has(kept)).toBe(false);
  });

  /** An upload from its first byte to its last. */
  async function upload(store: BlobStore, content: Uint8Array, account?: AccountId): Promise<string> {
    const reserved = store.reserve(contentDigest(content), content.length, account);
    if (!reserved.ok) return reserved.code;
    await store.prepareUploads();
    await writeFile(reserved.value.path, content);
    await store.adopt(reserved.value);
    return contentDigest(content);
  }

  it('leave room for every account: each has its share, and whoever holds most makes way', async () => {
    const store = await open();
    expect(await upload(store, bytes(60, 1), v0.id)).toBe(contentDigest(bytes(60, 1)));
    expect(await upload(store, bytes(11, 2), v0.id)).toBe('BLOB_ACCOUNT_QUOTA_EXCEEDED');
    expect(await upload(store, bytes(10, 3), v0.id)).toBe(contentDigest(bytes(10, 3)));
    // 70 of 100 are of v0; v1 comes with 50, and the oldest of v0 goes.
    expect(await upload(store, bytes(50, 4), v1.id)).toBe(contentDigest(bytes(50, 4)));
    expect(
      [1, 3, 4].map((fill) => store.has(contentDigest(bytes(fill === 1 ? 60 : fill === 3 ? 10 : 50, fill)))),
    ).toEqual([false, true, true]);
    // But v0 does not drive out v1 by coming back: it would hold as much.
    expect(await upload(store, bytes(45, 5), v0.id)).toBe('BLOB_QUOTA_EXCEEDED');
    expect(store.bytes).toBe(60);
  });

  it('that the ledger names are not driven out, and drive out what it does not name', async () => {
    const store = await open();
    const kept = contentDigest(bytes(60, 1));
    named.set(kept, v0.id);
    await upload(store, bytes(60, 1), v0.id);
    await upload(store, bytes(40, 2), v1.id);
    expect(await upload(store, bytes(41, 3), v1.id)).toBe('BLOB_ACCOUNT_QUOTA_EXCEEDED');
    const wanted = bytes(30, 4);
    named.set(contentDigest(wanted), v1.id);
    await store.put(wanted);
    expect([store.has(kept), store.has(contentDigest(bytes(40, 2))), store.bytes]).toEqual([true, false, 90]);
  });

  it('are counted while they are uploaded, and not after an upload that broke off', async () => {
    const store = await open();
    const reserved = store.reserve(contentDigest(bytes(60)), 60, v0.id);
    if (!reserved.ok) throw new Error(reserved.code);
    await store.prepareUploads();
    await writeFile(reserved.value.path, bytes(30));
    await expect(store.put(bytes(41, 2))).rejects.toMatchObject({ code: 'BLOB_QUOTA_EXCEEDED' });
    expect(await upload(store, bytes(11, 3), v0.id)).toBe('BLOB_ACCOUNT_QUOTA_EXCEEDED');
    await store.release(reserved.value);
    await expect(access(reserved.value.path)).rejects.toThrow();
    await store.put(bytes(41, 2));
    expect(await upload(store, bytes(50, 3), v0.id)).toBe(contentDigest(bytes(50, 3)));
    expect(store.bytes).toBe(91);
  });
});

describe('blobs between members', () => {
  const BIG = { quotaBytes: 1e9, blobBytesMax: 3 * BLOB_PIECE_BYTES, accountBytesMax: 1e9, retentionMs: 1e9 };

  type Acceptance = 'passed' | 'failed' | 'unattested';
  async function pair(
    acceptance: Acceptance,
    workload: boolean,
  ): Promise<{ from: BlobStore; to: BlobExchange; server: BlobExchange; asked: number[] }> {
    const from = await open(BIG, 'from');
    const asked: number[] = [];
    const common = { isWorkload: () => workload, attestationOf: () => Promise.resolve(acceptance) };
    const nobody = { members: () => [], request: () => Promise.reject(new Error('nobody')) };
    const server = new BlobExchange({ ...common, ...nobody, store: from });
    const to = new BlobExchange({
      ...common,
      store: await open(BIG, 'to'),
      members: () => [v0.id, v1.id],
      request: async (member: AccountId, request, maxBytes) => {
        if (member === v0.id) throw new Error('not connected');
        const answer = (await server.answer(v1.id, request)) ?? new Uint8Array(0);
        asked.push(answer.length);
        expect(answer.length).toBeLessThanOrEqual(maxBytes);
        return answer;
      },
    });
    return { from, to, server, asked };
  }

  it('come in pieces from whoever has them, and stay', async () => {
    const { from, to, asked } = await pair('passed', true);
    const whole = bytes(2 * BLOB_PIECE_BYTES + 5, 7);
    const digest = await from.put(whole);
    const [one, two] = await Promise.all([to.get(digest), to.get(digest)]);
    expect(one).toEqual(whole);
    expect(two).toEqual(whole);
    expect(asked).toHaveLength(3);
    await to.get(digest);
    expect(asked).toHaveLength(3);
  });

  async function read(pieces: AsyncIterable<Uint8Array> | undefined): Promise<Uint8Array> {
    const all: Uint8Array[] = [];
    for await (const piece of pieces ?? []) all.push(piece);
    return concatBytes(...all);
  }

  it('of a model come onto the disk and are read from there, a piece at a time', async () => {
    const { from, to, server, asked } = await pair('passed', true);
    const whole = bytes(2 * BLOB_PIECE_BYTES + 5, 7);
    const digest = await from.put(whole);
    // Of another size than the ledger says: one piece is enough to see it.
    expect(await to.hold(digest, whole.length + 1)).toBe(false);
    expect(asked.splice(0)).toHaveLength(1);
    expect(await read(await to.open(digest, whole.length))).toEqual(whole);
    expect(asked).toHaveLength(3);
    expect(await read(await to.open(digest, whole.length))).toEqual(whole);
    expect(asked).toHaveLength(3);
    // Damaged where it is served: it is neither given out nor kept.
    await damage(from, digest);
    const again = new BlobExchange({
      store: from,
      members: () => [],
      request: () => Promise.reject(new Error('nobody')),
      isWorkload: () => true,
      attestationOf: () => Promise.resolve('passed'),
    });
    expect(await again.answer(v1.id, encodeBlobRequest({ digest, offset: 0 }))).toEqual(
      encodeBlobAnswer({ status: 'not-held' }),
    );
    expect(from.has(digest)).toBe(false);
    expect(server.refused).toBe(0);
  });

  it('of a model pass through when there is no room, and the last one only when all are right', async () => {
    const whole = bytes(2 * BLOB_PIECE_BYTES + 5, 7);
    const digest = contentDigest(whole);
    const exchangeWith = async (serve: (offset: number) => Uint8Array): Promise<BlobExchange> =>
      new BlobExchange({
        store: await open({ ...BIG, quotaBytes: 10 }, 'full'),
        members: () => [v0.id],
        request: (_, request) => {
          const asked = decodeBlobRequest(request);
          const piece = serve(asked.ok ? asked.value.offset : 0);
          return Promise.resolve(encodeBlobAnswer({ status: 'piece', total: whole.length, piece }));
        },
        isWorkload: () => true,
        attestationOf: () => Promise.resolve('passed'),
      });
    const honest = await exchangeWith((offset) => whole.subarray(offset, offset + BLOB_PIECE_BYTES));
    expect(await read(await honest.open(digest, whole.length))).toEqual(whole);
    const liar = await exchangeWith((offset) => bytes(Math.min(BLOB_PIECE_BYTES, whole.length - offset), 8));
    const taken: number[] = [];
    const lied = async (): Promise<void> => {
      for await (const piece of (await liar.open(digest, whole.length)) ?? []) taken.push(piece.length);
    };
    await expect(lied()).rejects.toThrow(BlobUnavailable);
    expect(taken).toEqual([BLOB_PIECE_BYTES, BLOB_PIECE_BYTES]);
  });

  const cases: [Acceptance, boolean, boolean][] = [
    ['passed', true, true],
    ['passed', false, true],
    ['failed', true, false],
    ['failed', false, false],
    ['unattested', true, false],
    ['unattested', false, true],
  ];
  it.each(cases)(
    'a member that is %s asks for a workload: %s, and gets it: %s',
    async (acceptance, workload, given) => {
      const { from, to, server } = await pair(acceptance, workload);
      const digest = await from.put(bytes(50));
      expect(await to.get(digest)).toEqual(given ? bytes(50) : undefined);
      expect(server.refused).toBe(given ? 0 : 1);
    },
  );

  it('are refused when the peer lies about content or size', async () => {
    const digest = contentDigest(bytes(50));
    const lies = [
      { status: 'piece', total: 50, piece: bytes(50, 2) },
      { status: 'piece', total: BIG.blobBytesMax + 1, piece: bytes(50) },
      { status: 'piece', total: 49, piece: bytes(50) },
      { status: 'piece', total: 51, piece: new Uint8Array(0) },
      { status: 'piece', total: 51, piece: bytes(1) },
    ] as const;
    let asked = 0;
    for (const lie of lies) {
      const store = await open(BIG);
      const exchange = new BlobExchange({
        store,
        members: () => [v0.id],
        request: () => {
          asked++;
          return Promise.resolve(encodeBlobAnswer(lie));
        },
        isWorkload: () => false,
        attestationOf: () => Promise.resolve('passed'),
      });
      expect(await exchange.get(digest)).toBeUndefined();
      expect(await exchange.hold(digest)).toBe(false);
      expect([store.count, store.bytes]).toEqual([0, 0]);
    }
    expect(asked).toBe(2 * lies.length);
  });

  it('messages read back, and no bytes make a reader throw', async () => {
    const { server } = await pair('passed', false);
    const digest = contentDigest(bytes(1)) as Digest;
    expect(decodeBlobRequest(encodeBlobRequest({ digest, offset: 5 }))).toEqual({
      ok: true,
      value: { digest, offset: 5 },
    });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (noise) => {
        decodeBlobAnswer(noise);
        await server.answer(v0.id, noise);
      }),
    );
  });
});
