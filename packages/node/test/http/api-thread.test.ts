/** The API's thread may die of anything: the node does not, and starts it again where clients look for it. */
import { expect, it, vi } from 'vitest';
import { ApiThread } from '../../src/desk/api-thread.ts';
import { API_OPTIONS, makeContext } from './fake-context.ts';

it('is started again on the same port, later each time, after its uploads were given up', async () => {
  const fake = await makeContext();
  const lines: { readonly event: string; readonly fields: { readonly [name: string]: unknown } }[] = [];
  let abandoned = 0;
  const seen = new Promise<void>((resolve) => {
    const thread = new ApiThread({
      setup: {
        options: API_OPTIONS,
        chainId: fake.context.chainId,
        genesisBytes: fake.chain.genesis.bytes,
        simulated: true,
        chainDirectory: '',
        indexDirectory: '',
        blobBytesMax: 1,
      },
      context: fake.node,
      log: { head: fake.context.chain.log.head },
      desk: {
        abandonUploads: async () => {
          abandoned++;
        },
        close: async () => undefined,
      } as never,
      report: (_, event, fields = {}) => {
        lines.push({ event, fields });
        if (lines.length === 3) void thread.close().then(resolve);
      },
      monotonicMs: () => performance.now(),
      program: new URL('dying-api.ts', import.meta.url),
    });
    void thread.start().then((url) => expect(url).toBe('http://127.0.0.1:4321'));
  });
  await seen;
  expect(lines.map(({ event }) => event)).toEqual(['api-ended', 'api-ended', 'api-ended']);
  expect(lines.map(({ fields }) => fields.error)).toEqual(['died on port 0', 'died on port 4321', 'died on port 4321']);
  const [first, second, third] = lines.map(({ fields }) => Number(fields.restartMs));
  expect([second, third]).toEqual([2 * (first ?? 0), 4 * (first ?? 0)]);
  expect(abandoned).toBe(3);
  await fake.remove();
});

it('that cannot begin is the start that fails', async () => {
  const fake = await makeContext();
  const thread = new ApiThread({
    setup: {
      options: API_OPTIONS,
      chainId: fake.context.chainId,
      genesisBytes: fake.chain.genesis.bytes,
      simulated: true,
      chainDirectory: '/nowhere/chain',
      indexDirectory: '/nowhere/index',
      blobBytesMax: 1,
    },
    context: fake.node,
    log: { head: fake.context.chain.log.head },
    desk: { abandonUploads: async () => undefined, close: async () => undefined } as never,
    report: () => undefined,
    monotonicMs: () => performance.now(),
  });
  await expect(thread.start()).rejects.toMatchObject({ code: 'API_FAILED' });
  await thread.close();
  await fake.remove();
});

it('tells of each indexed block, also of one that came while the index was at work on another', async () => {
  const fake = await makeContext();
  const { index, bus } = fake.node;
  const log = { head: { ...fake.context.chain.log.head, count: 0 } };
  let indexed = 0;
  const works = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  vi.spyOn(index, 'count', 'get').mockImplementation(() => indexed);
  vi.spyOn(index, 'settled').mockImplementation(() => works[log.head.count === 1 ? 0 : 1].promise);
  const told = new Set<string>();
  const all = Promise.withResolvers<void>();
  const thread = new ApiThread({
    setup: {
      options: API_OPTIONS,
      chainId: fake.context.chainId,
      genesisBytes: fake.chain.genesis.bytes,
      simulated: true,
      chainDirectory: '',
      indexDirectory: '',
      blobBytesMax: 1,
    },
    context: fake.node,
    log,
    desk: { abandonUploads: async () => undefined, close: async () => undefined } as never,
    report: (_level, _event, { error } = {}) => {
      told.add(String(error));
      if (told.has('indexed 2')) all.resolve();
    },
    monotonicMs: () => performance.now(),
    program: new URL('echoing-api.ts', import.meta.url),
  });
  await thread.start();
  for (const count of [1, 2]) {
    log.head = { ...log.head, count };
    bus.publish({} as never);
  }
  indexed = 1;
  works[0].resolve();
  await works[0].promise;
  await new Promise((resolve) => setImmediate(resolve));
  indexed = 2;
  works[1].resolve();
  await all.promise;
  expect([...told]).toEqual(['indexed 0', 'indexed 1', 'indexed 2']);
  await thread.close();
  await fake.remove();
});
